"""Which tables of a run may be published, and how dbt's YAML describes them.

The rule is here; the file that people open is made by warehouse/publish.py.
"""

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from greenery_assets.dbt.events import Seen
from greenery_assets.warehouse import Description, Found

_TABLES = ("model", "snapshot")


def found_by_table(
    manifest: Mapping[str, Any], planned: Collection[dg.AssetKey], checks: Collection[dg.AssetCheckKey], seen: Seen
) -> dict[str, Found]:
    """What a run of dbt found, by name, of each table it was to build, and of the source tables that staging shows.

    A table is held back where it was not built, one of its checks was not evaluated or failed as an ERROR, or a table
    that it is made of is held back.
    """
    nodes = {_name(node): node for node in manifest["nodes"].values() if node["resource_type"] in _TABLES}
    keys = {".".join(key.path): key for key in planned}
    found: dict[str, Found] = {}

    def find(name: str) -> Found:
        if name not in found:
            failed = [result for result in seen.failed if result.asset_key == keys[name]]
            of_severity = {
                severity: tuple(sorted(str(result.check_name) for result in failed if result.severity == severity))
                for severity in dg.AssetCheckSeverity
            }
            errors = of_severity[dg.AssetCheckSeverity.ERROR]
            missing = sorted(check.name for check in seen.checks if check.asset_key == keys[name])
            parents = [
                _name(manifest["nodes"][parent])
                for parent in nodes[name]["depends_on"]["nodes"]
                if parent in manifest["nodes"]
            ]
            held = [parent for parent in parents if parent in keys and find(parent).held_back_by]
            reasons = {
                "failed: ": errors,
                "held back: ": held,
                "not evaluated: ": missing,
                "not built: ": [name] if keys[name] in seen.tables else [],
            }
            found[name] = Found(
                held_back_by="; ".join(why + ", ".join(names) for why, names in reasons.items() if names) or None,
                checks=sum(check.asset_key == keys[name] for check in checks) - len(missing),
                errors=errors,
                warnings=of_severity[dg.AssetCheckSeverity.WARN],
            )
        return found[name]

    for name in nodes.keys() & keys.keys():
        find(name)
    for source in manifest["sources"].values():
        shown_by = {_name(node) for node in nodes.values() if source["unique_id"] in node["depends_on"]["nodes"]}
        if shown_by & found.keys():
            held = sorted(name for name in shown_by & found.keys() if found[name].held_back_by)
            found[_name(source)] = Found(f"held back: {', '.join(held)}" if held else None, None, (), ())
    return found


def descriptions(manifest: Mapping[str, Any]) -> dict[str, Description]:
    """Every table that is published, by name, with what dbt's YAML says of it."""
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in _TABLES]
    return {
        _name(node): Description(
            node["description"], {name: column["description"] for name, column in node["columns"].items()}
        )
        for node in [*nodes, *manifest["sources"].values()]
    }


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node.get('alias') or node['name']}"
