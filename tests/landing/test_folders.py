"""Folders and files: which are taken, and how the wrong ones are refused."""

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenery_assets.landing import SourceError, TableContract, load

from .support import CONTRACTS, HEADER, NOTES, ROW, Landing

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
    *[
        pytest.param(_write(("items.csv", GOOD.replace(",", mark))), [f"columns with {name}", "with commas"], id=name)
        for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"))
    ],
    pytest.param(_write(("items.csv", f"sep=,\n{GOOD}")), ["the line 'sep=,'", "remove that line."], id="sep"),
    pytest.param(
        _write(("items.csv", f"\ufeffsep=;\r\n{GOOD}")), ["remove that line and save the file with commas"], id="sep;"
    ),
    pytest.param(_write(("items.csv", gzip.compress(GOOD.encode()))), ["compressed with gzip", "unpack"], id="gzip"),
    pytest.param(_write(("items.csv", b"PK\3\4xl")), ["an Excel workbook", "save it as CSV"], id="xlsx"),
    pytest.param(_write(("items.csv", b"PAR1xx")), ["is Parquet, not CSV"], id="Parquet named CSV"),
    pytest.param(_write(("items.csv", "\n<!DOCTYPE html><p>403\n")), ["is a web page"], id="web page"),
    pytest.param(_write(("items.csv", '[{"item_id": 1}]\n')), ["is JSON"], id="JSON"),
    pytest.param(_write(("items.csv", GOOD.encode("utf-16-le"))), ["but UTF-16", "UTF-8"], id="UTF-16 without BOM"),
    pytest.param(_write(("items.csv", GOOD.replace("\n", "\r") + "\n")), ["a carriage return alone"], id="CR, then LF"),
    pytest.param(_write(("items.csv", f"{HEADER}\n{ROW}")), ["The last line", "still being written?"], id="open end"),
    pytest.param(_write(("items.csv", HEADER[:-3])), ["lacks the column pieces"], id="cut header"),
    pytest.param(_write(("items.csv", HEADER)), ["still being written?", "end its last line"], id="open header"),
    pytest.param(
        _write(("items.parquet", gzip.compress(b""))), ["compressed with gzip, not Parquet"], id="gzipped Parquet"
    ),
    pytest.param(_write(("items/a\n\x1bb.csv", "x\n")), ["a\\n\\x1bb.csv does not begin"], id="line break in a name"),
    pytest.param(
        _write(("items/a.csv", GOOD), (os.fsdecode(b"items/caf\xe9.csv"), GOOD)),
        ["The name of", "items/caf\\xe9.csv is not UTF-8", "rename it"],
        id="Latin-1 name",
    ),
    pytest.param(lambda landing: os.mkfifo(landing.sources / "items.csv"), ["not a plain file"], id="pipe"),
    pytest.param(
        _write(("items.csv", f"{HEADER}," + ",".join(["x"] * 100_000) + "\n")),
        ["column (column 6) more than", "others"],
        id="wide",
    ),
    pytest.param(_write(("items.csv", '"item_id"x\n')), ["not CSV (line 1)"], id="broken header"),
    pytest.param(_write(("items.csv", f"{'x' * 140_000};\n")), ["not CSV (line 1)"], id="lost line breaks"),
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


def test_a_header_of_100_000_columns_is_read(landing: Landing) -> None:
    landing.write("items.csv", f"{HEADER}," + ",".join(f"c{n}" for n in range(100_000)) + f"\n{ROW}{',' * 100_000}\n")
    loaded = landing.load("items")["items"]
    assert (loaded.rows, len(loaded.extra_columns)) == (1, 100_000)


@pytest.mark.parametrize(
    ("age", "is_taken"), [(120, True), (30, False), (-3600, False), (-400 * 86_400, True)], ids=str
)
def test_an_open_last_line_is_taken_where_the_contract_says_so_and_the_file_rests(
    landing: Landing, age: int, is_taken: bool
) -> None:
    path = landing.write("notes.csv", "note,n\na,42")
    os.utime(path, (time.time() - age, time.time() - age))
    if is_taken:
        assert landing.load("notes")["notes"].rows == 1
    else:
        with pytest.raises(SourceError, match=r"still being written.*has not changed for 60 seconds"):
            landing.load("notes")


def test_a_line_that_duckdb_loses_stops_the_load(landing: Landing) -> None:
    landing.write("notes.csv", "note,n\na,1\n" + "x" * 33_000_000)
    with pytest.raises(SourceError, match=r"Line 3 of .*notes\.csv is longer than 8,000,000 bytes"):
        landing.load("notes")


def test_a_column_of_its_own_may_have_empty_lines(landing: Landing) -> None:
    contracts = {"notes": TableContract("notes", NOTES.columns[:1])}
    landing.write("notes.csv", "note\na\n\nb,c\n\n")
    loaded = load(landing.warehouse, landing.sources, contracts)["notes"]
    assert (loaded.rows, loaded.rejected_rows) == (3, 1)


def test_a_path_may_hold_a_percent_sign(tmp_path: Path) -> None:
    landing = Landing(_made(tmp_path / "job%2Fmain"))
    landing.write("items.csv", GOOD)
    assert landing.load("items")["items"].rows == 1
    assert landing.query("select name from raw.items") == [("Pothos",)]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
