"""The warehouse: opening, reading, locking and writing it, and what is noted in it of loads.

Here: all that knows its engine (duckdb.py), and the schemas landing and quality (loads.py); with landing, the only
rooms that import a database's driver. Not here: source files (landing), and the models' tables (dbt_project).
"""

from greenery_assets.warehouse.duckdb import BROKEN_PLACE as BROKEN_PLACE
from greenery_assets.warehouse.duckdb import NOT_BUILT as NOT_BUILT
from greenery_assets.warehouse.duckdb import Connection as Connection
from greenery_assets.warehouse.duckdb import DatabaseError as DatabaseError
from greenery_assets.warehouse.duckdb import Interrupted as Interrupted
from greenery_assets.warehouse.duckdb import OutOfMemory as OutOfMemory
from greenery_assets.warehouse.duckdb import open_for_reading as open_for_reading
from greenery_assets.warehouse.duckdb import replacing as replacing
from greenery_assets.warehouse.duckdb import scratch as scratch
from greenery_assets.warehouse.duckdb import spare_name as spare_name
from greenery_assets.warehouse.duckdb import transaction as transaction
from greenery_assets.warehouse.errors import WarehouseBusyError as WarehouseBusyError
from greenery_assets.warehouse.errors import WarehouseCorruptError as WarehouseCorruptError
from greenery_assets.warehouse.errors import WarehouseError as WarehouseError
from greenery_assets.warehouse.errors import WarehouseMissingError as WarehouseMissingError
from greenery_assets.warehouse.errors import named as named
