"""Landing: read a folder of source tables against its contract into DuckDB.

Here: everything between the source folder and schema raw, as plain functions; `load` is the way in. Not
here: Dagster (assets/raw.py), settings, and any judgement of the data beyond its types.
"""

from greenery_assets.landing.contract import SUPPORTED_TYPES, Column, TableContract, read_contract
from greenery_assets.landing.errors import (
    ContractError,
    LandingError,
    LoadRefusedError,
    SourceChangedError,
    SourceError,
    WarehouseBusyError,
    WarehouseCorruptError,
    WarehouseError,
    WarehouseMissingError,
)
from greenery_assets.landing.ledger import (
    EXTRA_COLUMNS,
    REJECTED_ROWS,
    Arrival,
    extra_columns,
    files_in_and_gone,
    last_arrival,
    newest_moment,
    rows_by_day,
)
from greenery_assets.landing.load import LoadedTable, changed_in_place, load
from greenery_assets.landing.opening import open_for_reading
from greenery_assets.landing.source import SAMPLE_DATA, SAMPLE_FILE, Source, recorded_source, settle_source

__all__ = [
    "EXTRA_COLUMNS",
    "REJECTED_ROWS",
    "SAMPLE_DATA",
    "SAMPLE_FILE",
    "SUPPORTED_TYPES",
    "Arrival",
    "Column",
    "ContractError",
    "LandingError",
    "LoadRefusedError",
    "LoadedTable",
    "Source",
    "SourceChangedError",
    "SourceError",
    "TableContract",
    "WarehouseBusyError",
    "WarehouseCorruptError",
    "WarehouseError",
    "WarehouseMissingError",
    "changed_in_place",
    "extra_columns",
    "files_in_and_gone",
    "last_arrival",
    "load",
    "newest_moment",
    "open_for_reading",
    "read_contract",
    "recorded_source",
    "rows_by_day",
    "settle_source",
]
