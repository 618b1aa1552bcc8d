"""Values of CSV fields: what is taken, as what, and what is refused with which words."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest

from .support import HEADER, ID, Landing

MakeLanding = Callable[[str], Landing]
TIME = "2021-02-10T00:00:05Z"
AT_FIVE = datetime(2021, 2, 10, 0, 0, 5)


def _row(column: str, text: str) -> str:
    fields = {"item_id": ID, "name": "Pothos", "created_at": TIME, "price": "1", "pieces": "1"}
    return ",".join((fields | {column: text}).values())


TAKEN: list[tuple[str, str, object]] = [
    ("item_id", ID.upper(), UUID(ID)),
    ("item_id", ID.replace("-", ""), UUID(ID)),
    ("item_id", f"{{{ID}}}", UUID(ID)),
    ("item_id", "", None),
    ("name", "", None),
    ("name", '""', None),
    ("name", "  spaces stay ", "  spaces stay "),
    ("name", '5" pot', '5" pot'),
    ("name", '"a ""b"", c"', 'a "b", c'),
    ("name", '"two\nlines"', "two\nlines"),
    # As RFC 4180 has it: blanks are part of a value, which is not quoted then.
    ("name", ' "a" ', ' "a" '),
    ("name", "NULL", "NULL"),
    ("name", "Ünïcødé 🌿", "Ünïcødé 🌿"),
    ("created_at", "2021-02-10 00:00:05", AT_FIVE),
    ("created_at", "2021-02-10 00:00:05 UTC", AT_FIVE),
    ("created_at", "2021-02-10T02:00:05+02:00", AT_FIVE),
    ("created_at", "2021-02-09T20:30:05-0330", AT_FIVE),
    ("created_at", "2021-02-10T01:00:05+01", AT_FIVE),
    ("created_at", "2021-02-10T00:00:05.25Z", AT_FIVE.replace(microsecond=250_000)),
    ("created_at", "2021-02-10T00:00:05.123456000Z", AT_FIVE.replace(microsecond=123_456)),
    ("created_at", "2021-02-10T14:00:05+14:00", AT_FIVE),
    ("created_at", "2021-02-09T10:00:05-1400", AT_FIVE),
    ("created_at", "2021-02-10", datetime(2021, 2, 10)),
    ("created_at", "9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59)),
    ("price", "551.9", Decimal("551.90")),
    ("price", "-0.01", Decimal("-0.01")),
    ("price", "3.1000", Decimal("3.10")),
    ("price", ".5", Decimal("0.50")),
    ("price", "9999999999999999.99", Decimal("9999999999999999.99")),
    ("pieces", "007", 7),
    ("pieces", "+5", 5),
    ("pieces", "3.0", 3),
    ("pieces", "9223372036854775807", 2**63 - 1),
]


MONEY = "not a plain decimal number (such as 1234.50)"
NO_TIME = "not a timestamp (ISO 8601 UTC, such as 2021-02-10T00:00:05Z)"
FAR_TIME = "a timestamp outside the years 1 to 9999"
FINE_TIME = "a timestamp finer than microseconds"


REFUSED: list[tuple[str, str, str]] = [
    ("item_id", "Keslie", "not a UUID"),
    ("item_id", ID[:-1], "not a UUID"),
    ("item_id", f" {ID}", "not a UUID"),
    ("name", "a\0b", "holds a NUL character"),
    ("created_at", "Keslie", NO_TIME),
    ("created_at", "2021-02-30", NO_TIME),
    ("created_at", "10/02/2021", NO_TIME),
    ("created_at", "1612915205", NO_TIME),
    ("created_at", "epoch", NO_TIME),
    ("created_at", "infinity", NO_TIME),
    ("created_at", "2021-02-10T00:00:05 America/New_York", NO_TIME),
    ("created_at", "2021-02-10T00:00:05+14:01", NO_TIME),
    ("created_at", "2021-02-10T00:00:05-15", NO_TIME),
    ("created_at", "2021-02-10T00:00:05+99:99", NO_TIME),
    ("created_at", "2021-02-10T00:00:05+01:60", NO_TIME),
    ("created_at", " 021-02-10T00:00:05Z", NO_TIME),
    ("created_at", "2021-02-10T00:00:5 Z", NO_TIME),
    ("created_at", "2021-02-10T00:00:05.1234567Z", FINE_TIME),
    ("created_at", "2021-02-10T00:00:05.000000001+01:00", FINE_TIME),
    ("created_at", "10000-01-01", FAR_TIME),
    ("created_at", "9999-12-31T23:59:59-01:00", FAR_TIME),
    ("created_at", "0000-01-01", FAR_TIME),
    ("price", "3.105", "more than 2 decimals"),
    ("price", "3.1000000000000000000000000000001", "more than 2 decimals"),
    ("price", "10000000000000000.00", "too large for decimal(18,2)"),
    ("price", "1e5", MONEY),
    ("price", "$3", MONEY),
    ("price", '"1,000.00"', MONEY),
    ("price", "NaN", MONEY),
    ("price", "1_000", MONEY),
    ("price", " 3", MONEY),
    ("price", '"1,5"', MONEY),
    ("price", "\N{FULLWIDTH DIGIT ONE}", MONEY),
    ("price", "true", MONEY),
    ("pieces", "1.5", "not a whole number"),
    ("pieces", "1e3", "not a whole number"),
    ("pieces", "0x10", "not a whole number"),
    ("pieces", "1_000", "not a whole number"),
    ("pieces", "\N{FULLWIDTH DIGIT ONE}", "not a whole number"),
    ("pieces", "true", "not a whole number"),
    ("pieces", "9223372036854775808", "a whole number of more than 64 bits"),
]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """All values of TAKEN, then all of REFUSED, as one file: a load costs more than a row."""
    landing = Landing(tmp_path_factory.mktemp("values"))
    rows = [_row(column, text) for column, text, _ in TAKEN + REFUSED]
    landing.write("items.csv", "\n".join([HEADER, *rows, ""]))
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.rejected_rows) == (len(TAKEN), len(REFUSED))
    return landing


@pytest.mark.parametrize(("place", "column", "text", "value"), [(n, *case) for n, case in enumerate(TAKEN)])
def test_value_is_taken(landed: Landing, place: int, column: str, text: str, value: object) -> None:
    assert landed.query(f"select {column} from raw.items")[place] == (value,), text


@pytest.mark.parametrize(("place", "column", "text", "reason"), [(n, *case) for n, case in enumerate(REFUSED)])
def test_value_is_refused(landed: Landing, place: int, column: str, text: str, reason: str) -> None:
    above = "\n".join([HEADER, *(_row(column, text) for column, text, _ in TAKEN + REFUSED[:place])])
    line = above.count("\n") + 2
    assert landed.rejects()[place] == ("items.csv", line, column, reason)
    rejected = landed.query("select raw_text, source_table from quality.rejected_rows")
    assert rejected[place] == (_row(column, text), "items")


def test_every_faulty_column_of_a_row_is_named(landing_with_item: MakeLanding) -> None:
    landing = landing_with_item(f"{ID},Pothos,{TIME},3.105,Keslie")
    landing.load("items")
    reason = "price: more than 2 decimals; pieces: not a whole number"
    assert landing.rejects() == [("items.csv", 3, "price, pieces", reason)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,b", "too few fields: 2 of 5"),
        ("  ", "too few fields: 1 of 5"),
        ("a,b,c,d,e,f,g", "too many fields: 7 of 5"),
        (f"{ID},12 Main St, Apt 4,{TIME},1,", "too many fields: 6 of 5"),
        (f"{ID},Pothos,{TIME},1,1,", "too many fields: 6 of 5"),
        (f'{ID},"two, quoted",{TIME},1,1,,""', "too many fields: 7 of 5"),
        (f'{ID},"a" b,{TIME},1,1', "a quotation mark that is not closed, or text after a closed one"),
        (f"{ID},{'x' * 8_000_001},{TIME},1,1", "longer than 8,000,000 bytes"),
    ],
)
def test_a_misshapen_row_is_refused(landing_with_item: MakeLanding, row: str, reason: str) -> None:
    landing = landing_with_item(row)
    assert landing.load("items")["items"].rejected_rows == 1
    assert landing.rejects() == [("items.csv", 3, None, reason)]
    assert landing.query("select raw_text from quality.rejected_rows") == [(row[:65_536],)]


def test_a_long_value_is_taken(landing_with_item: MakeLanding) -> None:
    landing = landing_with_item(_row("name", "x" * 7_000_000))
    assert landing.load("items")["items"].rows == 2
