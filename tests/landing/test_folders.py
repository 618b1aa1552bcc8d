"""Folders and files: which are taken, and how the wrong ones are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from greenery_assets.landing import SourceError, load

from .support import CONTRACTS, HEADER, ROW, Landing

GOOD = f"{HEADER}\n{ROW}\n"
SETTING = "Set GREENERY_SOURCE_DIR to the folder"


def _write(*files: tuple[str, str | bytes]) -> Callable[[Landing], None]:
    def prepare(landing: Landing) -> None:
        for name, content in files:
            landing.write(name, content)

    return prepare


def _folder(name: str) -> Callable[[Landing], None]:
    return lambda landing: (landing.sources / name).mkdir(parents=True)


WRONG = [
    pytest.param(_write(), ["is empty", SETTING], id="empty folder"),
    pytest.param(_write(("other.csv", GOOD)), ["lacks the tables notes, items", "items", SETTING], id="missing"),
    pytest.param(_write(("Items.csv", GOOD)), ["Items.csv is there; is it items?"], id="other case"),
    pytest.param(_write(("items.csv.gz", "")), ["items.csv.gz is there"], id="compressed"),
    pytest.param(_write(("items.csv", GOOD), ("items/a.csv", GOOD)), ["items/ and items.csv"], id="file and folder"),
    pytest.param(_write(("items.csv", GOOD), ("items.CSV", GOOD)), ["items.CSV and items.csv"], id="suffix twice"),
    pytest.param(_folder("items"), ["items holds no CSV or Parquet file"], id="empty table folder"),
    pytest.param(_folder("items.csv"), ["a folder with the name of a file"], id="folder named csv"),
    pytest.param(_write(("items/a.csv", GOOD), ("items/b.txt", "")), ["items/b.txt is neither"], id="other file"),
    pytest.param(_write(("items/2021/a.csv", GOOD)), ["items/2021 is neither"], id="nested folder"),
    pytest.param(_write(("items.csv", "")), ["items.csv is empty"], id="no bytes"),
    pytest.param(_write(("items.csv", f"\n{GOOD}")), ["begins with an empty line"], id="empty first line"),
    pytest.param(
        _write(("items.csv", GOOD.replace("price", "Price "))),
        ["lacks the column price", '"Price " comes near', "It has item_id, name"],
        id="near column",
    ),
    pytest.param(_write(("items.csv", GOOD.replace("price", "name"))), ["the column name more than once"], id="twice"),
    pytest.param(_write(("items.csv", GOOD.replace("\n", "\r"))), ["a carriage return alone"], id="carriage returns"),
    pytest.param(_write(("items.csv", f"{HEADER}\n{ROW}\r\n{ROW}\n")), ["ends line 2 otherwise"], id="mixed endings"),
    pytest.param(_write(("items.csv", GOOD.encode("utf-16"))), ["not UTF-8 (line 1)"], id="UTF-16"),
    pytest.param(
        _write(("items.csv", f"{GOOD}{ROW}\n{ROW.replace('o', 'ö')}\n".encode("latin-1"))),
        ["items.csv is not UTF-8 (line 4)", "encoding UTF-8"],
        id="Latin-1",
    ),
    pytest.param(
        _write(("items.csv", f"{GOOD}{ROW.replace('Pothos', chr(34) + 'Pothos')}\n{ROW}\n")),
        ["opens a quotation mark in the row at line 3"],
        id="open quote",
    ),
    pytest.param(_write(("items.csv", '"item_id"x\n')), ["not CSV (line 1)"], id="broken header"),
    pytest.param(_write(("items.parquet", "no Parquet")), ["not a whole Parquet file"], id="no Parquet"),
    pytest.param(_write(("items.parquet", "")), ["not a whole Parquet file"], id="empty Parquet"),
]


@pytest.mark.parametrize(("prepare", "words"), WRONG)
def test_a_wrong_source_is_refused_in_one_paragraph_and_the_last_good_load_stays(
    landing: Landing, prepare: Callable[[Landing], None], words: list[str]
) -> None:
    landing.write("items.csv", f"{GOOD}x\n")
    landing.write("notes.csv", "note,n\nkept,1\nrejected,x\n")
    landing.load("notes", "items")
    before = landing.state()
    assert [len(rows) for rows in before] == [1, 1, 2]

    (landing.sources / "items.csv").unlink()
    (landing.sources / "notes.csv").unlink()
    prepare(landing)
    if any(landing.sources.iterdir()) and not (landing.sources / "other.csv").exists():
        landing.write("notes.csv", "note,n\nnew,1\n")  # is right, and comes first
    with pytest.raises(SourceError) as caught:
        landing.load("notes", "items")
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text
    assert "Pothos" not in text
    assert landing.state() == before


def test_a_missing_folder_and_a_file_in_its_place_are_refused(landing: Landing) -> None:
    for folder, words in ((landing.sources / "none", "does not exist"), (Path(__file__), "is a file")):
        with pytest.raises(SourceError, match=words):
            load(landing.warehouse, folder, CONTRACTS)
    assert not landing.warehouse.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(landing: Landing) -> None:
    landing.write("items.csv", GOOD).chmod(0)
    with pytest.raises(SourceError, match=r"cannot be read \(Permission denied\)"):
        landing.load("items")


def test_a_file_that_goes_away_is_refused(landing: Landing) -> None:
    landing.write("items/a.csv", GOOD)
    (landing.sources / "items/b.csv").symlink_to(landing.sources / "gone")
    with pytest.raises(SourceError, match=r"b\.csv went away"):
        landing.load("items")


@pytest.mark.parametrize(
    "name",
    ["[ab].csv", "a*b.csv", "a?.csv", 'it\'s "q", too.csv', "ü x.csv", "{a}.csv", "~.csv", "day=1.CSV"],
)
def test_a_file_may_have_any_name(landing: Landing, name: str) -> None:
    landing.write(f"items/{name}", f"{HEADER}\n{ROW}\nx\n")
    landing.write("items/a.csv", f"{HEADER}\n")  # what a pattern would find instead
    landing.write("items/aXb.csv", f"{HEADER}\n")
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.rejected_rows) == (1, 1)
    assert landing.rejects() == [(f"items/{name}", 3, None, "too few fields: 1 of 5")]


def test_hidden_and_underscored_files_are_skipped(landing: Landing) -> None:
    for name in ("items/a.csv", "items/_b.txt", "items/.c", ".items.csv", "_items.csv"):
        landing.write(name, GOOD)
    assert landing.load("items")["items"].files == ("items/a.csv",)


def test_what_landed_is_told(landing: Landing) -> None:
    landing.write("items/2.csv", f"extra,pieces,price,created_at,name,item_id\n1,2,3,2021-03-01,b,{ROW[:36]}\n")
    landing.write("items/1.csv", f"{HEADER},other\n{ROW},\n{ROW},\nx\n")
    size = sum(path.stat().st_size for path in (landing.sources / "items").iterdir())
    loaded = landing.load("items")["items"]
    assert (loaded.table, loaded.rows, loaded.rejected_rows, loaded.bytes) == ("items", 3, 1, size)
    assert loaded.files == ("items/1.csv", "items/2.csv")
    assert loaded.extra_columns == ("extra", "other")
    assert landing.query("from quality.extra_columns") == [("items", "extra"), ("items", "other")]
    assert str(loaded.newest) == "2021-03-01 00:00:00"
    assert not loaded.read_in_place
    assert landing.query("select name, pieces from raw.items") == [("Pothos", 40), ("Pothos", 40), ("b", 2)]


@pytest.mark.parametrize("content", [f"{HEADER}\n", f"\ufeff{HEADER}\r\n", f"{HEADER}\n\n\n"], ids=repr)
def test_a_header_alone_is_a_table_without_rows(landing: Landing, content: str) -> None:
    landing.write("items.csv", content)
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.rejected_rows, loaded.newest) == (0, 0, None)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "ending"])
def test_line_endings_and_byte_order_mark(landing: Landing, ending: str, mark: str, last: str) -> None:
    content = mark + ending.join(["note,n", "a,1", "", "bad", '"two', 'lines",2', "b,x", "c,3"])
    landing.write("notes.csv", content + (ending if last else ""))
    landing.load("notes")
    assert landing.query("from raw.notes") == [("a", 1), (f"two{ending}lines", 2), ("c", 3)]
    assert [line for _, line, *_ in landing.rejects()] == [4, 7]


def test_a_missing_header_quotes_nothing_of_the_first_row(landing: Landing) -> None:
    landing.write("items.csv", "7c9a,Melody,melody@example.com,2026-01-01\n")
    with pytest.raises(SourceError) as error:
        landing.load("items")
    assert "does not begin with a header" in str(error.value)
    assert "elody" not in str(error.value)
