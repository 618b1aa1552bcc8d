"""Tables of the warehouse: replaced under the views that read them, and equal from CSV and Parquet."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenery_assets.landing import SourceError, load, read_contract

from .support import HEADER, Landing

PROJECT = Path(__file__).parents[2]
REAL_EXPORT = PROJECT.parent / "shared/data/greenery"


def _as_parquet(landing: Landing) -> None:
    table = pa.table({"note": ["p"], "n": [1]})
    pq.write_table(table, landing.write("notes.parquet", ""))


def test_a_view_and_a_table_replace_each_other_under_views_that_read_them(landing: Landing) -> None:
    landing.write("notes.csv", "note,n\nc,1\n")
    landing.load("notes")
    with duckdb.connect(str(landing.warehouse)) as connection:
        connection.execute("create schema staging; create view staging.stg_notes as from raw.notes")
    for kind in ("parquet", "parquet", "csv", "csv"):
        for file in landing.sources.iterdir():
            file.unlink()
        if kind == "csv":
            landing.write("notes.csv", "note,n\nc,1\n")
        else:
            _as_parquet(landing)
        assert landing.load("notes")["notes"].read_in_place == (kind == "parquet")
        assert landing.query("from staging.stg_notes") == [(kind[0], 1)]


def test_rejects_and_extra_columns_of_other_tables_are_kept(landing: Landing) -> None:
    landing.write("items.csv", f"{HEADER},more\nx\n")
    landing.write("notes.csv", "note,n,new\na,x,\n")
    landing.load("items", "notes")
    landing.write("notes.csv", "note,n\na,1\n")
    landing.load("notes")
    assert [file for file, *_ in landing.rejects()] == ["items.csv"]
    assert landing.query("from quality.extra_columns") == [("items", "more")]


def test_too_many_rejects_are_an_error(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenery_assets.landing.rows.MOST_REJECTS", 3)
    for rows in ("a,x\n" * 4, "a\n" * 4, "a,x\na\n" * 2):
        landing.write("notes.csv", f"note,n\n{rows}")
        with pytest.raises(SourceError, match="More than 3 rows of the table notes"):
            landing.load("notes")
    landing.write("notes.csv", "note,n\n" + "a,x\na,1\n" * 3)
    assert landing.load("notes")["notes"].rejected_rows == 3


@pytest.mark.skipif(not REAL_EXPORT.is_dir(), reason="the real export is not here")
def test_the_real_export_lands_whole_and_equal_to_its_parquet(tmp_path: Path) -> None:
    contract = read_contract(PROJECT / "dbt_project/models/sources.yml")
    as_csv = load(tmp_path / "csv.duckdb", REAL_EXPORT, contract)
    assert {name: table.rows for name, table in as_csv.items()} == {
        "users": 130,
        "addresses": 150,
        "products": 30,
        "promos": 6,
        "orders": 361,
        "order_items": 862,
        "events": 3553,
    }
    assert not any(table.rejected_rows or table.extra_columns for table in as_csv.values())
    parquet = tmp_path / "parquet"
    parquet.mkdir()
    with duckdb.connect(str(tmp_path / "csv.duckdb")) as connection:
        for name in contract:
            connection.execute(f"copy raw.{name} to '{parquet / name}.parquet'")
    in_place = load(tmp_path / "parquet.duckdb", parquet, contract)
    assert all(table.read_in_place for table in in_place.values())
    with duckdb.connect(str(tmp_path / "parquet.duckdb")) as connection:
        connection.execute(f"attach '{tmp_path / 'csv.duckdb'}' as other (read_only)")
        for name in contract:
            assert as_csv[name].newest == in_place[name].newest
            ours, theirs = (
                connection.execute(f"from {catalog}.raw.{name}").fetchall() for catalog in ("parquet", "other")
            )
            assert ours == theirs
