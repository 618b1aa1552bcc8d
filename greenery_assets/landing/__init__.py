"""Landing: read a folder of source tables against its contract into DuckDB.

Here: everything between the source folder and schema raw, as plain functions; `load` is the way in. Not
here: Dagster (assets/raw.py), settings, and any judgement of the data beyond its types.
"""

from greenery_assets.landing.contract import Column as Column
from greenery_assets.landing.contract import TableContract as TableContract
from greenery_assets.landing.contract import read_contract as read_contract
from greenery_assets.landing.errors import ContractError as ContractError
from greenery_assets.landing.errors import LandingError as LandingError
from greenery_assets.landing.errors import LoadRefusedError as LoadRefusedError
from greenery_assets.landing.errors import SourceError as SourceError
from greenery_assets.landing.load import LoadedTable as LoadedTable
from greenery_assets.landing.load import changed_in_place as changed_in_place
from greenery_assets.landing.load import load as load
from greenery_assets.landing.values import SUPPORTED_TYPES as SUPPORTED_TYPES
