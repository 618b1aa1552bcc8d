"""The groups of assets as dbt's YAML has them (models/_groups.yml). Nothing else lists groups, owners or marts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from greenery_assets.dbt.project import manifest


@dataclass(frozen=True)
class Group:
    """A group of assets: its name, the address of its owner, what it is for, and whether analysts use its tables."""

    name: str
    owner: str
    purpose: str
    is_mart: bool

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata for its assets, as Dagster shows a group's name and no description."""
        return {"group": f"{self.name}: {self.purpose}" if self.purpose else self.name}


def groups_of(manifest: Mapping[str, Any]) -> dict[str, Group]:
    """The groups by name, in the order of the YAML, which is the order in which data flows."""
    marts = {
        node["config"].get("group")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "mart" in node["tags"]
    }
    return {
        group["name"]: Group(
            group["name"],
            group["owner"].get("email") or group["owner"].get("name") or "",
            group["config"]["meta"].get("purpose", ""),
            group["name"] in marts,
        )
        for group in manifest["groups"].values()
    }


@cache
def groups() -> dict[str, Group]:
    """The groups of this project."""
    return groups_of(manifest())


def is_mart(name: str) -> bool:
    """Whether analysts use the tables of a group."""
    return name in groups() and groups()[name].is_mart


def position(name: str) -> int:
    """The place of a group in the YAML; an unknown group comes last."""
    return list(groups()).index(name) if name in groups() else len(groups())
