"""Landing: read a folder of source tables against its contract into DuckDB.

Here: everything between the source folder and schema raw, as plain functions; `load` is the way in. Not
here: Dagster (assets/raw.py), settings, and any judgement of the data beyond its types.
"""

from greenery_assets.landing.contract import SUPPORTED_TYPES, Column, TableContract, read_contract
from greenery_assets.landing.errors import (
    ContractError,
    LandingError,
    SourceError,
    WarehouseBusyError,
    WarehouseCorruptError,
    WarehouseError,
    WarehouseMissingError,
)
from greenery_assets.landing.ledger import files_in_and_gone, newest_moment, rows_by_day
from greenery_assets.landing.load import LoadedTable, changed_in_place, load
from greenery_assets.landing.opening import open_for_reading
from greenery_assets.landing.warehouse import EXTRA_COLUMNS, REJECTED_ROWS

__all__ = [
    "EXTRA_COLUMNS",
    "REJECTED_ROWS",
    "SUPPORTED_TYPES",
    "Column",
    "ContractError",
    "LandingError",
    "LoadedTable",
    "SourceError",
    "TableContract",
    "WarehouseBusyError",
    "WarehouseCorruptError",
    "WarehouseError",
    "WarehouseMissingError",
    "changed_in_place",
    "files_in_and_gone",
    "load",
    "newest_moment",
    "open_for_reading",
    "read_contract",
    "rows_by_day",
]
