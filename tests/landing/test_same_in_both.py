"""One rule for CSV and Parquet: a value lands equal from both, or is rejected in both."""

import csv
import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenery_assets.landing import SUPPORTED_TYPES, Column, TableContract, load
from greenery_assets.warehouse import open_for_reading

UTC = dt.UTC
moments = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
# A value as people write it in CSV, and as the same value of a Parquet type.
texts = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from([" a ", "a\0b", '"', ",", "true", "NaN"])
written = st.text("+-.,:0123456789eEfTZ _", max_size=24) | st.sampled_from(
    ["1_000", "+5", "1e3", "3.0", "-0.0", "1,5", "007", ".5", "5.", "nan", "-inf", "true", "9999999999999999.99"]
)


def _moment(text: str) -> st.SearchStrategy[str]:
    return st.tuples(moments, st.sampled_from(["Z", "", "+14:00", "-15:00", "+01:60", "+99:99", "0Z", "1Z"])).map(
        lambda pair: f"{pair[0].isoformat(text, 'microseconds')}{pair[1]}"
    )


def _float(value: Any) -> str:
    return np.format_float_positional(value, trim="0") if np.isfinite(value) else str(value)


FLOATS = st.floats() | st.integers(-(10**17), 10**17).map(lambda cents: cents / 100)
FLOAT32 = st.floats(width=32) | st.integers(-(10**10), 10**10).map(lambda cents: float(np.float32(cents / 100)))
DECIMALS = st.decimals(-(10**17), 10**17, places=4, allow_nan=False)
CASES: dict[str, list[tuple[st.SearchStrategy[Any], pa.DataType, Any]]] = {
    "uuid": [
        (st.uuids(), pa.uuid(), str),
        (st.uuids().map(lambda u: f"{{{u}}}") | st.uuids().map(lambda u: u.hex.upper()), pa.string(), str),
        (texts, pa.string(), str),
    ],
    "text": [(texts, pa.string(), str), (st.integers(-(2**63), 2**63 - 1), pa.int64(), str)],
    "timestamp": [
        (st.integers(-(2**62), 2**62), pa.timestamp("ns"), lambda ns: f"{np.datetime64(ns, 'ns')}"),
        (moments, pa.timestamp("us"), lambda at: at.isoformat()),
        (moments, pa.timestamp("us", "Asia/Tokyo"), lambda at: at.replace(tzinfo=UTC).isoformat()),
        (st.dates(), pa.date32(), lambda day: day.isoformat()),
        (_moment("T") | _moment(" ") | written, pa.string(), str),
    ],
    "bigint": [
        (st.integers(-(2**63), 2**63 - 1), pa.int64(), str),
        (st.integers(0, 2**64 - 1), pa.uint64(), str),
        (DECIMALS, pa.decimal128(30, 4), lambda number: format(number, "f")),
        (written, pa.string(), str),
    ],
    "decimal(18,2)": [
        (FLOATS, pa.float64(), _float),
        (FLOAT32, pa.float32(), lambda value: _float(np.float32(value))),
        (st.integers(1 - 10**38, 10**38 - 1), pa.decimal128(38, 0), str),
        (DECIMALS, pa.decimal128(30, 4), lambda number: format(number, "f")),
        (st.integers(-(2**63), 2**63 - 1), pa.int64(), str),
        (written, pa.string(), str),
    ],
}  # fmt: skip
KINDS = [pytest.param(kind, case, id=f"{kind} as {case[1]}") for kind, cases in CASES.items() for case in cases]


def test_every_type_of_the_contract_is_among_the_cases() -> None:
    assert CASES.keys() == set(SUPPORTED_TYPES)


def _landed(folder: Path, name: str, kind: str) -> list[Any]:
    contract = TableContract("t", (Column("v", kind), Column("row", "bigint")))
    load(folder / f"{name}.duckdb", folder / name, {"t": contract})
    with open_for_reading(folder / f"{name}.duckdb") as connection:
        landed = dict(connection.execute("select row, v from raw.t").fetchall())
        rejected = {row for (row,) in connection.execute("select line from quality.rejected_rows").fetchall()}
    return [landed, rejected]


def _both(kind: str, data_type: pa.DataType, values: list[Any], texts: list[str]) -> tuple[list[Any], list[Any]]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "csv").mkdir()
        (folder / "parquet").mkdir()
        with (folder / "csv/t.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
                [("v", "row"), *((text, row) for row, text in enumerate(texts))]
            )
        stored = pa.array([value.bytes if isinstance(value, UUID) else value for value in values], data_type)
        pq.write_table(pa.table({"v": stored, "row": range(len(values))}), folder / "parquet/t.parquet")
        from_csv, from_parquet = (_landed(folder, name, kind) for name in ("csv", "parquet"))
    return from_csv, from_parquet


@pytest.mark.parametrize(("kind", "case"), KINDS)
@settings(max_examples=3, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_value_lands_equal_from_both_or_is_rejected_in_both(kind: str, case: Any, data: st.DataObject) -> None:
    strategy, data_type, as_text = case
    values = data.draw(st.lists(strategy, min_size=5, max_size=60))
    texts = [as_text(value) for value in values]
    (in_csv, rejected_csv), (in_parquet, rejected_parquet) = _both(kind, data_type, values, texts)
    unequal = [
        (text, in_csv.get(row, "rejected"), in_parquet.get(row, "rejected"))
        for row, text in enumerate(texts)
        if in_csv.get(row, "rejected") != in_parquet.get(row, "rejected")
        # A binary float whose cents cannot be told apart is no exact number, whatever its text.
        and not (pa.types.is_floating(data_type) and row not in in_parquet)
    ]
    assert not unequal
    assert len(in_csv) + len(rejected_csv) == len(in_parquet) + len(rejected_parquet) == len(values)


@pytest.mark.parametrize(
    ("value", "data_type", "kind", "landed"),
    [
        (1234567.89, pa.float32(), "decimal(18,2)", None),
        (131071.99, pa.float32(), "decimal(18,2)", Decimal("131071.99")),
        (131072.5, pa.float32(), "decimal(18,2)", None),
        (12345678.904, pa.float64(), "decimal(18,2)", None),
        (0.1 + 0.2, pa.float64(), "decimal(18,2)", None),
        (70368744177663.99, pa.float64(), "decimal(18,2)", Decimal("70368744177663.99")),
        (70368744177664.0, pa.float64(), "decimal(18,2)", None),
        (1e20, pa.float64(), "decimal(18,2)", None),
        (1e-7, pa.float64(), "decimal(18,2)", None),
        (float("inf"), pa.float64(), "decimal(18,2)", None),
        (-0.0, pa.float64(), "decimal(18,2)", Decimal("0.00")),
        (2.0**53 - 1, pa.float64(), "bigint", 2**53 - 1),
        (2.0**53, pa.float64(), "bigint", None),
        (2.0**24, pa.float32(), "bigint", None),
        (1612915205123456000, pa.timestamp("ns"), "timestamp", dt.datetime(2021, 2, 10, 0, 0, 5, 123456)),
        (1612915205123456001, pa.timestamp("ns"), "timestamp", None),
        (1612915205123456001, pa.timestamp("ns", "UTC"), "timestamp", None),
        (-1, pa.timestamp("ns"), "timestamp", None),
        ("a\0b", pa.string(), "text", None),
        ("x" * 8_000_001, pa.string(), "text", None),
    ],
)
def test_what_the_contract_cannot_hold_exactly_is_rejected(
    tmp_path: Path, value: Any, data_type: pa.DataType, kind: str, landed: Any
) -> None:
    _write_one(tmp_path, value, data_type=data_type)
    rows, rejected = _landed(tmp_path, "parquet", kind)
    assert (rows, rejected) == (({0: None}, {2}) if landed is None else ({0: None, 1: landed}, set()))


def test_the_nanoseconds_of_int96_are_not_dropped(tmp_path: Path) -> None:
    at = 1612915205123456000
    values = [at, at + 1, -1, None, at + 999]
    _write_one(tmp_path, *values, data_type=pa.timestamp("ns"), use_deprecated_int96_timestamps=True)
    rows, rejected = _landed(tmp_path, "parquet", "timestamp")
    assert (set(rows), rejected) == ({0, 1, 4}, {3, 4, 6})
    assert rows[1] == dt.datetime(2021, 2, 10, 0, 0, 5, 123456)


def _write_one(folder: Path, *values: Any, data_type: pa.DataType, **options: bool) -> None:
    (folder / "parquet").mkdir()
    table = pa.table({"v": pa.array([None, *values], data_type), "row": range(len(values) + 1)})
    pq.write_table(table, folder / "parquet/t.parquet", **options)


def test_a_decimal_wider_than_any_of_ours_is_refused_for_its_type(tmp_path: Path) -> None:
    (tmp_path / "parquet").mkdir()
    table = pa.table({"v": pa.array([Decimal("1.25")], pa.decimal256(50, 40)), "row": [0]})
    pq.write_table(table, tmp_path / "parquet/t.parquet")
    with pytest.raises(Exception, match=r"as DECIMAL, which cannot become decimal\(18,2\)"):
        _landed(tmp_path, "parquet", "decimal(18,2)")
