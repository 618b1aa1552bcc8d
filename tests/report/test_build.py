"""The page and the picture as files: after every daily run, on its own, and never at the cost of the last good one."""

import os
import shutil
import struct
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from greenery_assets.alerts import runs
from greenery_assets.alerts.runs import newest_run_end
from greenery_assets.report.build import ReportError, write_report
from greenery_assets.settings import load_settings
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop
from tests.conftest import RunJob, report_now, settings_of
from tests.job import Home, Outcome
from tests.replay import replay
from tests.report.builders import EMPTY, NOW, READER, check, facts, figures

PAGE, PICTURE = "state_of_the_data.html", "state_of_the_data.png"
MOST_BYTES = 2_000_000
REPORT = dg.AssetKey(["reporting", "state_of_the_data"])


@pytest.mark.parametrize("shown", [figures(), EMPTY], ids=["figures", "empty"])
def test_the_files_are_small_enough_and_whole(tmp_path: Path, shown: object) -> None:
    report = write_report(facts(), shown, READER, tmp_path / PAGE, tmp_path / PICTURE)  # type: ignore[arg-type]
    assert report.verdict == "The check holds."
    html = report.page.read_text()
    assert html.rstrip().endswith("</html>")
    assert len(html.encode()) < MOST_BYTES
    png = report.picture.read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 1_000
    assert height > 300
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(f".{PAGE}")] == []


def test_where_nothing_can_be_written_the_reason_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match=r"cannot be written to .*file.*GREENERY_REPORT_DIR"):
        write_report(facts(), EMPTY, READER, tmp_path / "file" / PAGE, tmp_path / "file" / PICTURE)


def test_the_last_page_stays_where_a_new_one_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(facts(check()), EMPTY, READER, tmp_path / PAGE, tmp_path / PICTURE)
    before = (tmp_path / PAGE).read_bytes()

    def fails(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(ReportError, match="No space left on device"):
        write_report(facts(check(), check("b")), EMPTY, READER, tmp_path / PAGE, tmp_path / PICTURE)
    assert (tmp_path / PAGE).read_bytes() == before


def test_the_page_of_each_day_stays_with_a_link_to_the_day_before(tmp_path: Path) -> None:
    def write(days: int, *kept: date) -> str:
        day = facts(made_at=NOW + timedelta(days=days))
        write_report(day, EMPTY, READER, tmp_path / PAGE, tmp_path / PICTURE, kept=kept)
        return (tmp_path / PAGE).read_text()

    first = write(0)
    assert "The page of" not in first
    today, latest = date(2026, 11, 24), date(2026, 11, 26)
    # Its own day is none before it, and the nearest counts.
    second = write(2, date(2026, 11, 20), today, latest)
    assert '<a href="state_of_the_data_2026-11-24.html">The page of 24 November</a>' in second
    kept = {day: tmp_path / f"state_of_the_data_{day}.html" for day in (today, latest)}
    assert [page.read_text() for page in kept.values()] == [first, second]
    write(2, today, latest)
    assert {path.name for path in tmp_path.glob("[!.]*.html")} == {PAGE, *(page.name for page in kept.values())}


def test_the_pages_that_are_kept_are_known_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_REPORT_DIR", str(tmp_path))
    # What others write there is theirs.
    for name in ("2026-11-24.html", "notes_2026-11-25.html", "alerts.html", f"{PAGE}.unfinished"):
        (tmp_path / name).touch()
    for day in ("2026-11-24", "2026-13-24"):
        (tmp_path / f"state_of_the_data_{day}.html").touch()
    assert load_settings().report_pages == {date(2026, 11, 24): tmp_path / "state_of_the_data_2026-11-24.html"}


@pytest.mark.slow
def test_the_daily_run_leaves_the_page_and_shows_the_picture_in_dagster(built: tuple[Home, Outcome]) -> None:
    home, outcome = built
    assert "reporting/state_of_the_data" in outcome.built
    page = (home.report / PAGE).read_text()
    # The newest checks of the run are told, also those of its last steps: it is built after all of them.
    assert f"SAMPLE DATA: All {len(outcome.checks)} checks hold." in page
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        event = instance.get_latest_materialization_event(REPORT)
    assert event
    assert event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert str(metadata["picture"].value).startswith(
        f"![SAMPLE DATA: All {len(outcome.checks)} checks hold.](data:image/png;base64,iVBOR"
    )
    assert metadata["checks_passed"].value == len(outcome.checks)
    assert {metadata[f"checks_{name}"].value for name in ("warned", "failed", "unknown")} == {0}
    assert metadata["changes"].value == "There is nothing to compare with yet: no run of an earlier day was complete."
    assert f"The last complete run ({datetime.now(UTC):%-d %b}, full refresh) is the first of its kind." in page
    assert {"failing_rows_staging", "failing_rows_core", "failing_rows_marketing"} <= metadata.keys()


@pytest.mark.slow
def test_the_page_tells_of_a_run_that_a_failed_check_stopped_and_is_asked_for_once(
    stopped: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = stopped.copy(tmp_path)
    for name, value in home.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    from greenery_assets.assets.report import run_without_report  # noqa: PLC0415  reads the settings
    from greenery_assets.automation import report_sensor  # noqa: PLC0415  reads the settings
    from greenery_assets.definitions import catalogue, defs  # noqa: PLC0415

    with dg.DagsterInstance.get() as instance:
        [run] = instance.get_runs(limit=1)
        asked = report_sensor(dg.build_sensor_context(instance=instance), catalogue=catalogue)
        assert isinstance(asked, dg.RunRequest)
        assert asked.run_key == run.run_id
        assert defs.resolve_job_def("report_job").execute_in_process(instance=instance).success
        assert run_without_report(instance, catalogue()) is None
        assert isinstance(report_sensor(dg.build_sensor_context(instance=instance), catalogue=catalogue), dg.SkipReason)
    page = (home.report / PAGE).read_text()
    assert "Not all figures are current: 1 ERROR" in page
    assert "are from today" in page


def test_a_run_that_ended_while_the_page_was_written_is_asked_for(shop: Shop) -> None:
    from greenery_assets.assets.report import AS_OF, REPORT, run_without_report  # noqa: PLC0415  reads the settings

    def write_page(as_of: int) -> None:
        shop.instance.report_runless_asset_event(dg.AssetMaterialization(REPORT, metadata={AS_OF: as_of}))

    shop.run()
    before = newest_run_end(shop.instance)
    assert before
    run_id = shop.run()
    write_page(before.storage_id)
    assert run_without_report(shop.instance, shop.catalogue) == run_id
    write_page(before.storage_id + 10**6)
    assert run_without_report(shop.instance, shop.catalogue) is None


def test_a_run_of_ours_is_found_behind_many_of_another_project(shop: Shop) -> None:
    from greenery_assets.assets.report import run_without_report  # noqa: PLC0415  reads the settings

    run_id = record_run(shop, "orders=F3")
    for _ in range(30):
        theirs = dg.DagsterRun("their_job", status=dg.DagsterRunStatus.STARTED)
        shop.instance.add_run(theirs)
        shop.instance.report_run_failed(theirs)
    assert run_without_report(shop.instance, shop.catalogue) == run_id


def test_a_run_under_a_clock_that_was_set_back_is_asked_for(shop: Shop) -> None:
    from greenery_assets.assets.report import AS_OF, REPORT, run_without_report  # noqa: PLC0415  reads the settings

    record_run(shop)
    end = newest_run_end(shop.instance)
    assert end
    shop.instance.report_runless_asset_event(dg.AssetMaterialization(REPORT, metadata={AS_OF: end.storage_id}))
    assert run_without_report(shop.instance, shop.catalogue) is None
    newer = record_run(shop, ended_at=end.at - timedelta(days=1_000))
    assert run_without_report(shop.instance, shop.catalogue) == newer


@pytest.mark.slow
def test_beside_a_program_that_holds_the_warehouse_a_run_leaves_a_page_that_says_so(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    with duckdb.connect(str(home.warehouse)):
        done = home.command(sample_dir, "run")
    assert done.returncode == 1
    page = (home.report / PAGE).read_text()
    assert "The figures are not shown. The warehouse" in page
    assert "Today&#39;s run failed" in page


@pytest.mark.slow
def test_a_warehouse_that_is_gone_is_told(built: tuple[Home, Outcome], tmp_path: Path) -> None:
    home = built[0].copy(tmp_path)
    home.warehouse.unlink()
    assert "No figure is there yet." in report_now(home, tmp_path)
    assert "is not there any more" in (home.report / PAGE).read_text()


@pytest.mark.slow
def test_make_report_tells_the_last_state_without_a_run(built: tuple[Home, Outcome], tmp_path: Path) -> None:
    home = built[0].copy(tmp_path)
    before = home.warehouse.read_bytes()
    done = home.command(tmp_path, "report")
    assert done.returncode == 0, done.stderr
    assert "SAMPLE DATA: All" in done.stdout
    assert "checks hold." in done.stdout
    assert f"report/{PAGE}" in done.stdout
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        assert len(instance.get_runs()) == 1
    assert home.warehouse.read_bytes() == before


@pytest.mark.slow
def test_make_report_beside_a_program_that_writes_to_the_warehouse_says_what_to_do(
    built: tuple[Home, Outcome], tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    with duckdb.connect(str(home.warehouse)):
        done = home.command(tmp_path, "report")
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "is open in another program; close it there, or wait until it is done" in said
    if Path("/proc/locks").exists():
        assert f"PID {os.getpid()}." in said
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slowest
def test_the_next_day_says_what_moved_because_of_which_days_and_how_long_it_took(
    built: tuple[Home, Outcome], sample_dir: Path, run_job: RunJob, tmp_path: Path
) -> None:
    """A complete run of yesterday; today the source has an order less."""
    home = built[0].copy(tmp_path / "home")
    source = shutil.copytree(sample_dir, tmp_path / "source")
    [(order, day, cost)] = home.query(
        "select order_id, cast(created_at as date), order_total from raw.orders order by created_at limit 1 offset 100"
    )
    for table in ("orders", "order_items", "events"):
        lines = (source / f"{table}.csv").read_text().splitlines(keepends=True)
        (source / f"{table}.csv").write_text("".join(line for line in lines if str(order) not in line))
    [(orders, revenue)] = home.query("select sum(orders), sum(revenue) from product.fact_daily")
    with settings_of(home, source):
        from greenery_assets.definitions import catalogue  # noqa: PLC0415  reads the settings

        with dg.DagsterInstance.get() as instance:
            replay(instance, instance.get_runs(limit=1)[0].run_id, datetime.now(UTC) - timedelta(days=1))
            outcome = run_job(home, source, new_source=True)
            assert outcome.success, outcome.faults
            found = runs.changes(instance, catalogue().project)
    assert found
    at, said = found
    assert at > datetime.now(UTC) - timedelta(minutes=30)
    moved, because = said.splitlines()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert moved.startswith(f"Since {yesterday:%-d %b}: ")
    assert f"orders from {orders:,} to {orders - 1:,}, revenue from ${revenue:,} to ${revenue - cost:,}." in moved
    assert because.startswith("Because of changed data of ")
    assert f"{day:%-d %b}" in because
    page = (home.report / PAGE).read_text()
    assert moved in page
    assert because in page
    assert (home.report / f"state_of_the_data_{datetime.now(UTC):%Y-%m-%d}.html").read_text() == page
    assert f"The last complete run ({datetime.now(UTC):%-d %b}, affected days) is the first of its kind." in page
    with duckdb.connect(home.published, read_only=True) as connection:
        kinds = connection.execute("select distinct kind, run_id is not null from quality.durations").fetchall()
    assert sorted(kinds) == [("affected days", True), ("full refresh", True)]
