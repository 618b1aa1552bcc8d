"""Loading again: each file once, a changed file instead of its own rows, a file that went away reported."""

import os
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenery_assets.landing import SourceError, changed_in_place
from greenery_assets.landing.rows import fill
from greenery_assets.warehouse import open_for_reading
from greenery_assets.warehouse.loads import affected_days, files_in_and_gone

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


def test_the_days_that_a_load_affected_are_those_of_its_files_now_and_before(landing: Landing) -> None:
    def affected() -> list[str]:
        landing.load("items")
        with open_for_reading(landing.warehouse) as connection:
            return [day.isoformat() for day in affected_days(connection, "items")]

    first = write(landing, "1.csv", row("a", day="2021-02-12"), row("b", OTHER_ID, "2021-02-10"))
    assert affected() == ["2021-02-10", "2021-02-12"]
    write(landing, "2.csv", row("c", OTHER_ID[:-1] + "8", "2021-03-01"))
    assert affected() == ["2021-03-01"]
    write(landing, "1.csv", row("a", day="2021-02-11"))
    assert affected() == ["2021-02-10", "2021-02-11", "2021-02-12"]
    first.unlink()
    assert "2021-02-11" in affected()


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

    shorter = support.TableContract("items", support.ITEMS.columns[:2])
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


def _times_set_back(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("how", ["in place", "renamed over"])
@pytest.mark.parametrize("is_small", [True, False])
def test_a_change_that_keeps_size_and_time_is_seen(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, how: str, is_small: bool
) -> None:
    if not is_small:
        monkeypatch.setattr("greenery_assets.landing.files._SMALL", 0)
    path = write(landing, "1.csv", row("a"))
    landing.load("items")
    before = path.stat()
    target = path if how == "in place" else path.with_name("_new")
    target.write_text(f"{HEADER}\n{row('b')}")
    target.replace(path)
    _times_set_back(path, before)
    assert landing.load("items")["items"].read_files == ("items/1.csv",)
    assert names(landing) == ["b"]
    assert landing.load("items")["items"].read_files == ()


def test_what_is_small_is_known_by_its_content_where_a_mount_makes_up_the_rest(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstat

    def made_up(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        return os.stat_result([found.st_mode, 1, *found[2:10]], {"st_mtime_ns": 1, "st_ctime_ns": 1, "st_atime_ns": 1})

    monkeypatch.setattr("greenery_assets.landing.files.os.fstat", made_up)
    write(landing, "1.csv", row("a"))
    landing.load("items")
    write(landing, "1.csv", row("b"))
    assert landing.load("items")["items"].read_files == ("items/1.csv",)


def test_a_warehouse_of_an_older_version_reads_its_files_again(landing: Landing) -> None:
    write(landing, "1.csv", row("a"))
    landing.load("items")
    with duckdb.connect(str(landing.warehouse)) as connection:
        for column in ("changed_ns", "inode", "digest"):
            connection.execute(f"alter table landing.files drop column {column}")
        # It kept its rows otherwise, which the text of the contract says too.
        connection.execute("update landing.files set contract = replace(contract, '2: ', '')")
        for column in ("_landing_line", "_landing_fault"):
            connection.execute(f"alter table landing.items_rows drop column {column}")
        assert changed_in_place(connection) == []
    assert landing.load("items")["items"].read_files == ("items/1.csv",)
    assert landing.load("items")["items"].read_files == ()


def test_parquet_swapped_after_loading_is_seen(landing: Landing) -> None:
    table = pa.table({"note": ["a"], "n": [1]})
    path = landing.write("notes.parquet", "")
    pq.write_table(table, path)
    assert landing.load("notes")["notes"].read_in_place
    before = path.stat()
    with open_for_reading(landing.warehouse) as connection:
        assert changed_in_place(connection) == []
        pq.write_table(pa.table({"note": ["b"], "n": [1]}), path)
        _times_set_back(path, before)
        assert changed_in_place(connection) == [str(path)]
        path.unlink()
        assert changed_in_place(connection) == [str(path)]


def test_a_file_that_changes_while_it_is_read_is_refused(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(landing, "1.csv", row("a"))

    def fill_late(*arguments: Any) -> Any:
        path.write_text(f"{HEADER}\n{row('b')}")
        return fill(*arguments)

    monkeypatch.setattr(sys.modules["greenery_assets.landing.load"], "fill", fill_late)
    with pytest.raises(SourceError, match="changed while it was read"):
        landing.load("items")
