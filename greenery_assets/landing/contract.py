"""The contract of the sources, read from dbt's sources YAML.

Here: which tables there are, and their columns. Not here: the types a column may have and how a value is converted to
one (values.py), or what a folder really holds (files.py, columns.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from greenery_assets.landing.errors import ContractError
from greenery_assets.landing.values import SUPPORTED_TYPES


@dataclass(frozen=True)
class Column:
    """One column: its name, and the contract's type (one of SUPPORTED_TYPES)."""

    name: str
    data_type: str


@dataclass(frozen=True)
class TableContract:
    """One source table: its name and its columns in the order they land.

    `last_line_may_be_open`: its CSV is whole although no line break ends the last line.
    """

    name: str
    columns: tuple[Column, ...]
    last_line_may_be_open: bool = False

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return [column.name for column in self.columns]


def read_contract(path: Path) -> Mapping[str, TableContract]:
    """Every table of every source in a dbt sources YAML file, by name, in the file's order.

    Raises ContractError when the file cannot be read, names a table or column twice, leaves out a
    name or type, or uses a type that is not in SUPPORTED_TYPES.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        tables = [table for source in document["sources"] for table in source["tables"]]
        contracts = [_table(table, path) for table in tables]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ContractError(f"The contract {path} cannot be read: {error}.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ContractError(
            f"The contract {path} is not a dbt sources file: every source needs tables, every table a name "
            f"and columns, every column a name and a data_type ({error!r})."
        ) from error
    _refuse_repeats([contract.name for contract in contracts], f"The contract {path}", "table")
    return {contract.name: contract for contract in contracts}


def _table(table: Mapping[str, Any], path: Path) -> TableContract:
    name = str(table["name"])
    columns = []
    for column in table["columns"]:
        data_type = "".join(str(column["data_type"]).lower().split())
        if data_type not in SUPPORTED_TYPES:
            raise ContractError(
                f"The contract {path} gives {name}.{column['name']} the type {column['data_type']!r}; "
                f"landing knows {', '.join(SUPPORTED_TYPES)}."
            )
        columns.append(Column(str(column["name"]), data_type))
    _refuse_repeats([column.name for column in columns], f"Table {name} in the contract {path}", "column")
    if not columns:
        raise ContractError(f"Table {name} in the contract {path} has 0 columns; name at least one.")
    meta = (table.get("config") or {}).get("meta") or {}
    may_be_open = meta.get("last_line_may_be_open", False)
    if not isinstance(may_be_open, bool):
        raise ContractError(
            f"The contract {path} sets last_line_may_be_open of {name} to {may_be_open!r}; it must be true or false."
        )
    return TableContract(name, tuple(columns), may_be_open)


def _refuse_repeats(names: list[str], where: str, what: str) -> None:
    # DuckDB's names ignore case, so two that differ in case alone would collide there.
    folded = [name.casefold() for name in names]
    for name in names:
        if folded.count(name.casefold()) > 1:
            raise ContractError(f"{where} names the {what} {name} more than once.")
