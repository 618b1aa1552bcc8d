"""The warehouse: opening, reading, locking and writing it, and what is noted in it of loads.

Here: one module for each engine (duckdb.py, postgres.py, spark.py) behind a few functions (engines.py), the schemas
landing and quality (loads.py), which source fills it (source.py), and the DuckDB file for readers (publish.py). With
landing, the only rooms that import a database's driver. Not here: source files (landing), and the models' tables
(dbt_project).
"""

from greenery_assets.warehouse.duckdb import BROKEN_PLACE as BROKEN_PLACE
from greenery_assets.warehouse.duckdb import DuckDB as DuckDB
from greenery_assets.warehouse.duckdb import Interrupted as Interrupted
from greenery_assets.warehouse.duckdb import OutOfMemory as OutOfMemory
from greenery_assets.warehouse.duckdb import scratch as scratch
from greenery_assets.warehouse.engines import DATABASE_ERRORS as DATABASE_ERRORS
from greenery_assets.warehouse.engines import NOT_BUILT as NOT_BUILT
from greenery_assets.warehouse.engines import Connection as Connection
from greenery_assets.warehouse.engines import Place as Place
from greenery_assets.warehouse.engines import fault as fault
from greenery_assets.warehouse.engines import hand_over as hand_over
from greenery_assets.warehouse.engines import held as held
from greenery_assets.warehouse.engines import open_for_reading as open_for_reading
from greenery_assets.warehouse.engines import tables as tables
from greenery_assets.warehouse.engines import transaction as transaction
from greenery_assets.warehouse.engines import typing as typing
from greenery_assets.warehouse.errors import SourceChangedError as SourceChangedError
from greenery_assets.warehouse.errors import StatementError as StatementError
from greenery_assets.warehouse.errors import WarehouseBusyError as WarehouseBusyError
from greenery_assets.warehouse.errors import WarehouseCorruptError as WarehouseCorruptError
from greenery_assets.warehouse.errors import WarehouseError as WarehouseError
from greenery_assets.warehouse.errors import WarehouseMissingError as WarehouseMissingError
from greenery_assets.warehouse.errors import named as named
from greenery_assets.warehouse.publish import Description as Description
from greenery_assets.warehouse.publish import Found as Found
from greenery_assets.warehouse.publish import begin_again as begin_again
from greenery_assets.warehouse.publish import publish as publish
from greenery_assets.warehouse.source import SAMPLE_DATA as SAMPLE_DATA
from greenery_assets.warehouse.source import SAMPLE_FILE as SAMPLE_FILE
from greenery_assets.warehouse.source import Source as Source
from greenery_assets.warehouse.source import recorded_source as recorded_source
from greenery_assets.warehouse.source import settle_source as settle_source
