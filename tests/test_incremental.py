"""Models kept up to date by load: equal to a full rebuild whatever came, and rebuilt when they have to be."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from bench.equality import compare_over_loads
from bench.history import History, Shop
from bench.warehouse import differences
from greenery_assets.refresh import full_refresh_reason
from greenery_assets.sample import SampleSpec, generate
from tests.conftest import RunJob, yesterday
from tests.dbt_here import BenchHere
from tests.job import Home, Outcome

pytestmark = [
    pytest.mark.slow,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def test_marts_kept_by_load_equal_a_full_rebuild(tmp_path: Path) -> None:
    compared = list(compare_over_loads(tmp_path, loads=6, every=3, seed=7, events_a_day=250, bench=BenchHere))
    assert [(one.different, one.rows > 1_000) for one in compared] == [({}, True)] * 2
    happened = " ".join(compared[-1].happened)
    assert "then only" in happened, "no load only took something away in this sequence"
    assert "built" in happened, "no build stopped half way in this sequence"


def test_a_change_of_rows_without_a_moment_keeps_each_once_and_the_models_as_they_were_made(tmp_path: Path) -> None:
    history = History(Shop.of_events(60), tmp_path / "source")
    history.write_past(2)
    kept, full = (BenchHere(tmp_path / name / "greenery.duckdb", history.folder) for name in ("kept", "full"))
    kept.load()
    kept.build("build", "--exclude-resource-type", "test")
    with duckdb.connect(str(kept.warehouse)) as connection:
        connection.execute("update landing.processed set definition = 'that of old' where model = 'dim_users'")
    undated = "case when hash(user_id) % 3 = 0 then null else created_at end"
    for _ in range(2):
        history.rewrite(
            "users/0000.parquet",
            f"select * replace (first_name || '*' as first_name, {undated} as created_at) from old",
        )
        kept.load()
        kept.build("build", "--exclude-resource-type", "test")
    full.load()
    full.build("build", "--exclude-resource-type", "test")
    assert differences(kept.warehouse, full.warehouse) == {}
    # Whoever builds without Dagster must not make it forget that the SQL was another.
    noted = "select distinct definition from landing.processed where model = 'dim_users'"
    assert kept.query(noted) == [("that of old",)]


Refresh = Callable[[Home], str | None]


@pytest.fixture
def reason_of_last_run() -> Refresh:
    def reason(home: Home) -> str | None:
        with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
            return instance.get_runs(limit=1)[0].tags.get("greenery/full_refresh")

    return reason


def assert_equal_to_a_full_rebuild(home: Home, source: Path, folder: Path) -> None:
    full = BenchHere(folder / home.warehouse.name, source)
    full.load()
    full.build("build", "--exclude-resource-type", "test")
    assert differences(home.warehouse, full.warehouse) == {}


@pytest.mark.slowest
def test_a_day_that_a_failed_check_held_back_is_caught_up_with(
    run_job: RunJob, reason_of_last_run: Refresh, tmp_path: Path
) -> None:
    source, home = tmp_path / "source", Home.new(tmp_path)
    generate(SampleSpec(until=yesterday().date(), days=12, event_files="daily"), source)  # type: ignore[arg-type]
    days = sorted((source / "events").iterdir())
    for day in days[-3:]:
        day.rename(day.with_name(f"_{day.name}"))
    # What came last must be missing everywhere, or the days held back are an error of their own.
    assert run_job(home, source).success is False
    for day in days[-3:-1]:
        day.with_name(f"_{day.name}").rename(day)
    assert run_job(home, source).success is False
    before = home.fingerprints()
    days[-1].with_name(f"_{days[-1].name}").rename(days[-1])
    outcome = run_job(home, source)
    assert outcome.failing_errors == {}
    assert home.fingerprints() != before
    assert reason_of_last_run(home) is None
    assert_equal_to_a_full_rebuild(home, source, tmp_path / "full")


def column_lineage(home: Home) -> dict[str, dg.TableColumnLineage]:
    """Of each asset that says where its columns come from, as it was built last."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        events = {key: instance.get_latest_materialization_event(key) for key in instance.get_asset_keys()}
    built = {key: event.asset_materialization for key, event in events.items() if event}
    told = {key: one.metadata.get("dagster/column_lineage") for key, one in built.items() if one}
    values = {key.to_user_string(): lineage.value for key, lineage in told.items() if lineage}
    return {key: value for key, value in values.items() if isinstance(value, dg.TableColumnLineage)}


def test_what_is_built_of_a_new_day_tells_where_its_columns_come_from(run_job: RunJob, tmp_path: Path) -> None:
    source, home = tmp_path / "source", Home.new(tmp_path)
    lineage = []
    for until in (yesterday().date() - timedelta(days=1), yesterday().date()):
        generate(SampleSpec(until=until, days=12), source)
        outcome = run_job(home, source)
        assert outcome.failing_errors == {}
        lineage.append(column_lineage(home))
    views_and_marts = {name for name in outcome.built if not name.startswith(("raw/", "snapshots/", "reporting/"))}
    assert lineage[0].keys() == lineage[1].keys() == views_and_marts
    assert lineage[0] == lineage[1]
    orders = lineage[1]["product/int_page_views"].deps_by_column["order_id"]
    assert ("core/dim_events", "order_id") in {(one.asset_key.to_user_string(), one.column_name) for one in orders}


@pytest.mark.slowest
def test_a_changed_model_and_a_long_session_bring_a_full_refresh(
    built: tuple[Home, Outcome], run_job: RunJob, reason_of_last_run: Refresh, tmp_path: Path
) -> None:
    home, source = built[0].copy(tmp_path), tmp_path / "source"
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("update landing.processed set definition = 'another' where model = 'int_page_views'")
    generate(SampleSpec(until=yesterday().date(), defects=("session_of_a_day:2",)), source)
    assert run_job(home, source, new_source=True).failing == {"session_lasts_less_than_a_day": 2}
    assert "SQL of int_page_views, has changed" in str(reason_of_last_run(home))
    run_job(home, source)
    assert "(A18)" in str(reason_of_last_run(home))
    assert_equal_to_a_full_rebuild(home, source, tmp_path / "full")


def test_models_left_behind_by_a_rebuild_are_built_anew_too(built: tuple[Home, Outcome], tmp_path: Path) -> None:
    from greenery_assets.assets.dbt import MANIFEST  # noqa: PLC0415  reads the settings

    home = built[0].copy(tmp_path)
    with duckdb.connect(str(home.warehouse)) as connection:
        assert full_refresh_reason(connection, MANIFEST) is None
        connection.execute(
            "update landing.processed set run_at = now(), full_at = now() where model in ('dim_users', 'int_sessions')"
        )
        reason = full_refresh_reason(connection, MANIFEST)
    assert (
        reason
        == "what fact_page_views, int_daily_products, int_daily_traffic and others read was built anew without them"
    )


def test_a_full_build_in_chunks_equals_one_in_a_piece(tmp_path: Path) -> None:
    generate(SampleSpec(until=yesterday().date(), days=70), tmp_path / "source")
    whole, chunked = (
        BenchHere(tmp_path / name / "greenery.duckdb", tmp_path / "source") for name in ("whole", "chunked")
    )
    for bench, variables in ((whole, []), (chunked, ["--vars", "sessions_worth_a_chunk: 1"])):
        bench.load()
        assert bench.build("build", *variables).failed == ()
    log = (chunked.target / "dbt.log").read_text()
    assert log.count('insert into "greenery"."product"."int_page_views"') >= 2, "it was built in a piece"
    # Of fact_page_views and int_daily_products.
    assert log.count("temporary table shared_by_chunks as") == 2
    assert differences(whole.warehouse, chunked.warehouse) == {}


@pytest.mark.slowest
def test_a_full_refresh_is_asked_for_on_the_command_line(
    built: tuple[Home, Outcome], sample_dir: Path, run_job: RunJob, reason_of_last_run: Refresh, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    done = home.command(sample_dir, "run", "--full-refresh")
    assert "Full refresh: it was asked for." in done.stdout
    assert reason_of_last_run(home) == "it was asked for"
    assert files_read(home) == 7, "a full refresh reads every file again"
    # Nothing changed since: there is no reason for another.
    assert run_job(home, sample_dir).success
    assert reason_of_last_run(home) is None
    assert files_read(home) == 0


def files_read(home: Home) -> int:
    """How many files the last load of all tables read."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        events = [instance.get_latest_materialization_event(key) for key in instance.get_asset_keys()]
    loaded = [event.asset_materialization.metadata for event in events if event and event.asset_materialization]
    return sum(int(str(metadata["files_read"].value)) for metadata in loaded if "files_read" in metadata)


@pytest.mark.slowest
def test_a_file_that_goes_is_a_warning_until_the_next_load(run_job: RunJob, tmp_path: Path) -> None:
    source, home = tmp_path / "source", Home.new(tmp_path)
    generate(SampleSpec(until=yesterday().date()), source)
    tables = [path.stem for path in source.glob("*.csv")]
    for table in tables:
        folder = source / table
        folder.mkdir()
        (source / f"{table}.csv").rename(folder / "1.csv")
        (folder / "2.csv").write_text((folder / "1.csv").read_text().splitlines()[0] + "\n")
    assert run_job(home, source).failing == {}
    for table in tables:
        (source / table / "2.csv").unlink()
    assert run_job(home, source).failing == {f"{table}_files_are_all_there": 1 for table in tables}
