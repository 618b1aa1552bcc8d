"""Loading again: each file once, a changed file instead of its own rows, a file that went away reported."""

import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenery_assets.landing import SourceError, files_in_and_gone

from .support import HEADER, ID, Landing

OTHER_ID = "5c357e7e-2b8d-4a59-ae41-816f8e5f45d7"


def row(name: str, item_id: str = ID, day: str = "2021-02-10") -> str:
    return f"{item_id},{name},{day}T00:00:05Z,30.50,40\n"


def write(landing: Landing, name: str, *rows: str) -> Path:
    path = landing.write(f"items/{name}", f"{HEADER}\n{''.join(rows)}")
    # Files of one size that are written within one tick of the clock.
    os.utime(path, ns=(0, path.stat().st_mtime_ns + len(landing.sources.name) + hash(rows) % 1_000_000_000))
    return path


def names(landing: Landing) -> list[str]:
    return [name for (name,) in landing.query("select name from raw.items order by 1")]


def gone(landing: Landing) -> list[str]:
    with duckdb.connect(str(landing.warehouse), read_only=True) as connection:
        return files_in_and_gone(connection, "items", landing.sources)[1]


def test_a_file_is_read_once_and_a_new_one_added(landing: Landing) -> None:
    write(landing, "1.csv", row("a"))
    assert landing.load("items")["items"].read_files == ("items/1.csv",)
    assert landing.load("items")["items"].read_files == ()
    write(landing, "2.csv", row("b"))
    table = landing.load("items")["items"]
    assert (table.read_files, table.files, table.rows) == (("items/2.csv",), ("items/1.csv", "items/2.csv"), 2)
    assert names(landing) == ["a", "b"]


def test_a_changed_file_replaces_its_own_rows_and_rejects(landing: Landing) -> None:
    write(landing, "1.csv", row("a"), "broken\n")
    write(landing, "2.csv", row("b"), "broken\n")
    landing.load("items")
    write(landing, "1.csv", row("c"), row("d"))
    table = landing.load("items")["items"]
    assert (table.read_files, table.rows, table.rejected_rows) == (("items/1.csv",), 3, 1)
    assert names(landing) == ["b", "c", "d"]
    assert [file for file, *_ in landing.rejects()] == ["items/2.csv"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_went_away_is_reported_until_the_next_load_and_may_come_back(landing: Landing, kind: str) -> None:
    write(landing, "1.csv", row("a"))
    write(landing, "2.csv", row("b"))
    if kind == "parquet":
        for path in landing.sources.glob("items/*.csv"):
            with duckdb.connect() as connection:
                connection.execute(f"copy (from read_csv('{path}')) to '{path.with_suffix('.parquet')}'")
            path.unlink()
    landing.load("items")
    path = landing.sources / "items" / f"1.{kind}"
    path.rename(landing.sources / "items" / f"_1.{kind}")
    assert landing.load("items")["items"].removed_files == (str(path),)
    assert (names(landing), gone(landing)) == (["b"], [f"items/1.{kind}"])
    for _ in range(2):
        assert landing.load("items")["items"].removed_files == ()
        assert gone(landing) == [f"items/1.{kind}"], "nothing was loaded since"
    (landing.sources / "items" / f"_1.{kind}").rename(path)
    assert landing.load("items")["items"].read_files == (f"items/1.{kind}",)
    assert (names(landing), gone(landing)) == (["a", "b"], [])


def test_files_of_another_source_folder_are_not_reported_as_gone(landing: Landing) -> None:
    write(landing, "1.csv", row("a"))
    landing.load("items")
    landing.sources = landing.sources.with_name("elsewhere")
    write(landing, "2.csv", row("b"))
    assert landing.load("items")["items"].read_files == ("items/2.csv",)
    assert (names(landing), gone(landing)) == (["b"], [])


def test_another_contract_reads_everything_again(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    write(landing, "1.csv", row("a"))
    landing.load("items")
    from . import support  # noqa: PLC0415

    shorter = support.TableContract("items", "", support.ITEMS.columns[:2])
    monkeypatch.setattr(support, "CONTRACTS", {"items": shorter})
    assert landing.load("items")["items"].read_files == ("items/1.csv",)
    assert [len(found) for found in landing.query("from raw.items")] == [2]


def test_what_a_complete_run_has_seen_is_forgotten_and_files_are_still_known(landing: Landing) -> None:
    path = write(landing, "1.csv", row("a"))
    other = write(landing, "2.csv", row("b", OTHER_ID))
    landing.load("items")
    for hidden in (path, other):
        hidden.rename(hidden.with_name(f"_{hidden.name}"))
        write(landing, "3.csv", row("c"))
        landing.load("items")
        hidden.with_name(f"_{hidden.name}").rename(hidden)
        landing.load("items")
    with duckdb.connect(str(landing.warehouse)) as connection:
        connection.execute(
            "insert into landing.complete_runs select 'built', max(load_id), now(), '' from landing.files"
        )
    for _ in range(2):
        assert landing.load("items")["items"].read_files == ()
    versions = landing.query("select count(*), count(distinct path), count_if(is_removed) from landing.files")
    assert versions == [(3, 3, 0)]
    assert landing.query("select count(*) from landing.days") == [(3,)]


def test_a_bad_new_file_leaves_everything_as_it_was(landing: Landing) -> None:
    write(landing, "1.csv", row("a"))
    landing.load("items")
    before = [landing.query(f"from {name}") for name in ("raw.items", "landing.files", "landing.days")]
    landing.write("items/2.csv", "item_id\nx\n")
    with pytest.raises(SourceError, match=r"2\.csv"):
        landing.load("items")
    assert [landing.query(f"from {name}") for name in ("raw.items", "landing.files", "landing.days")] == before


def test_rows_are_shown_with_their_file_and_counted_by_day(landing: Landing) -> None:
    write(landing, "1.csv", row("a"), row("b", OTHER_ID, "2021-02-11"))
    table = pa.table({"item_id": [ID], "name": ["c"], "created_at": [None], "price": [None], "pieces": [None]})
    pq.write_table(table, landing.sources / "items" / "2.parquet")
    landing.load("items")
    shown = landing.query("select name, landing_file from landing.items_by_file order by 1")
    assert [(name, Path(file).name) for name, file in shown] == [("a", "1.csv"), ("b", "1.csv"), ("c", "2.parquet")]
    days = landing.query("select cast(day as varchar), row_count from landing.days order by path, day")
    assert days == [("2021-02-10", 1), ("2021-02-11", 1), (None, 1)]


def test_a_load_has_a_number_that_no_model_has_seen(landing: Landing) -> None:
    def loaded() -> int:
        landing.load("items")
        ((number,),) = landing.query("select max(load_id) from landing.files")
        with duckdb.connect(str(landing.warehouse)) as connection:
            connection.execute("delete from landing.complete_runs")
            connection.execute("insert into landing.complete_runs values ('built', ?, now(), '')", [number])
        return int(number)

    write(landing, "1.csv", row("a"))
    path = write(landing, "2.csv", row("b"))
    assert loaded() == 1
    path.unlink()
    assert loaded() == 2
    write(landing, "3.csv", row("c"))
    assert loaded() == 3
