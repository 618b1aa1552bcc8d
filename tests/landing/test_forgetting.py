"""Personal data in what was set aside has an age, in each database; counts, places and reasons stay."""

from datetime import UTC, datetime, timedelta

import pytest

from greenery_assets.landing import load
from greenery_assets.settings import PostgresAddress
from greenery_assets.warehouse import Place, loads, open_for_reading, transaction
from tests.postgres import new_database

from .support import CONTRACTS, Landing

NOW = datetime(2026, 11, 27, 12)
REJECTS = "select file, line, reason is not null, raw_text from quality.rejected_rows order by file"
TABLES = {"order_has_its_checkout", "a_check_that_is_no_more"}


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, landing: Landing) -> Place:
    """An empty warehouse."""
    if request.param == "duckdb":
        return landing.warehouse
    url = new_database(request.getfixturevalue("postgres_url"), "forgetting")
    return PostgresAddress.parse(url)


def forget(place: Place, before: datetime) -> list[tuple[object, ...]]:
    with transaction(place) as connection:
        loads.forget_personal_data(connection, before, {"order_has_its_checkout"})
    with open_for_reading(place) as connection:
        return connection.execute(REJECTS).fetchall()


def test_the_text_of_rows_goes_with_age_and_so_do_rows_of_checks_that_nobody_evaluates(
    landing: Landing, place: Place
) -> None:
    for name in ("1", "2"):
        landing.write(f"notes/{name}.csv", f"note,n\nok,1\nJane {name},x\n")
    load(place, landing.sources, {"notes": CONTRACTS["notes"]})
    with transaction(place) as connection:
        [(loaded,)] = connection.execute("select max(rejected_at) from quality.rejected_rows").fetchall()
        assert abs(loaded - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
        for name, days in (("1", 40), ("2", 20)):
            at = "update quality.rejected_rows set rejected_at = ? where file = ?"
            connection.execute(at, [NOW - timedelta(days=days), f"notes/{name}.csv"])
    with transaction(place) as connection:
        for name in sorted(TABLES):
            connection.execute(f"create table quality.{name} (who varchar)")
    assert forget(place, NOW - timedelta(days=50)) == [
        ("notes/1.csv", 3, True, "Jane 1,x"), ("notes/2.csv", 3, True, "Jane 2,x")
    ]  # fmt: skip
    assert forget(place, NOW - timedelta(days=30)) == [
        ("notes/1.csv", 3, True, None), ("notes/2.csv", 3, True, "Jane 2,x")
    ]  # fmt: skip
    with open_for_reading(place) as connection:
        assert loads.tables(connection, "quality") == {
            "rejected_rows", "extra_columns", "durations", "order_has_its_checkout"
        }  # fmt: skip


def test_of_rows_of_an_older_release_the_age_is_not_known_and_they_count_as_old(landing: Landing) -> None:
    landing.write("notes.csv", "note,n\nJane,x\nok,1\n")
    landing.load("notes")
    with transaction(landing.warehouse) as connection:
        connection.execute("alter table quality.rejected_rows drop column rejected_at")
    assert forget(landing.warehouse, NOW - timedelta(days=9_000)) == [("notes.csv", 2, True, None)]
