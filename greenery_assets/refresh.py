"""When the models are built anew from all of the history instead of from what was loaded since.

Plain functions over the warehouse and dbt's manifest; they import no Dagster. How a model finds out what it has not
seen yet is dbt's business (dbt_project/macros/loads.sql).
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
    notes = connection.execute(
        "select model, max_by(definition, run_at), max(run_at), max(full_at) from landing.processed group by model"
    ).fetchall()
    built = {model: definition for model, definition, _, _ in notes}
    # A table that no model has noted is of before models were kept by load.
    if any(table in there and name not in built for name, table in _tables_of(manifest)):
        return OLDER_VERSION
    changed = sorted(name for name, text in _definitions(manifest) if built.get(name, text) != text)
    if changed:
        return f"the contract, or the SQL of {', '.join(changed[:3])}{' and others' * (len(changed) > 3)}, has changed"
    # Such a model builds itself anew, but in one piece, whatever that takes of memory.
    last, anew = {model: run_at for model, _, run_at, _ in notes}, {model: full_at for model, *_, full_at in notes}
    if behind := sorted(
        {b for a, b in _parents_and_children(manifest) if a in anew and b in last and anew[a] > last[b]}
    ):
        return f"what {', '.join(behind[:3])}{' and others' * (len(behind) > 3)} read was built anew without them"
    for failing in _kept_rows_of(manifest, "A18"):
        if failing in there and connection.execute(f"select 1 from {failing} limit 1").fetchone():
            return LONG_SESSION
    return None


def _definitions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each model that is kept by load, and what it is made of as macros/keeping.sql notes it when it builds it anew."""
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


def _parents_and_children(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each pair of models kept by load of which the second reads the first."""
    kept = {name for name, _ in _tables_of(manifest)}
    for node in manifest["nodes"].values():
        if node["name"] in kept:
            for parent in node["depends_on"]["nodes"]:
                if parent.split(".")[-1] in kept:
                    yield parent.split(".")[-1], node["name"]


def _kept_rows_of(manifest: Mapping[str, Any], assumption: str) -> Iterator[str]:
    """The tables (schema.name) that keep the failing rows of an assumption's tests."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node["config"]["meta"].get("assumption") == assumption:
            yield f"{node['schema']}.{node['alias']}"
