"""Random tables: what csv.writer wrote is what lands, and exactly the corrupted rows are set aside."""

import csv
import io
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenery_assets.landing import SourceError

from .support import Landing

# csv.writer writes an empty text as nothing, which is null; surrogates are no UTF-8, NUL is refused.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12) | st.sampled_from(
    ["a,b", 'say "hi"', "two\nlines", "\r\n", '"', " , ", "'", "#", "7,8\n9,10"]
)
good_rows = st.tuples(texts | st.none(), st.integers(-(2**63), 2**63 - 1) | st.none())
faults = st.sampled_from(["word", "short", "long", "quote"])
tables = st.lists(st.tuples(good_rows, st.none() | faults), max_size=30)


def _written(row: tuple[str | None, int | None], fault: str | None, ending: str) -> str:
    note, number = row
    out = io.StringIO(newline="")
    fields: list[object] = [note, "x" if fault == "word" else number]
    csv.writer(out, lineterminator=ending).writerow(
        {"short": fields[:1] or ["x"], "long": [*fields, "y", "z"]}.get(fault or "", fields)
    )
    return f'"a"b,1{ending}' if fault == "quote" else out.getvalue()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(table=tables, ending=st.sampled_from(["\n", "\r\n"]), has_last_ending=st.booleans())
def test_what_was_written_lands_and_what_was_corrupted_does_not(
    table: list[tuple[tuple[str | None, int | None], str | None]], ending: str, has_last_ending: bool
) -> None:
    content, good, bad = f"note,n{ending}", [], []
    for row, fault in table:
        # A lone null is an empty line to csv.writer.
        row = ("x", row[1]) if fault == "short" and not row[0] else row  # noqa: PLW2901
        if fault:
            bad.append(content.count("\n") + 1)
        else:
            good.append(row)
        content += _written(row, fault, ending)
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        landing.write("notes.csv", content if has_last_ending else content.removesuffix(ending))
        loaded = landing.load("notes")["notes"]
        assert landing.query("from raw.notes") == good
        assert [line for _, line, *_ in landing.rejects()] == bad
        assert (loaded.rows, loaded.rejected_rows) == (len(good), len(bad))


def _large(kind: str) -> tuple[str, list[tuple[str | None, int | None]], list[int]]:
    """9 MB, which are read in blocks, with what a block could lose or mistake at its ends."""
    lines = ["note,n"]
    good: list[tuple[str | None, int | None]] = []
    bad: list[int] = []
    line = 2
    for number in range(50_000):
        note = "x" * 180
        text = f"{note},{number}"
        if kind == "quoted lines":
            note = "7,8\n" * 45
            text = f'"{note}",{number}'
        elif kind == "runs of bad rows" and 40_000 < number < 48_000:
            text = "x" * 180 if number % 2 else f"{note},1,2,3"
            bad.append(line)
        elif kind == "empty lines":
            note = "x"
            text = f"{note},{number}" + "\n" * 180
        elif kind == "all quoted":
            text = f'"{note[:90]}""{note[:90]}","{number}"'
            note = f'{note[:90]}"{note[:90]}'
        elif kind == "marks inside" and number % 10_000 == 7:
            note = f'{number}" pot'
            text = f"{note},{number}"
        elif kind == "one bad value" and number == 37_777:
            text = f"{note},y"
            bad.append(line)
        if not bad or bad[-1] != line:
            good.append((note, number))
        lines.append(text)
        line += 1 + text.count("\n")
    return "\n".join(lines), good, bad


@pytest.mark.slowest
@pytest.mark.parametrize(
    "kind",
    ["plain", "one bad value", "quoted lines", "runs of bad rows", "empty lines", "all quoted", "marks inside"],
)
@pytest.mark.parametrize("block", [10_000, 10**9])
def test_large_files_lose_and_double_no_row(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, kind: str, block: int
) -> None:
    monkeypatch.setattr("greenery_assets.landing.csv_rows._BLOCK", block)
    content, good, bad = _large(kind)
    landing.write("notes.csv", content)
    loaded = landing.load("notes")["notes"]
    assert (loaded.rows, loaded.rejected_rows) == (len(good), len(bad))
    with duckdb.connect(str(landing.warehouse), read_only=True) as connection:
        assert connection.execute("from raw.notes").fetchall() == good
    assert [line for _, line, *_ in landing.rejects()] == bad


@pytest.mark.parametrize("block", [1, 10**9])
def test_a_quote_that_never_closes_swallows_nothing_in_silence(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("greenery_assets.landing.csv_rows._BLOCK", block)
    landing.write("notes.csv", 'note,n\n"a ""b""",1\n5" pot,2\n"two\nlines",3\n"open,4\nlost,5\n')
    with pytest.raises(SourceError, match="in the row at line 6"):
        landing.load("notes")
