"""Marts rebuilt by day: equal to a full rebuild whatever came, and rebuilt in full when they have to be."""

import copy
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from bench.equality import compare_over_loads
from bench.history import History, Shop
from bench.warehouse import Bench, differences
from greenery_assets.dbt.refresh import CHANGED, DaysError, by_month, definition, months, named_days, variables
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.settings import working_file
from tests.conftest import RunJob, yesterday
from tests.dbt_here import BenchHere
from tests.job import Home, Outcome

pytestmark = [
    pytest.mark.slow,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

WITHOUT_TESTS = ("--exclude-resource-type", "test")


def test_marts_rebuilt_by_day_equal_a_full_rebuild(tmp_path: Path) -> None:
    compared = list(compare_over_loads(tmp_path, loads=6, every=3, seed=1000, events_a_day=250, bench=BenchHere))
    assert [(one.different, one.rows > 1_000) for one in compared] == [({}, True)] * 2
    happened = " ".join(compared[-1].happened)
    assert "then only" in happened, "no load only took something away in this sequence"
    assert " built" in happened, "no build stopped half way in this sequence"
    assert "ERRORs held back dim_events" in happened, "no check held anything back in this sequence"
    assert "no events of" in happened, "no day became empty in this sequence"
    assert compared[-1].by_day > compared[-1].runs / 2, "most runs rebuilt everything"


@pytest.mark.slowest
def test_the_real_export_by_half_days_equals_a_full_rebuild(real_export: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for table in ("users", "addresses", "products", "promos"):
        shutil.copy2(real_export / f"{table}.csv", source)
    bench = BenchHere(tmp_path / "greenery.duckdb", source)
    with duckdb.connect() as connection:
        for table in ("events", "orders", "order_items"):
            (source / table).mkdir()
            connection.execute(f"create table {table} as from read_csv('{real_export}/{table}.csv', all_varchar=true)")
        halves = "strftime(cast(created_at as timestamp), '%Y-%m-%d %p')"
        names = connection.execute(f"select distinct {halves} from events order by all").fetchall()
        assert len(names) > 4
        for number, (half,) in enumerate(names):
            rows = {
                "events": f"from events where {halves} = '{half}'",
                "orders": f"from orders where {halves} = '{half}'",
                "order_items": "select items.* from order_items as items join orders using (order_id) "
                f"where {halves} = '{half}'",
            }
            for table, query in rows.items():
                connection.execute(f"copy ({query}) to '{source}/{table}/{half}.csv' (header)")
            bench.load()
            bench.build("build", *WITHOUT_TESTS)
            if number in (len(names) // 2, len(names) - 1):
                assert bench.query("from landing.broken_guards") == []
                assert differences(bench.warehouse, built_in_full(bench).warehouse) == {}
    assert bench.query("select count(*) from core.fact_orders") == [(361,)]


def test_a_stock_out_is_known_from_when_a_run_saw_it_until_one_sees_pieces_again(
    sample_dir: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(sample_dir, tmp_path / "source")
    bench = BenchHere(tmp_path / "greenery.duckdb", source)

    def run() -> list[tuple[Any, ...]]:
        bench.load()
        done = bench.build("build", "--select", "+fact_stockouts", "--indirect-selection", "buildable")
        assert (done.failed, done.skipped) == ((), ())
        return bench.query(
            "select product_name, out_of_stock_since < out_of_stock_until, is_out_of_stock from core.fact_stockouts "
            "order by out_of_stock_since"
        )

    [(sold_out, *still)] = run()
    assert still == [None, True]
    with duckdb.connect() as connection:
        connection.execute(f"create table products as from read_csv('{source}/products.csv', all_varchar = true)")
        [[other]] = connection.execute("select min(name) from products where inventory <> '0'").fetchall()
        for name, inventory in ((sold_out, 7), (other, 0)):
            connection.execute("update products set inventory = ? where name = ?", [inventory, name])
        connection.execute(f"copy products to '{source}/products.csv' (header)")
    assert run() == [(sold_out, True, False), (other, None, True)]


# What breaks a guard, file by file: rows of an `old` day, six days before the `new` one, or of one `near` by, two days
# before, beyond the days that are rebuilt for the new one.
GUARDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "sessions last over more than 2 days": [
        (
            "events/{new}",
            "from old union all select * replace (uuid() as event_id, created_at + to_days(6) as created_at) "
            "from '{folder}/events/{old}.parquet' where event_type = 'page_view' and hash(session_id) % 5 = 0",
        )
    ],
    "orders are named in several sessions": [
        (
            "events/{new}",
            "from old union all select * replace (uuid() as event_id, 'page_view' as event_type, "
            "cast(md5(cast(session_id as varchar)) as uuid) as session_id, "
            "created_at + to_days(2) + to_seconds(unnest([0, 9])) as created_at) "
            "from '{folder}/events/{near}.parquet' where event_type = 'checkout' and hour(created_at) < 23",
        )
    ],
    "orders lie more than 2 days from an event that names them": [
        ("orders/{old}", "select * replace (created_at - to_days(5) as created_at) from old"),
        (
            "events/{old}",
            "select * replace (created_at + to_seconds(case event_type when 'package_shipped' then 9 else 0 end) "
            "as created_at) from old",
        ),
    ],
}


def built_in_full(bench: Bench) -> Bench:
    """Another warehouse of the same source, built at once."""
    full = BenchHere(bench.warehouse.parent / "full" / "greenery.duckdb", bench.source)
    full.warehouse.unlink(missing_ok=True)
    full.load()
    full.build("build", *WITHOUT_TESTS)
    return full


@pytest.mark.slowest
def test_what_the_days_rely_on_is_looked_at_before_a_run(tmp_path: Path) -> None:
    history = History(Shop.of_events(120), tmp_path / "source")
    history.write_past(11)
    bench = BenchHere(tmp_path / "greenery.duckdb", history.folder)
    bench.load()
    bench.build("build", *WITHOUT_TESTS)
    broken = set()
    for number, (guard, changes) in enumerate(GUARDS.items(), start=8):
        broken.add(guard)
        new, old, near = (history.shop.day(number - days) for days in (0, 6, 2))
        for file, change in changes:
            history.rewrite(
                f"{file.format(new=new, old=old)}.parquet", change.format(folder=history.folder, old=old, near=near)
            )
            # As a run that goes on from a complete one finds it; what it builds then is looked at below.
            before = BenchHere(tmp_path / "before" / "greenery.duckdb", history.folder)
            before.warehouse.parent.mkdir(exist_ok=True)
            shutil.copy(bench.warehouse, before.warehouse)
            before.load()
            before.build("build", *WITHOUT_TESTS, "--select", "stg_promos")
            assert {name for (name,) in before.query("select guard from landing.broken_guards")} == broken
    bench.load()
    bench.build("build", *WITHOUT_TESTS)
    assert bench.query("from landing.complete_runs") == [], "it counts as a run to go on from"
    assert differences(bench.warehouse, built_in_full(bench).warehouse) == {}
    # What was wrong is gone, but all of the tables may still hold it.
    history.write_past(11)
    bench.load()
    bench.build("build", *WITHOUT_TESTS)
    assert bench.query("from landing.broken_guards") == []
    assert len(bench.query("from landing.complete_runs where what = 'built'")) == 1
    assert differences(bench.warehouse, built_in_full(bench).warehouse) == {}


@pytest.mark.slowest
def test_named_days_are_rebuilt_and_a_full_refresh_by_month_equals_one_at_once(tmp_path: Path) -> None:
    history = History(Shop.of_events(60), tmp_path / "source")
    history.write_past(70)
    bench = BenchHere(tmp_path / "greenery.duckdb", history.folder)
    bench.load()
    with duckdb.connect(str(bench.warehouse)) as connection:
        parts = months(connection, most=1)
        assert months(connection) == []
    assert [len(part) for part in parts] == [31, 28, 11], "January, February, and the first days of March"
    before, last = by_month(parts)
    for command, *arguments in [*before, ["build", *last]]:
        bench.build(command, *arguments)
    assert len(bench.query("from landing.complete_runs")) == 2
    assert differences(bench.warehouse, built_in_full(bench).warehouse) == {}
    with duckdb.connect(str(bench.warehouse)) as connection:
        connection.execute("delete from product.int_page_views where session_date in ('2025-01-05', '2025-02-05')")
    bench.build("build", *WITHOUT_TESTS, *variables(["2025-01-05"]))
    assert set(differences(bench.warehouse, working_file(tmp_path / "full" / "greenery.duckdb"))) == {
        "product.int_page_views"
    }
    found = bench.query(
        "select distinct session_date from product.int_page_views where session_date in ('2025-01-05', '2025-02-05')"
    )
    assert [str(day) for (day,) in found] == ["2025-01-05"]


@pytest.mark.slowest
def test_the_job_builds_a_large_history_by_month_the_first_time_and_again(
    built: tuple[Home, Outcome], run_job: RunJob, sample_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from greenery_assets.assets import marts  # noqa: PLC0415  reads the settings

    sizes = []

    def all_months(connection: duckdb.DuckDBPyConnection) -> list[list[str]]:
        found = months(connection, most=1)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(marts, "months", all_months)
    home = Home.new(tmp_path)
    whole = built[0].fingerprints()
    for _ in ("the first time", "again"):
        outcome = run_job(home, sample_dir)
        assert (outcome.success, set(outcome.checks)) == (True, set(outcome.planned))
        assert home.fingerprints() == whole
        with duckdb.connect(str(home.warehouse)) as connection:
            connection.execute("update landing.complete_runs set definition = 'another'")
    assert len(sizes) == 2
    assert min(sizes) > 1, "a sample of one month shows nothing"
    # A part that cannot be built stops the run; the one in which the last month is built never comes.
    monkeypatch.setattr(marts, "by_month", lambda _: ([["build", "--select", "stg_users"], ["run", "--no-such"]], []))
    assert not run_job(home, sample_dir).success
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        failures = [
            str(entry.dagster_event.step_failure_data.user_failure_data.description)
            for entry in instance.all_logs(
                instance.get_runs(limit=1)[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE
            )
            if entry.dagster_event and entry.dagster_event.step_failure_data.user_failure_data
        ]
    assert failures
    assert failures[0].startswith("dbt could not build part 1 of 1 of a full refresh by month")


def test_without_a_load_there_is_nothing_to_build_from(
    sample_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.new(tmp_path)
    for name, value in home.environment(sample_dir).items():
        monkeypatch.setenv(name, value)
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    part = dg.define_asset_job("part", selection=dg.AssetSelection.groups("marketing"))
    merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[part]))
    # A warehouse that is not there, and one that a release before days has loaded.
    for old in (False, True):
        if old:
            with duckdb.connect(str(home.warehouse)) as connection:
                connection.execute("create schema landing; create table landing.files (load_id bigint)")
        with dg.DagsterInstance.get() as instance:
            # Within the instance: that of another test may be gone, and Dagster would look for it.
            result = merged.resolve_job_def("part").execute_in_process(instance=instance, raise_on_error=False)
            assert not result.success
            (failed,) = (event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE)
        reason = failed.step_failure_data.user_failure_data
        assert reason
        assert "materialize all of raw first" in str(reason.description)


def test_days_are_named_one_by_one_or_by_range() -> None:
    assert named_days("") == []
    assert named_days("2026-11-30..2026-12-02, 2026-11-30") == ["2026-11-30", "2026-12-01", "2026-12-02"]
    with pytest.raises(DaysError, match="'yesterday' is no day"):
        named_days("yesterday")
    with pytest.raises(DaysError, match="ends before it begins"):
        named_days("2026-11-02..2026-11-01")
    with pytest.raises(DaysError, match=r"names 3,652,059 days; .* --full-refresh"):
        named_days("0001-01-01..9999-12-31")


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
    assert run_job(home, source).failing_errors == {}
    days = sorted((source / "events").iterdir())
    for day in days[-3:]:
        day.rename(day.with_name(f"_{day.name}"))
    assert run_job(home, source).success is False
    for day in days[-3:-1]:
        day.with_name(f"_{day.name}").rename(day)
    assert run_job(home, source).success is False
    days[-1].with_name(f"_{days[-1].name}").rename(days[-1])
    outcome = run_job(home, source)
    assert outcome.failing_errors == {}
    assert reason_of_last_run(home) is None
    assert_equal_to_a_full_rebuild(home, source, tmp_path / "full")


@pytest.mark.slowest
def test_a_changed_model_and_a_broken_guard_bring_a_full_refresh(
    built: tuple[Home, Outcome], run_job: RunJob, reason_of_last_run: Refresh, tmp_path: Path
) -> None:
    home, source = built[0].copy(tmp_path), tmp_path / "source"
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("update landing.complete_runs set definition = 'another'")
        # As a release before days has left it.
        connection.execute("create table marketing.int_user_sessions as select 1 as user_id")
        connection.execute("create table landing.processed as select 1 as load_id")
    generate(SampleSpec(until=yesterday().date(), defects=("session_of_a_day:2",)), source)
    assert run_job(home, source, new_source=True).failing == {"session_lasts_less_than_a_day": 2}
    assert reason_of_last_run(home) == CHANGED
    assert (
        home.query(
            "select table_name from information_schema.tables where table_name in ('int_user_sessions', 'processed')"
        )
        == []
    )
    assert_equal_to_a_full_rebuild(home, source, tmp_path / "full")
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("insert into landing.broken_guards values ('sessions are too long', 2)")
    run_job(home, source)
    assert reason_of_last_run(home) == "2 sessions are too long"


def test_what_tables_are_made_of_is_compared_in_one_place() -> None:
    from greenery_assets.assets.marts import MANIFEST  # noqa: PLC0415  reads the settings

    def changed(*path: str, to: str) -> dict[str, Any]:
        other = copy.deepcopy(dict(MANIFEST))
        place = other
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to
        return other

    found = {
        definition(MANIFEST),
        definition(changed("nodes", "model.greenery.int_page_views", "checksum", "checksum", to="another")),
        definition(changed("nodes", "snapshot.greenery.orders_snapshot", "checksum", "checksum", to="another")),
        definition(changed("macros", "macro.greenery.share", "macro_sql", to="another")),
        definition(changed("sources", "source.greenery.raw.users", "columns", "email", "data_type", to="bigint")),
    }
    assert len(found) == 5
    assert definition(changed("macros", "macro.greenery.test_is_key", "macro_sql", to="another")) in found


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
