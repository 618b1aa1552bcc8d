"""What dbt's YAML says of models and tests, as far as dagster-dbt does not pass it on to Dagster.

Only general rules belong here: nothing that names a model or a test.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from greenery_assets.checks import Assumption
from greenery_assets.dbt.groups import groups
from greenery_assets.dbt.project import DbtError
from greenery_assets.presentation import explanation

# What the `meta` of a test says, its own or that of the generic test.
NEEDED = ("assumption", "why", "remedy")
# The tags that dbt_project.yml gives each folder.
LAYERS = frozenset({"staging", "mart", "snapshot"})


class GreeneryTranslator(DagsterDbtTranslator):
    """Adds to each check its statement, assumption, severity, owner and remedy, and to sources their group."""

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=True))

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The YAML's description alone; dagster-dbt would append the SQL, which a code reference links to."""
        return str(dbt_resource_props["description"]).strip()

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """dagster-dbt's own, what group and figures are called, and the SQL: the code reference is the server's."""
        group = self.get_group_name(dbt_resource_props)
        sql, figures = dbt_resource_props.get("raw_code"), dbt_resource_props["config"].get("meta", {}).get("figures")
        return {
            **super().get_metadata(dbt_resource_props),
            **(groups()[group].metadata if group else {}),
            **({"figures": figures} if figures else {}),
            **({"sql": dg.MetadataValue.md(f"```sql\n{sql}\n```")} if sql else {}),
        }

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """The tags of the YAML, and the layer among them as assets without dbt have it."""
        layers = [("layer", layer) for layer in LAYERS.intersection(dbt_resource_props["tags"])]
        return {**super().get_tags(dbt_resource_props), **dict(layers)}

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """The check of a dbt test, or None where the test belongs to another asset."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        assumption = assumption_of(manifest, unique_id)
        return spec._replace(
            description=assumption.statement,
            metadata={**spec.metadata, **explanation(assumption, ", ".join(asset_spec.owners))},
        )


def assumption_of(manifest: Mapping[str, Any], test_id: str) -> Assumption:
    """The assumption that a dbt test checks, from its own YAML or from the YAML of its generic test.

    A generic test's statement is its macro's description with the names filled in. Raises DbtError, which names
    the file, if the YAML lacks something.
    """
    test = manifest["nodes"][test_id]
    meta = test_meta(manifest, test_id)
    statement = test["description"] or _filled(_macro_of(manifest, test).get("description", ""), manifest, test)
    there = {**meta, "description": statement}
    if missing := [name for name in ("description", *NEEDED) if not there.get(name)]:
        file = (test["patch_path"] or "").partition("://")[2] or "tests/assumptions/assumptions.yml"
        raise DbtError(
            f"dbt_project/{file}: {test['name']} has no {', '.join(missing)}. Write the description beside its name, "
            "and the others in its config, meta."
        )
    return Assumption(
        id=meta["assumption"],
        statement=statement.strip(),
        severity="WARN" if test["config"]["severity"].lower() == "warn" else "ERROR",
        why=meta["why"],
        remedy=meta["remedy"],
        affects=meta.get("affects", ""),
        use=meta.get("use", ""),
    )


def words_of(manifest: Mapping[str, Any], test_id: str) -> dict[str, str]:
    """The arguments of a generic test in words, and the name of its model; empty for a singular test."""
    test = manifest["nodes"][test_id]
    if not test.get("test_metadata"):
        return {}
    words = {name: _in_words(value) for name, value in test["test_metadata"]["kwargs"].items()}
    return {**words, "model": manifest["nodes"][test["attached_node"]]["name"]}


def test_meta(manifest: Mapping[str, Any], test_id: str) -> Mapping[str, Any]:
    """The `meta` of a dbt test, completed from its generic test, with names in braces filled in."""
    test = manifest["nodes"][test_id]
    meta = {**_macro_of(manifest, test).get("meta", {}), **test["config"]["meta"]}
    return {**meta, "finding": _filled(meta["finding"], manifest, test)} if "finding" in meta else meta


def _filled(sentence: str, manifest: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    """A sentence with what a generic test was given in the place of the names in braces; others are left."""
    if generic := test.get("test_metadata"):
        model = manifest["nodes"].get(test["attached_node"] or "", {"name": "the table"})["name"]
        for name, value in {**generic["kwargs"], "model": model}.items():
            sentence = sentence.replace(f"{{{name}}}", _in_words(value))
    return sentence


def _macro_of(manifest: Mapping[str, Any], test: Mapping[str, Any]) -> Mapping[str, Any]:
    generic = test.get("test_metadata")
    return manifest["macros"][f"macro.greenery.test_{generic['name']}"] if generic else {}


def _in_words(argument: object) -> str:
    if isinstance(argument, Mapping | Sequence) and not isinstance(argument, str):
        return " and ".join(", ".join(map(str, argument)).rsplit(", ", 1))
    # dbt keeps a relation as the call that finds it: ref('stg_users'), source('raw', 'users').
    return str(argument).removeprefix("ref('").removeprefix("source('").removesuffix("')").replace("', '", ".")
