"""Each planted defect breaks exactly what it says, as often as asked, and nothing else."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from greenery_assets.sample import EventFiles, Format, SampleError, SampleSpec, generate
from greenery_assets.sample.defects import CATALOGUE, apply_defect
from tests.defects import FOLLOWS, KEYS, RULES, UNTIL, broken_rules, rows_by_day, sample_database, scalar

SEED = 7
COUNT = 3
FIGURES = {"stale", "volume_drop", "volume_spike", "heavy_user", "figures_jump"}
TEXT = {"unreadable_row", "short_row", "long_row", "decimal_comma"}
LOSSES = {"header_only", "rows_lost"}
SESSION_SHARES = "select session_id, user_id from events group by all"


@pytest.fixture(scope="module")
def sound() -> Iterator[duckdb.DuckDBPyConnection]:
    with sample_database(SampleSpec(until=UNTIL)) as connection:
        for table in KEYS:
            connection.execute(f"create table sound_{table} as from {table}")
        yield connection


@pytest.fixture
def sample(sound: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sound sample; what a test plants is rolled back."""
    sound.execute("begin")
    yield sound
    sound.execute("rollback")


def plant(sample: duckdb.DuckDBPyConnection, name: str, count: int | None = None) -> None:
    defect = CATALOGUE[name]
    apply_defect(sample, defect, count or defect.default_count, SEED)


def test_every_defect_is_tested() -> None:
    tested = set(FOLLOWS) | FIGURES | TEXT | LOSSES | {"extra_column"}
    assert set(CATALOGUE) - tested == set(), "FOLLOWS in tests/defects.py has no entry for these defects"
    assert tested - set(CATALOGUE) == set(), "greenery_assets/sample/defects has no such defects"
    assert {rule for rules in FOLLOWS.values() for rule in rules} - set(RULES) == set(), (
        "RULES in tests/defects.py lacks these"
    )
    assert all(any(rule.startswith(CATALOGUE[name].assumption) for rule in rules) for name, rules in FOLLOWS.items())


def test_sound_sample_breaks_no_rule(sample: duckdb.DuckDBPyConnection) -> None:
    assert broken_rules(sample) == {}


@pytest.mark.parametrize("name", FOLLOWS)
def test_defect_breaks_its_rule_as_often_as_asked(sample: duckdb.DuckDBPyConnection, name: str) -> None:
    plant(sample, name, COUNT)

    assert broken_rules(sample) == {rule: COUNT * offenders for rule, offenders in FOLLOWS[name].items()}
    for table in KEYS:
        changed = scalar(
            sample,
            f"select count(*) from ((from {table} except all from sound_{table}) "
            f"union all (from sound_{table} except all from {table}))",
        )
        assert changed <= 2 * COUNT
    for table in ("orders", "events"):
        newest, oldest = f"select max(created_at) from {table}", f"select min(created_at) from {table}"
        assert scalar(sample, newest) == scalar(sample, newest.replace(table, f"sound_{table}"))
        assert scalar(sample, oldest) >= scalar(sample, oldest.replace(table, f"sound_{table}"))


def test_seeds_choose_other_rows(sample: duckdb.DuckDBPyConnection) -> None:
    chosen = []
    for seed in (1, 2):
        apply_defect(sample, CATALOGUE["missing_order_user"], 5, seed)
        chosen.append(sample.execute("select order_id from orders where user_id is null order by 1").fetchall())

    assert chosen[0] != chosen[1]


def test_stale_moves_every_time_and_nothing_else(sample: duckdb.DuckDBPyConnection) -> None:
    plant(sample, "stale", 12)

    assert broken_rules(sample) == {}
    for table in ("orders", "events"):
        was, now = (scalar(sample, f"select max(created_at) from {name}") for name in (f"sound_{table}", table))
        assert was - now == timedelta(days=12)


def test_volume_drop_leaves_a_tenth_of_the_last_day(sample: duckdb.DuckDBPyConnection) -> None:
    before = rows_by_day(sample, "events")
    newest = scalar(sample, "select max(created_at) from orders")

    plant(sample, "volume_drop")

    after = rows_by_day(sample, "events")
    assert broken_rules(sample) == {}
    assert after[UNTIL] < 0.35 * before[UNTIL]
    assert rows_by_day(sample, "orders")[UNTIL] <= 3
    assert {day: rows for day, rows in after.items() if day != UNTIL} == {
        day: rows for day, rows in before.items() if day != UNTIL
    }
    assert scalar(sample, "select max(created_at) from orders") == newest


def test_volume_spike_adds_browsing_on_the_last_day_only(sample: duckdb.DuckDBPyConnection) -> None:
    before, orders = rows_by_day(sample, "events"), rows_by_day(sample, "orders")

    plant(sample, "volume_spike")

    after = rows_by_day(sample, "events")
    assert broken_rules(sample) == {}
    assert after[UNTIL] > 5 * before[UNTIL]
    assert Counter(after) - Counter(before) == {UNTIL: after[UNTIL] - before[UNTIL]}
    assert rows_by_day(sample, "orders") == orders
    assert scalar(sample, f"select max(n) / sum(n) from (select count(*) as n from ({SESSION_SHARES}) "
                          "group by user_id)") < 0.05  # fmt: skip


def test_heavy_user_makes_the_share_asked_for_evenly(sample: duckdb.DuckDBPyConnection) -> None:
    plant(sample, "heavy_user", 40)

    shares = f"select count(*) as n from ({SESSION_SHARES}) group by user_id"
    days = rows_by_day(sample, "events")
    mean = sum(days.values()) / len(days)
    assert broken_rules(sample) == {}
    assert scalar(sample, f"select max(n) / sum(n) from ({shares})") == pytest.approx(0.4, abs=0.005)
    assert all(0.65 * mean <= rows <= 1.35 * mean for rows in days.values())


def test_figures_jump_halves_repeat_rate_and_keeps_days_even(sample: duckdb.DuckDBPyConnection) -> None:
    repeat_rate = "select avg((n > 1)::int) from (select count(*) as n from orders group by user_id)"
    before, buyers = scalar(sample, repeat_rate), scalar(sample, "select count(distinct user_id) from orders")

    plant(sample, "figures_jump")

    assert broken_rules(sample) == {}
    assert scalar(sample, repeat_rate) == pytest.approx(before / 2, abs=0.01)
    assert scalar(sample, "select count(distinct user_id) from orders") == buyers
    for table in ("orders", "events"):
        days = rows_by_day(sample, table)
        mean = sum(days.values()) / len(days)
        assert all(0.55 * mean <= rows <= 1.45 * mean for rows in days.values())


def test_too_many_rows_asked_for_is_an_error(sample: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SampleError, match="duplicate_product: 31 asked for, but this sample allows 0 to 30"):
        plant(sample, "duplicate_product", 31)


@pytest.mark.parametrize("name", ["figures_jump", "session_of_a_day"])
def test_sample_too_small_for_a_defect_is_an_error(name: str) -> None:
    with (
        sample_database(SampleSpec(until=UNTIL, orders=1, days=1)) as connection,
        pytest.raises(SampleError, match=f"defect {name}: "),
    ):
        plant(connection, name)


def test_volume_drop_needs_more_than_the_newest_session() -> None:
    with (
        sample_database(SampleSpec(until=UNTIL, orders=1, days=9)) as connection,
        pytest.raises(SampleError, match="the last day of this sample has too few sessions"),
    ):
        plant(connection, "volume_drop")


@pytest.mark.parametrize("event_files", EventFiles)
def test_broken_lines_are_page_views_with_the_fault_asked_for(tmp_path: Path, event_files: EventFiles) -> None:
    lines = {}
    for folder, defects in (("sound", ()), ("faulty", ("unreadable_row:2", "short_row:3", "long_row:4"))):
        generate(SampleSpec(until=UNTIL, orders=40, event_files=event_files, defects=defects), tmp_path / folder)
        files = sorted((tmp_path / folder).rglob("events*.csv")) + sorted((tmp_path / folder).rglob("events/*"))
        lines[folder] = [line for file in files for line in file.read_text().splitlines()]

    changed = [
        (sound, faulty) for sound, faulty in zip(lines["sound"], lines["faulty"], strict=True) if sound != faulty
    ]
    assert all(",page_view,," in line for line, _ in changed)
    assert Counter(len(faulty.split(",")) for _, faulty in changed) == {8: 2, 6: 3, 9: 4}
    unreadable = [faulty.split(",") for _, faulty in changed if faulty.count(",") == 7]
    assert [fields[4] for fields in unreadable] == ["not-a-time"] * 2
    assert all(sound.startswith(faulty) for sound, faulty in changed if faulty.count(",") == 5)


@pytest.mark.parametrize("file_format", Format)
def test_decimal_commas_are_text_in_every_format(tmp_path: Path, file_format: Format) -> None:
    # Whatever is planted after it still finds numbers.
    spec = SampleSpec(until=UNTIL, format=file_format, defects=("decimal_comma", "non_positive_quantity:2"))
    generate(spec, tmp_path / "out")

    file = tmp_path / "out" / f"order_items.{file_format}"
    with duckdb.connect() as connection:
        written = connection.execute(f"select cast(quantity as varchar) from '{file}'").fetchall()
    assert [quantity for (quantity,) in written].count("0,0") == 2
    assert all(quantity.endswith(",0") for (quantity,) in written)


def test_header_only_and_rows_lost_take_what_they_say(sample: duckdb.DuckDBPyConnection) -> None:
    before = scalar(sample, "select count(*) from order_items")
    plant(sample, "rows_lost", 60)
    assert scalar(sample, "select count(*) from order_items") == before + (-before * 6 // 10)
    assert all(scalar(sample, f"select count(*) from {t}") for t in KEYS if t != "order_items")
    plant(sample, "header_only")
    assert not any(scalar(sample, f"select count(*) from {table}") for table in KEYS)


@pytest.mark.parametrize("file_format", Format)
def test_extra_column_is_in_every_format(tmp_path: Path, file_format: Format) -> None:
    generate(SampleSpec(until=UNTIL, orders=20, format=file_format, defects=("extra_column",)), tmp_path / "out")

    with duckdb.connect() as connection:
        described = connection.execute(
            "describe from query_table($1)", [str(tmp_path / "out" / f"events.{file_format}")]
        )
        columns = [name for name, *_ in described.fetchall()]
    assert columns[-2:] == ["product_id", "campaign"]


def test_all_defects_can_be_planted_together(tmp_path: Path) -> None:
    generate(SampleSpec(until=UNTIL, defects=tuple(CATALOGUE)), tmp_path / "out")

    header = (tmp_path / "out" / "events.csv").read_text().partition("\n")[0]
    assert header.endswith(",campaign")


def test_undated_events_arrive_with_the_last_day(tmp_path: Path) -> None:
    spec = SampleSpec(until=UNTIL, orders=40, event_files=EventFiles.DAILY, defects=("missing_event_time:2",))
    generate(spec, tmp_path / "out")

    undated = [
        file.stem
        for file in sorted((tmp_path / "out" / "events").iterdir())
        for line in file.read_text().splitlines()
        if line.split(",")[4] == ""
    ]
    assert undated == [str(UNTIL)] * 2
