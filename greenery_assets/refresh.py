"""When the models are built anew from all of the history instead of from what was loaded since.

Plain functions over the warehouse and dbt's manifest; they import no Dagster. How a model finds out what it has not
seen yet is dbt's business (dbt_project/macros/touched.sql).
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

ASKED_FOR = "it was asked for"
OLDER_VERSION = "the tables in the warehouse are those of an older version of this project"
LONG_SESSION = "a session lasted a day or more (A18) when the models were built last, which the daily window may miss"


def full_refresh_reason(connection: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> str | None:
    """Why what is in the warehouse cannot be kept and only added to, as part of a sentence; None where it can.

    A model that is not there yet is no reason: dbt builds it from everything anyway.
    """
    there = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = current_database()"
        ).fetchall()
    }
    if "landing.processed" not in there:
        return None
    built = dict(
        connection.execute("select model, max_by(definition, run_at) from landing.processed group by model").fetchall()
    )
    # A table that no model has noted is of before models were kept by load.
    if any(table in there and name not in built for name, table in _tables_of(manifest)):
        return OLDER_VERSION
    changed = sorted(name for name, text in _definitions(manifest) if built.get(name, text) != text)
    if changed:
        return f"the contract, or the SQL of {', '.join(changed[:3])}{' and others' * (len(changed) > 3)}, has changed"
    for failing in _kept_rows_of(manifest, "A18"):
        if failing in there and connection.execute(f"select 1 from {failing} limit 1").fetchone():
            return LONG_SESSION
    return None


def _definitions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each model that is kept by load, and what it is made of as macros/touched.sql notes it when it builds it."""
    sources = sorted(manifest["sources"].values(), key=lambda source: str(source["name"]))
    contract = ", ".join(
        f"{source['name']}.{column['name']} {column['data_type']}"
        for source in sources
        for column in source["columns"].values()
    )
    for node in manifest["nodes"].values():
        if node["config"].get("materialized") == "incremental":
            text = f"{node['checksum']['checksum']}: {contract}"
            yield node["name"], hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _tables_of(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each model that is kept by load, and its table (schema.name)."""
    for node in manifest["nodes"].values():
        if node["config"].get("materialized") == "incremental":
            yield node["name"], f"{node['schema']}.{node['alias']}"


def _kept_rows_of(manifest: Mapping[str, Any], assumption: str) -> Iterator[str]:
    """The tables (schema.name) that keep the failing rows of an assumption's tests."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node["config"]["meta"].get("assumption") == assumption:
            yield f"{node['schema']}.{node['alias']}"
