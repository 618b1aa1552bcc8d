"""The temporary DuckDB database in which a sample is put together before its files are written.

Tables have the columns and types of the contract (the dbt sources file). Nothing here decides
what the rows say, except the form of page addresses.
"""

from functools import cache
from pathlib import Path

import pyarrow as pa

from greenery_assets.landing import read_contract
from greenery_assets.sample.errors import SampleError
from greenery_assets.settings import BESIDE
from greenery_assets.warehouse import DuckDB, scratch

CONTRACT = BESIDE / "dbt_project" / "models" / "sources.yml"
MEMORY_LIMIT = "1GB"

# The module that draws each table.
MADE_IN = {
    "users": "people",
    "addresses": "people",
    "products": "catalogue",
    "promos": "catalogue",
    "orders": "orders",
    "order_items": "orders",
    "events": "build",
}
# Rows leave the generator with money in whole cents; these say how a table's own columns are made.
DERIVED_COLUMNS = {
    "products": {"price": "price_cents * 0.01"},
    "promos": {"discount": "discount_cents * 0.01"},
    "orders": {
        "order_cost": "order_cost_cents * 0.01",
        "shipping_cost": "shipping_cost_cents * 0.01",
        "order_total": "order_total_cents * 0.01",
    },
    "events": {
        "page_url": """case event_type
            when 'checkout' then checkout_page(order_id)
            when 'package_shipped' then shipping_page(order_id)
            else product_page(product_id) end""",
    },
}


@cache
def contract_columns() -> dict[str, dict[str, str]]:
    """Return each source table's columns and their types, in the contract's order."""
    return {
        table.name: {column.name: column.data_type for column in table.columns}
        for table in read_contract(CONTRACT).values()
    }


def connect(path: Path) -> DuckDB:
    """Open a new database file at `path` with the seven empty tables and the page address macros."""
    connection = scratch(path, MEMORY_LIMIT)
    connection.execute("set enable_progress_bar = false")
    for page in ("product", "checkout", "shipping"):
        connection.execute(f"create macro {page}_page(id) as 'https://greenery.com/{page}/' || id")
    for table, columns in contract_columns().items():
        listed = ", ".join(f"{name} {data_type}" for name, data_type in columns.items())
        connection.execute(f"create table {table} ({listed})")
    # What defects of the files note for when they are written (defects.files).
    connection.execute("create table line_faults (event_id uuid, fault text)")
    connection.execute("create table spoilt_columns (table_name text, column_name text, written text)")
    return connection


def insert(connection: DuckDB, table: str, rows: pa.Table) -> None:
    """Append `rows`, whose columns are the table's own or what DERIVED_COLUMNS makes them from.

    Raises SampleError where the contract has a column that the sample does not make.
    """
    derived = DERIVED_COLUMNS.get(table, {})
    columns = contract_columns()[table]
    if missing := columns.keys() - derived.keys() - set(rows.column_names):
        raise SampleError(
            f"the sample does not make {table}.{min(missing)}, which {CONTRACT.name} names: add it in "
            f"greenery_assets/sample/{MADE_IN[table]}.py"
        )
    values = ", ".join(derived.get(column, column) for column in columns)
    connection.register("new_rows", rows)
    connection.execute(f"insert into {table} select {values} from new_rows")
    connection.unregister("new_rows")
