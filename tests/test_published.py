"""The file that people open, after real runs: what passed is new, what is held back is as it was, nobody waits."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from greenery_assets.sample import SampleSpec, generate
from tests.conftest import RunJob, mounted, yesterday
from tests.job import MARTS, Home, Outcome, fingerprints
from tests.test_killed import kill_at_work

# What must hold in every reading: as much money in each mart, and each event with its page view.
SUMS = """
select
    (select sum(order_total) from core.dim_orders) as total,
    list_unique([
        (select sum(order_total) from core.dim_orders),
        (select sum(amount) from core.fact_orders),
        (select sum(order_total) from marketing.int_user_orders),
        (select sum(total_spent) from marketing.fact_user_orders)
    ]) = 1
    and list_unique([
        (select count(*) from staging.stg_events),
        (select count(*) from core.dim_events),
        (select count(*) from product.int_page_views)
    ]) = 1
"""
# Reads again and again until it is told to stop: through one connection, or each time through a new one.
READER = f"""
import sys, threading, time
import duckdb
path, way = sys.argv[1:]
stop = threading.Thread(target=sys.stdin.read)
stop.start()
held = duckdb.connect(path, read_only=True) if way == "held" else None
seen, reads, wrong = [], 0, 0
while stop.is_alive():
    connection = held or duckdb.connect(path, read_only=True)
    total, is_right = connection.execute('''{SUMS}''').fetchone()
    reads, wrong = reads + 1, wrong + (not is_right)
    if total not in seen:
        seen.append(total)
    if not held:
        connection.close()
    time.sleep(0.25)
print(reads, wrong, len(seen))
"""


def test_after_an_error_what_is_downstream_is_as_it_was(built: tuple[Home, Outcome], stopped: Home) -> None:
    before, working = fingerprints(built[0].published), fingerprints(stopped.warehouse)
    now = fingerprints(stopped.published)
    with duckdb.connect(stopped.published, read_only=True) as connection:
        rows = connection.execute("select concat(table_schema, '/', table_name), held_back_by from quality.tables")
        held = {name: why for name, why in rows.fetchall() if why}
    outcome = stopped.last_outcome()
    assert outcome.failing_errors
    assert {check.asset for check in outcome.failing_errors.values()} <= held.keys()
    marts = {name for name in now if name.partition("/")[0] in MARTS}
    assert marts
    not_built = {name for name in marts if name not in outcome.built}
    assert not_built
    assert not_built <= held.keys()
    assert all(now[name] == before[name] for name in marts & held.keys())
    assert all(now[name] == working[name] for name in marts - held.keys())


def read_on(home: Home, way: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", READER, str(home.published), way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slowest
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")
def test_readers_and_ten_runs_of_which_one_is_killed_do_not_notice_each_other(
    built: tuple[Home, Outcome], run_job: RunJob, tmp_path: Path
) -> None:
    home, source = built[0].copy(tmp_path), tmp_path / "source"
    readers = {way: read_on(home, way) for way in ("held", "fresh")}
    for n in range(1, 11):
        shutil.rmtree(source, ignore_errors=True)
        generate(SampleSpec(until=yesterday().date(), orders=380 + n), source)
        if n == 5:
            kill_at_work(home, source, after=3)
        elif n == 6:
            # It makes way for itself, which a run of the web interface leaves to the daemon.
            assert home.command(source, "run").returncode == 0
        else:
            assert run_job(home, source, new_source=True).success
    time.sleep(1)  # the last one is read too
    found = {}
    for way, reader in readers.items():
        said, fault = reader.communicate(timeout=60)
        assert reader.returncode == 0, fault
        found[way] = tuple(map(int, said.split()))
    for reads, wrong, _ in found.values():
        assert reads > 100
        assert wrong == 0
    # The first, and one for each run but that which was killed.
    assert {way: totals for way, (_, _, totals) in found.items()} == {"held": 1, "fresh": 10}
    assert fingerprints(home.published) == fingerprints(home.warehouse)


@pytest.mark.slowest
@pytest.mark.parametrize("place", ["warehouse", "dagster_home", "ledger", "page"])
def test_a_full_disk_is_one_sentence_loses_nothing_and_needs_no_hand_afterwards(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path, place: str
) -> None:
    before = fingerprints(built[0].published)
    with mounted(tmp_path / "small", megabytes=60) as disk:
        home = built[0].copy(tmp_path / "large")
        if place == "warehouse":
            for file in (home.published, home.warehouse):
                shutil.copy(file, disk)
            home = replace(home, published=disk / home.published.name)
        elif place == "dagster_home":
            home = replace(home, dagster_home=Path(shutil.copytree(home.dagster_home, disk / "dagster_home")))
        settings: dict[str, Any] = {"GREENERY_REPORT_DIR": str(disk / "report")} if place == "page" else {}
        if place == "ledger":
            shutil.copy(home.dagster_home / "alerts.sqlite", disk / "alerts.sqlite")
            settings["GREENERY_ALERTS_LEDGER"] = f"sqlite:///{disk / 'alerts.sqlite'}"
        (disk / "filled").write_bytes(b"0" * (shutil.disk_usage(disk).free - 20_000))
        done = home.command(sample_dir, "run", **settings)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1, said
        assert "Traceback" not in said
        assert re.search(r"disk .*is full|make room|Free some space", said), said
        assert str(disk) in said.replace(os.path.relpath(disk), str(disk)), "the message names no place"
        assert fingerprints(home.published) == before
        (disk / "filled").unlink()
        done = home.command(sample_dir, "run", **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        assert fingerprints(home.published) == fingerprints(home.warehouse)
