"""Parquet: what is read in place, what becomes a table, what is refused."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenery_assets.landing import SourceError

from .support import HEADER, ID, ROW, Landing

AT = dt.datetime(2021, 2, 10, 0, 0, 5)
TYPED = {
    "item_id": pa.array([UUID(ID).bytes], pa.uuid()),
    "name": pa.array(["Pothos"]),
    "created_at": pa.array([AT], pa.timestamp("us")),
    "price": pa.array([Decimal("30.50")], pa.decimal128(18, 2)),
    "pieces": pa.array([40], pa.int64()),
}
LANDED = (UUID(ID), "Pothos", AT, Decimal("30.50"), 40)
COLUMNS = [
    ("item_id", "UUID"),
    ("name", "VARCHAR"),
    ("created_at", "TIMESTAMP"),
    ("price", "DECIMAL(18,2)"),
    ("pieces", "BIGINT"),
]


def _write(landing: Landing, file: str = "items.parquet", **columns: Any) -> Path:
    path = landing.write(file, "")
    pq.write_table(pa.table(TYPED | columns), path)
    return path


IN_PLACE = [
    {},
    {"created_at": pa.array([AT], pa.timestamp("ns"))},
    {"created_at": pa.array([AT], pa.timestamp("ms"))},
    {"pieces": pa.array([40], pa.int16())},
    {"price": pa.array([Decimal("30.5")], pa.decimal128(5, 1))},
    {"name": pa.array(["Pothos"]).dictionary_encode()},
]


@pytest.mark.parametrize("columns", IN_PLACE)
def test_typed_parquet_is_read_in_place(landing: Landing, columns: dict[str, Any]) -> None:
    _write(landing, **columns)
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.rejected_rows, loaded.newest, loaded.read_in_place) == (1, 0, AT, True)
    assert landing.query("from raw.items") == [LANDED]
    assert [row[:2] for row in landing.query("describe raw.items")] == COLUMNS


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_a_time_zone_becomes_utc_whatever_the_session(landing: Landing, unit: str) -> None:
    instant = AT.replace(tzinfo=dt.UTC)
    _write(landing, created_at=pa.array([instant], pa.timestamp(unit, "America/New_York")))
    assert landing.load("items")["items"].newest == AT
    assert landing.query("set timezone = 'Asia/Tokyo'; select created_at from raw.items") == [(AT,)]


CAST = [
    {"item_id": [ID]},
    {"created_at": ["2021-02-10T02:00:05+02:00"]},
    {"price": [30.5]},
    {"price": pa.array([30.5], pa.float32())},
    {"price": ["30.50"]},
    {"price": pa.array([Decimal("30.5000")], pa.decimal128(20, 4))},
    {"pieces": [40.0]},
    {"pieces": ["40"]},
    {"pieces": pa.array([40], pa.uint64())},
    {"pieces": pa.array([Decimal("40.00")], pa.decimal128(10, 2))},
]


@pytest.mark.parametrize("columns", CAST)
def test_other_types_are_cast_into_a_table(landing: Landing, columns: dict[str, Any]) -> None:
    _write(landing, **columns)
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.rejected_rows, loaded.read_in_place) == (1, 0, False)
    assert landing.query("from raw.items") == [LANDED]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("item_id", "Keslie", "not a UUID"),
        ("created_at", "Keslie", "not a timestamp (ISO 8601 UTC, such as 2021-02-10T00:00:05Z)"),
        ("price", 3.105, "more than 2 decimals"),
        ("price", float("nan"), "not a plain decimal number (such as 1234.50)"),
        ("price", 2**60, "too large for decimal(18,2)"),
        ("pieces", 1.5, "not a whole number"),
        ("created_at", pa.scalar(253402300800, pa.timestamp("s")), "a timestamp outside the years 1 to 9999"),
    ],
)
def test_rows_that_do_not_cast_are_rejected(landing: Landing, column: str, value: Any, reason: str) -> None:
    good = pa.table(TYPED).select(["name"]).column(0)[0].as_py()
    bad = pa.array([None, value]) if not isinstance(value, pa.Scalar) else pa.array([None, value.value], value.type)
    columns: dict[str, Any] = {name: pa.concat_arrays([array, array]) for name, array in TYPED.items()}
    path = landing.write("items.parquet", "")
    pq.write_table(pa.table(columns | {column: bad}), path)
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.rejected_rows, loaded.read_in_place) == (1, 1, False)
    assert landing.rejects() == [("items.parquet", 2, column, reason)]
    ((raw,),) = landing.query("select raw_text from quality.rejected_rows")
    assert json.loads(raw)["name"] == good


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"name": [["a"]]}, "holds the column name as VARCHAR[], which cannot become text"),
        ({"name": [b"a"]}, "as BLOB"),
        ({"name": [92056.0]}, "as DOUBLE"),
        ({"item_id": [b"0123456789abcdef"]}, "as BLOB"),
        ({"created_at": [1612915205]}, "as BIGINT"),
        ({"price": [{"amount": 1}]}, "as STRUCT"),
        ({"pieces": [True]}, "as BOOLEAN"),
    ],
)
def test_types_that_never_cast_are_refused(landing: Landing, columns: dict[str, Any], words: str) -> None:
    _write(landing, **columns)
    with pytest.raises(SourceError) as caught:
        landing.load("items")
    assert words in str(caught.value)
    assert "items.parquet" in str(caught.value)


def test_a_column_without_values_fits_every_type(landing: Landing) -> None:
    columns = {name: pa.nulls(1) for name in TYPED}
    path = landing.write("items.parquet", "")
    pq.write_table(pa.table(columns), path)
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.newest, loaded.read_in_place) == (1, None, True)
    assert [row[:2] for row in landing.query("describe raw.items")] == COLUMNS


def test_files_of_unlike_order_and_types_are_one_view(landing: Landing) -> None:
    _write(landing, "items/[1].parquet")
    columns = TYPED | {
        "filename": ["mine"],
        "created_at": pa.array([AT.replace(tzinfo=dt.UTC)], pa.timestamp("us", "UTC")),
    }
    path = landing.write("items/day='2'.parquet", "")
    pq.write_table(pa.table(dict(reversed(columns.items()))), path)
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.extra_columns, loaded.read_in_place) == (2, ("filename",), True)
    assert landing.query("set timezone = 'Asia/Tokyo'; from raw.items") == [LANDED, LANDED]


def test_csv_and_parquet_mix_into_a_table_in_the_order_of_names(landing: Landing) -> None:
    landing.write("items/a.csv", f"{HEADER}\n{ROW}\n")
    _write(landing, "items/b.parquet", name=["b"])
    landing.write("items/c.csv", f"{HEADER}\n{ROW}\n")
    loaded = landing.load("items")["items"]
    assert (loaded.rows, loaded.read_in_place) == (3, False)
    assert landing.query("select name from raw.items") == [("Pothos",), ("b",), ("Pothos",)]


def test_an_empty_text_is_null_as_in_csv(landing: Landing) -> None:
    _write(landing, name=[""])
    assert landing.load("items")["items"].read_in_place
    assert landing.query("select name from raw.items") == [(None,)]


def test_a_column_of_the_name_of_row_numbers_is_refused_where_rows_are_counted(landing: Landing) -> None:
    path = _write(landing, File_Row_Number=[7])
    assert landing.load("items")["items"].read_in_place
    pq.write_table(pa.table(TYPED | {"file_row_number": [7], "pieces": ["x"]}), path)
    with pytest.raises(SourceError, match=r"items\.parquet has a column file_row_number.*rename it"):
        landing.load("items")


def test_parquet_with_a_broken_page_is_refused(landing: Landing) -> None:
    for name in ("1", "2", "3"):
        path = _write(landing, f"items/{name}.parquet", created_at=["2021-02-10"])
        if name == "2":
            whole = path.read_bytes()
            path.write_bytes(whole[:4] + b"\xff" * 200 + whole[204:])
    with pytest.raises(SourceError, match=r"2\.parquet cannot be read to its end"):
        landing.load("items")
