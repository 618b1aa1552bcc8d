"""`make diff`: planted differences between two files, the sides that cannot be built, and one whole comparison."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from diff_tables import __main__ as command
from diff_tables import sides
from diff_tables.compare import (
    EXAMPLES,
    Change,
    TableDifference,
    compare_checks,
    compare_figures,
    compare_tables,
    keys,
    order,
)
from diff_tables.markdown import Difference, in_short, page, status
from diff_tables.sides import Side, SideError, both
from greenery_assets.report.figures import Conversion, DayVolume, Hour, ProductConversion, RepeatRate
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.warehouse.source import SAMPLE_FILE
from tests.conftest import yesterday
from tests.job import ROOT, copy_of_project
from tests.report.builders import days, figures

ONE, TWO, THREE = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))
TEXTS = {"status": {"shipped", "delivered"}, "event_type": {"page_view"}}


def node(schema: str, name: str, *depends_on: str) -> dict[str, Any]:
    return {"schema": schema, "name": name, "depends_on": {"nodes": list(depends_on)}}


def key_test(of: str, test: str, **kwargs: object) -> dict[str, Any]:
    return {**node("quality", f"{of}_key"), "attached_node": of, "test_metadata": {"name": test, "kwargs": kwargs}}


MANIFEST = {
    "sources": {"source.orders": node("raw", "orders")},
    "nodes": {
        "dim_orders": node("core", "dim_orders", "source.orders"),
        "fact_daily": node("product", "fact_daily", "dim_orders"),
        "orders_snapshot": node("snapshots", "orders_snapshot", "dim_orders"),
        "fact_stockouts": node("core", "fact_stockouts"),
        "a": key_test("dim_orders", "is_key", columns=["order_id"]),
        "b": key_test("orders_snapshot", "is_key", columns=["order_id", "dbt_valid_from"]),
        "c": key_test("fact_daily", "unique", column_name="day"),
        "d": key_test("dim_orders", "is_set", column="user_id"),
        "e": key_test("fact_stockouts", "is_key", columns=["product_id", "out_of_stock_since"]),
    },
}
COLUMNS = "(order_id uuid, order_total decimal(18,2), status text, email text)"


def compared(tmp_path: Path, base: str, change: str, examples: int = EXAMPLES) -> list[TableDifference]:
    """How two files differ that these statements make."""
    tmp_path.mkdir(exist_ok=True)
    paths = tmp_path / "base.duckdb", tmp_path / "change.duckdb"
    for path, statements in zip(paths, (base, change), strict=True):
        with duckdb.connect(path) as connection:
            connection.execute("create schema raw; create schema core; create schema product; create schema snapshots")
            connection.execute(statements)
    return compare_tables(*paths, MANIFEST, TEXTS, examples)


def orders(*rows: str) -> str:
    return f"create table core.dim_orders {COLUMNS}; insert into core.dim_orders values {', '.join(rows)};"


def test_a_key_is_what_a_test_says_and_tables_come_in_the_order_in_which_they_are_built() -> None:
    assert keys(MANIFEST) == {
        "core.dim_orders": ["order_id"],
        "snapshots.orders_snapshot": ["order_id", "dbt_valid_from"],
        "product.fact_daily": ["day"],
        "core.fact_stockouts": ["product_id", "out_of_stock_since"],
    }
    places = [order(MANIFEST).index(name) for name in ("raw.orders", "core.dim_orders", "product.fact_daily")]
    assert places == sorted(places)


def test_rows_are_matched_by_key_and_no_personal_value_is_shown(tmp_path: Path) -> None:
    (found,) = compared(
        tmp_path,
        orders(f"('{ONE}', 10, 'shipped', 'kim@example.com')", f"('{TWO}', 20, 'shipped', 'robin@example.com')"),
        orders(f"('{TWO}', 21.5, 'Kim Doe', 'kim@example.com')", f"('{THREE}', null, 'shipped', null)"),
    )
    assert (found.name, found.rows, list(found.key)) == ("core.dim_orders", (2, 2), ["order_id"])
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert found.changed_columns == {"order_total": 1, "status": 1, "email": 1}
    assert found.examples == [
        f"changed: `order_id` {TWO}: `order_total` 20.00 → 21.50, `status` shipped → [text], `email` [text] → [text]",
        f"added: `order_id` {THREE}",
        f"removed: `order_id` {ONE}",
    ]


def test_columns_that_are_new_gone_or_of_another_type_are_named_and_only_values_that_differ_count(
    tmp_path: Path,
) -> None:
    (found,) = compared(
        tmp_path,
        f"create table core.dim_orders as select uuid '{ONE}' as order_id, 5 as amount, 'x' as gone",
        f"create table core.dim_orders as select uuid '{ONE}' as order_id, 5.00::decimal(18,2) as amount, 'x' as new",
    )
    assert found.columns == ["`new` added", "`gone` removed", "`amount` INTEGER → DECIMAL(18,2)"]
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


def test_tables_of_one_side_are_found(tmp_path: Path) -> None:
    daily = "create table product.fact_daily as select date '2026-11-01' as day"
    found = compared(
        tmp_path, f"{daily}; create table core.old as select 1 as n", f"{daily}; create view core.new as select 2 as n"
    )
    assert [(one.name, one.rows) for one in found] == [("core.new", (None, 1)), ("core.old", (1, None))]


@pytest.mark.parametrize(
    "change",
    [
        orders(f"('{ONE}', 10, 'shipped', null)", f"('{ONE}', 10, 'shipped', null)"),
        orders(f"('{ONE}', 10, 'shipped', null)", "(null, 10, 'shipped', null)"),
    ],
    ids=["twice", "null"],
)
def test_without_a_key_that_holds_whole_rows_are_compared_and_doubles_count(tmp_path: Path, change: str) -> None:
    (found,) = compared(tmp_path, orders(f"('{ONE}', 10, 'shipped', null)"), change)
    assert (list(found.key), found.changed) == ([], 0)
    assert found.added == 1
    assert found.examples[0] in {
        f"added: `order_id` {ONE}, `order_total` 10.00, `status` shipped",
        "added: `order_id` null, `order_total` 10.00, `status` shipped",
    }


def test_what_a_run_notes_of_itself_is_no_difference(tmp_path: Path) -> None:
    assert not compared(
        tmp_path,
        f"create table snapshots.orders_snapshot as select uuid '{ONE}' as order_id, timestamp '2026-11-01' as "
        "dbt_valid_from, 'a' as dbt_scd_id; create schema landing; create table landing.files as select 1 as n; "
        "create view core.same as select * from base.snapshots.orders_snapshot",
        f"create table snapshots.orders_snapshot as select uuid '{ONE}' as order_id, timestamp '2026-11-02' as "
        "dbt_valid_from, 'b' as dbt_scd_id; create schema landing; create table landing.files as select 2 as n; "
        "create view core.same as select * from change.snapshots.orders_snapshot",
    )


def test_when_a_run_saw_a_stockout_is_no_difference_and_whether_it_lasts_is(tmp_path: Path) -> None:
    before, after = (
        "create table core.fact_stockouts as select * from (values "
        f"(uuid '{ONE}', timestamp '2026-11-0{day}', null::timestamp, true), "
        f"(uuid '{TWO}', timestamp '2026-11-0{day}', timestamp '2026-11-0{day + 1}', false)"
        ") as rows(product_id, out_of_stock_since, out_of_stock_until, is_out_of_stock)"
        for day in (1, 3)
    )
    assert not compared(tmp_path, before, after)
    (found,) = compared(tmp_path / "again", before, after.replace("true", "false"))
    assert (list(found.key), found.changed_columns) == (["product_id"], {"is_out_of_stock": 1})
    assert found.examples == [f"changed: `product_id` {ONE}: `is_out_of_stock` True → False"]


def test_rows_are_counted_without_examples_where_none_may_be_shown(tmp_path: Path) -> None:
    (found,) = compared(
        tmp_path,
        orders(f"('{ONE}', 10, 'shipped', null)", f"('{TWO}', 20, 'shipped', null)"),
        orders(f"('{TWO}', 21.5, 'shipped', null)", f"('{THREE}', 5, 'shipped', null)"),
        examples=0,
    )
    assert (found.added, found.removed, found.changed, list(found.examples)) == (1, 1, 1, [])


def test_the_one_row_of_a_table_is_matched_without_a_key(tmp_path: Path) -> None:
    (found,) = compared(
        tmp_path,
        "create table core.rate as select 3 as users_repeat",
        "create table core.rate as select 2 as users_repeat",
    )
    assert (found.added, found.removed, found.changed, found.changed_columns) == (0, 0, 1, {"users_repeat": 1})
    assert found.examples == ["changed: the row: `users_repeat` 3 → 2"]


def test_no_table_at_all_is_no_equality(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has a table"):
        compared(tmp_path, "", "")


def test_figures_that_differ_are_shown_and_those_by_day_are_added_up() -> None:
    before = figures()
    assert compare_figures(before, figures(), TEXTS) == []
    day, *others = days()
    changed = [*others, type(day)(**vars(day) | {"revenue": day.revenue + 5, "conversion_rate": 0.5})]
    found = {
        one.name: one
        for one in compare_figures(
            before, figures(repeat=RepeatRate(124, 62, 0.5), days=changed, conversion=None, spent={}), TEXTS
        )
    }
    # An event type that no contract knows may be a name.
    assert found["spent: page view: median"].change == "none"
    assert found["spent: [text]: median"].base == "18,000"
    assert not any("checkout" in name for name in found)
    assert found["repeat: rate"] == Change("repeat: rate", "0.798387", "0.5")
    assert found["repeat: repeat buyers"].change == "62"
    assert found["days: revenue, sum"].note == f"1 of {len(changed)} differ"
    # What does not add up has no sum.
    assert found["days: conversion rate"] == Change("days: conversion rate", "", "", f"1 of {len(changed)} differ")
    assert (found["conversion: sessions"].base, found["conversion: sessions"].change) == ("578", "none")
    assert isinstance(before.conversion, Conversion)
    gone = {one.name: one for one in compare_figures(before, figures(days=()), TEXTS)}
    assert gone["days: revenue, sum"].change == "none"
    assert not any("Pothos" in name for name in found)


def test_a_figure_without_a_name_or_with_that_of_another_counts_too() -> None:
    hours = [Hour(hour, 2, 10 + hour + (hour == 1), 20 + hour) for hour in range(24)]
    twins = [ProductConversion("Pothos", viewed, 1, None) for viewed in (61, 7)]
    changed = [ProductConversion("Pothos", viewed, 1, None) for viewed in (60, 7)]
    rows = [DayVolume(yesterday().date(), 3)]
    found = compare_figures(
        figures(conversion_by_product=twins, volumes={"kim": rows, "robin": rows}),
        figures(hours=hours, purchases=[25, 30, 71], conversion_by_product=changed, volumes={"kim": [], "robin": rows}),
        TEXTS,
    )
    assert [(one.name, one.base, one.change, one.note) for one in found] == [
        ("volumes: [text]: rows, sum", "6", "3", "1 of 2 differ"),
        ("purchases, sum", "124", "126", "1 of 3 differ"),
        ("conversion by product: viewed, sum", "68", "67", "1 of 2 differ"),
        ("hours: orders, sum", "516", "517", "1 of 24 differ"),
    ]


def test_a_figure_that_is_new_among_others_is_the_only_one_that_differs() -> None:
    before = figures().conversion_by_product
    (viewed, bought) = compare_figures(
        figures(), figures(conversion_by_product=[ProductConversion("Fern", 5, 2, None), *before]), TEXTS
    )
    assert (viewed.note, bought.note) == ("1 of 3 differ", "1 of 3 differ")


def test_figures_of_a_month_are_shown_with_the_month() -> None:
    months = {date(2026, 11, 1): RepeatRate(24, 9, 9 / 24), date(2026, 10, 1): RepeatRate(100, 50, 0.5)}
    assert compare_figures(figures(), figures(by_month=months), TEXTS) == [
        Change("by month: 2026-10-01: repeat buyers", "90", "50"),
        Change("by month: 2026-10-01: rate", "0.9", "0.5"),
    ]


def test_checks_differ_by_outcome_and_by_being_there() -> None:
    same = {"core/x: holds": "holds"}
    found = compare_checks(
        {**same, "core/x: a": "holds", "core/x: b": "holds"}, {**same, "core/x: a": "ERROR", "core/x: c": "WARN"}
    )
    assert [(one.name, one.base, one.change) for one in found] == [
        ("core/x: a", "holds", "ERROR"),
        ("core/x: b", "holds", "no such check"),
        ("core/x: c", "no such check", "WARN"),
    ]


def difference(**parts: Any) -> Difference:
    known: Mapping[str, Any] = {
        "base": "main (1a2b3c4d)", "change": "diff (5e6f7a8b)", "is_sample": True,
        "planned": (frozenset({"core.held_by_base"}), frozenset({"core.held"})),
        "tables": [], "figures": [], "checks": [],
    }  # fmt: skip
    return Difference(**{**known, **parts})


def test_what_does_not_differ_is_said_in_one_line() -> None:
    assert in_short(difference()) == "Nothing differs: all tables, figures and checks are the same."
    assert "Both built from sample data" in page(difference())
    assert "Both built from the shop's data" in page(difference(is_sample=False))


def test_what_differs_is_counted_first_then_shown() -> None:
    found = difference(
        figures=[Change("repeat: rate", "0.8", "0.5")],
        checks=[Change("core/x: a", "holds", "ERROR"), Change("core/x: b", "holds", "WARN")],
        tables=[
            TableDifference(name="core.x", rows=(1, 2), key=["order_id"], added=1, examples=["added: `order_id` 1"]),
            TableDifference(name="core.held", rows=(1, None)),
            TableDifference(name="core.gone", rows=(1, None)),
            TableDifference(name="core.new", rows=(None, 3)),
            TableDifference(name="core.held_by_base", rows=(None, 3)),
        ],
    )
    assert status(found) == "1 figure, 2 checks and 5 tables differ."
    assert status(difference(tables=found.tables[:1])) == "1 table differs."
    text = page(found)
    for line in (
        "| `repeat: rate` | 0.8 | 0.5 |  |",
        "| `core.x` | 1 → 2 | 1 row added |",
        "| `core.held` | 1 → none | not built: see the checks |",
        "| `core.gone` | 1 → none | removed |",
        "| `core.new` | none → 3 | new |",
        "| `core.held_by_base` | none → 3 | not built by the base: see the checks |",
        "- added: `order_id` 1",
    ):
        assert line in text.splitlines()
    assert "  core.x: 1 row added" in in_short(found).splitlines()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Kim", "-c", "user.email=kim@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, in which the tool looks for base and change."""
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet")
    (project / ".gitignore").write_text(".env\n")
    (project / "committed").write_text("before")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "A start")
    (project / ".env").write_text("GREENERY_SLACK_TOKEN=xoxb-1")
    monkeypatch.setattr(sides, "PROJECT_ROOT", project)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return project


def test_each_side_has_its_code_without_settings_and_all_is_removed_whatever_happens(checkout: Path) -> None:
    (checkout / "committed").write_text("after")
    (checkout / "new").write_text("new")
    seen: list[Side] = []

    def look() -> None:
        with both("HEAD") as found:
            seen.extend(found)
            look_into(*found)
            raise KeyboardInterrupt

    def look_into(base: Side, change: Side) -> None:
        assert {path.name for path in base.project.iterdir()} - {".git"} == {".gitignore", "committed"}
        assert {path.name for path in change.project.iterdir()} == {".gitignore", "committed", "new"}
        assert [(side.project / "committed").read_text() for side in (base, change)] == ["before", "after"]
        assert "with uncommitted changes" in change.title

    with pytest.raises(KeyboardInterrupt):
        look()
    assert [side.project.exists() for side in seen] == [False, False]
    assert len(git(checkout, "worktree", "list").splitlines()) == 1
    assert [path.name for path in checkout.parent.iterdir()] == ["project"]


def test_a_worktree_that_git_had_not_finished_is_removed_and_none_of_the_developers(checkout: Path) -> None:
    disk = checkout.parent / "disk"
    git(checkout, "worktree", "add", "--quiet", "--detach", str(disk / "other"))
    disk.rename(checkout.parent / "not mounted")
    with both("HEAD") as (base, _):
        # What `git worktree add` leaves when it is killed.
        (checkout / ".git" / "worktrees" / base.project.name / "locked").write_text("initializing")
        (base.project / ".git").unlink()
    (checkout.parent / "not mounted").rename(disk)
    listed = git(checkout, "worktree", "list").splitlines()
    assert [line.split()[0] for line in listed] == [str(checkout), str(disk / "other")]
    assert git(disk / "other", "status", "--porcelain") == ""


@pytest.mark.usefixtures("checkout")
def test_a_base_that_git_does_not_know_and_a_folder_without_git_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for wrong in ("nonsense", "--help", "HEAD:committed"):
        with pytest.raises(SideError, match=f"BASE={wrong} is no branch, tag or commit of this checkout"), both(wrong):
            pass
    monkeypatch.setattr(sides, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SideError, match="is not in a git checkout"), both("HEAD"):
        pass
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SideError, match="git is not installed"), both("HEAD"):
        pass


def test_a_source_that_is_not_there_is_one_sentence_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "both", lambda _: nullcontext([]))
    with pytest.raises(SideError, match=r"nowhere does not exist. Correct GREENERY_SOURCE_DIR, or remove it.$"):
        command.build_and_compare("main", tmp_path / "nowhere", tmp_path / "unused")


def test_a_side_that_cannot_be_built_is_named_with_its_last_lines_and_sees_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "code"
    shutil.copytree(
        ROOT / "dagster_home", project / "dagster_home", ignore=shutil.ignore_patterns("history", "storage")
    )
    side = Side("base", "main (1a2b3c4d)", project, tmp_path / "base")
    with pytest.raises(SideError, match=r"The base, main .*cannot be built: it has no greenery_assets"):
        side.build(tmp_path, print)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, project)
    (project / "greenery_assets").mkdir()
    (project / "greenery_assets" / "__main__.py").write_text(
        "import os\nfor name in sorted(os.environ): print(name)\nprint('The model is broken.')\nraise SystemExit(1)\n"
    )
    for name in ("GREENERY_SLACK_TOKEN", "GREENERY_PING_URL", "DBT_EMPTY", "MAKEFLAGS", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "of the person who compares")
    monkeypatch.setattr(sides, "LAST_LINES", 1000)
    with pytest.raises(SideError) as raised:
        side.build(tmp_path, print)
    said = str(raised.value).splitlines()
    assert said[0] == "The base, main (1a2b3c4d), could not be built. Its last lines:"
    assert said[-1] == "The model is broken."
    ours = {name for name in said if name.startswith(("GREENERY_", "DBT_", "DAGSTER_", "MAKE"))}
    assert ours == {"DAGSTER_HOME", "GREENERY_REPORT_DIR", "GREENERY_SOURCE_DIR", "GREENERY_WAREHOUSE_PATH"}


BUILDS = """
import os, socket, subprocess, sys, tempfile
tempfile.mkdtemp()
subprocess.run([sys.executable, "-c", '''
import socket, time
connection = socket.create_connection(("127.0.0.1", {port}))
time.sleep(30)
'''])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_whatever_ends_it_alone_ends_what_it_began_and_leaves_nothing(
    checkout: Path, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "source").mkdir()
    (checkout / "data").mkdir()
    (checkout / "data" / "diff.md").write_text("Of an earlier comparison.")
    for name in ("pyproject.toml", "requirements.lock", "dagster_home/dagster.yaml"):
        (checkout / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    (checkout / "greenery_assets").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        (checkout / "greenery_assets" / "__main__.py").write_text(BUILDS.format(port=server.getsockname()[1]))
        git(checkout, "add", ".")
        git(checkout, "commit", "--quiet", "-m", "What builds")
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                # As in a terminal, whatever ignores signals here.
                "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "from pathlib import Path; from diff_tables import __main__ as command, sides\n"
                f"sides.PROJECT_ROOT = project = Path({str(checkout)!r})\n"
                "command.WRITTEN_TO = project / 'data' / 'diff.md'; command.app(['HEAD'])",
            ],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path / "scratch"), "GREENERY_SOURCE_DIR": str(tmp_path / "source")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        child, _ = server.accept()
        with child:
            process.send_signal(number)
            said = process.communicate(timeout=60)[1]
            child.settimeout(5)
            assert child.recv(1) == b"", "the end of the connection, as its process is gone"
    assert (process.returncode, said) == (130, "")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert len(git(checkout, "worktree", "list").splitlines()) == 1
    assert list((checkout / "data").iterdir()) == []


@pytest.mark.parametrize("is_sample", [True, False])
def test_only_rows_of_sample_data_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sample: bool) -> None:
    class Built(Side):
        def build(self, *_: object) -> Mapping[str, str]:
            return {}

    compared(tmp_path, orders(f"('{ONE}', 10, 'shipped', null)"), orders(f"('{ONE}', 20, 'shipped', null)"))
    (tmp_path / "dbt_project" / "target").mkdir(parents=True)
    (tmp_path / "dbt_project" / "target" / "manifest.json").write_text('{"nodes": {}, "sources": {}}')
    monkeypatch.setattr(
        command, "both", lambda _: nullcontext([Built(name, name, tmp_path, tmp_path) for name in ("base", "change")])
    )
    if is_sample:
        (tmp_path / SAMPLE_FILE).touch()
    text = page(command.build_and_compare("main", tmp_path, tmp_path / "unused"))
    assert "| `core.dim_orders` | 1 | " in text
    assert ("10.00 → 20.00" in text) is is_sample
    assert ("as the source is not sample data" in text) is not is_sample


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the requests that it got."""
    requests: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.path)
            self.send_error(500)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", requests
        server.shutdown()


@pytest.mark.slowest
def test_a_mistake_in_a_model_shows_as_rows_and_figures_and_nothing_is_posted(
    tmp_path: Path, asked: tuple[str, list[str]]
) -> None:
    project, scratch = copy_of_project(tmp_path / "project"), tmp_path / "scratch"
    scratch.mkdir()
    for name in ("pyproject.toml", "requirements.lock", ".gitignore"):
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "diff_tables", project / "diff_tables")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "As it is")
    model = project / "dbt_project/models/marts/marketing/fact_repeat_rate.sql"
    right = "is_last_order = 'N' then"
    assert right in model.read_text()
    model.write_text(model.read_text().replace(right, "is_last_order = 'N' and promo_id is null then"))
    generate(SampleSpec(until=yesterday().date(), orders=60), tmp_path / "source")
    (project / ".env").write_text(
        f"GREENERY_SOURCE_DIR={tmp_path / 'source'}\nGREENERY_SLACK_TOKEN=xoxb-1\nGREENERY_SLACK_API_URL={asked[0]}\n"
        f"GREENERY_PING_URL={asked[0]}\nGREENERY_WAREHOUSE_PATH={tmp_path / 'mine' / 'greenery.duckdb'}\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GREENERY_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "diff_tables", "HEAD"],
        cwd=project,
        env={**environment, "PYTHONPATH": str(project), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = (project / "data" / "diff.md").read_text()
    lines = text.splitlines()
    assert any(
        line.startswith("| `marketing.fact_repeat_rate` | 1 | 1 row changed: `users_repeat` in 1") for line in lines
    )
    assert any(line.startswith("| `repeat: rate` | ") for line in lines)
    assert not any(line.startswith(("| `core.", "| `product.")) for line in lines), "no other table, and no check"
    assert "2 figures and 1 table differ." in done.stdout
    assert "As Markdown, with examples of rows: data/diff.md" in done.stdout
    assert asked[1] == []
    assert not (tmp_path / "mine").exists()
    assert list(scratch.iterdir()) == []
    assert len(git(project, "worktree", "list").splitlines()) == 1
