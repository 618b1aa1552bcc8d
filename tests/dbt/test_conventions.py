"""What every relation, column and test of the dbt project keeps to, read from its manifest.

What a single model computes is not judged here but in the unit tests beside the models.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from greenery_assets.dbt.project import DBT_PROJECT_DIR, prepared_manifest
from greenery_assets.warehouse.spark_server import OPTIONS

Node = Mapping[str, Any]
Manifest = Mapping[str, Any]

# What makes a name a statement. A test whose verb is missing here adds it.
VERBS = {"agrees", "are", "belongs", "counts", "exists", "has", "is", "lasts", "makes", "names", "places"}

BUILT = ("model", "snapshot")

ENGINE_SPECIFIC = {
    "::": r"::",
    "epoch()": r"\bepoch(_\w+)?\s*\(",
    "interval '...'": r"\binterval\s*'",
    "date_diff()": r"\bdate_?diff\s*\(",
    "string_split()": r"\b(string_split|split_part)\s*\(",
    "to_days()": r"\bto_(days|hours|seconds|microseconds)\s*\(",
    "qualify": r"\bqualify\b",
    "group by all": r"\b(group|order)\s+by\s+all\b",
}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return prepared_manifest()


def relations(manifest: Manifest) -> list[Node]:
    """Sources, models and snapshots: what a person may query."""
    built = [node for node in manifest["nodes"].values() if node["resource_type"] in BUILT]
    return [*manifest["sources"].values(), *built]


def data_tests(manifest: Manifest) -> dict[str, Node]:
    """dbt's data tests by their unique id."""
    return {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "test"}


def columns(manifest: Manifest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for relation in relations(manifest):
        for column in relation["columns"].values():
            yield f"{relation['schema']}.{relation['name']}.{column['name']}", column


def says_what_a_row_is(node: Node) -> bool:
    return str(node["description"]).startswith("One row")


def sql_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((DBT_PROJECT_DIR / folder).rglob("*.sql"))]


def test_first_sentence_of_every_description_tells_what_one_row_is(manifest: Manifest) -> None:
    unclear = [f"{file_of(node)}: {node['name']}" for node in relations(manifest) if not says_what_a_row_is(node)]
    assert unclear == [], "the YAML beside the SQL has no description of these that begins with One row"


def test_every_column_is_described_in_sentences_and_typed(manifest: Manifest) -> None:
    # A comma in an unquoted description ends it: the rest becomes a key, and the full stop is gone.
    cut = [name for name, column in columns(manifest) if not column["description"].strip().endswith(".")]
    untyped = [name for name, column in columns(manifest) if not column["data_type"]]
    assert (cut, untyped) == ([], []), "the YAML beside these has no description that ends with a full stop, or no type"


def file_of(node: Node) -> str:
    """The YAML that describes a node, below dbt_project."""
    return str(node.get("patch_path") or node["original_file_path"]).rpartition("://")[2]


def first_sentence(text: str) -> str:
    return text.strip().split(". ")[0].rstrip(".")


def test_a_column_keeps_its_description_on_its_way_downstream(manifest: Manifest) -> None:
    # The first sentence says what a column is; what follows may be about this one table.
    nodes = {node["unique_id"]: node for node in relations(manifest)}
    other_words = []
    for node in nodes.values():
        above = [nodes[name] for name in reached_from(manifest["parent_map"], node["unique_id"]) if name in nodes]
        for name, column in node["columns"].items():
            known = {first_sentence(each["columns"][name]["description"]) for each in above if name in each["columns"]}
            if known and first_sentence(column["description"]) not in known:
                other_words.append(f"{file_of(node)}: {node['name']}.{name}: upstream it is {sorted(known)}")
    assert other_words == [], (
        "Begin with the words of upstream (doc('...') of models/columns.md), or name it otherwise."
    )


def described_columns(node: yaml.Node | None) -> Iterator[tuple[str, str, int]]:
    """Name, description and line of what lists called `columns` hold; what an alias repeats keeps its first line."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from described_columns(each)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from described_columns(value)
            for column in value.value if key.value == "columns" else ():
                if isinstance(column, yaml.MappingNode):
                    said = {name.value: text.value for name, text in column.value}
                    yield said["name"], said.get("description", ""), column.start_mark.line + 1


def test_every_column_is_described_in_one_place() -> None:
    places: dict[tuple[str, str], set[str]] = {}
    used: set[str] = set()
    for folder in ("models", "snapshots"):
        for file in sorted((DBT_PROJECT_DIR / folder).rglob("*.yml")):
            for name, description, line in described_columns(yaml.compose(file.read_text())):
                used |= (blocks := set(re.findall(r"\bdoc\('(\w+)'\)", description)))
                if not blocks:
                    place = f"{file.relative_to(DBT_PROJECT_DIR)}:{line}"
                    places.setdefault((name, first_sentence(description)), set()).add(place)
    assert places
    twice = [f"{', '.join(sorted(at))}: {name} ({text})" for (name, text), at in places.items() if len(at) > 1]
    assert twice == [], "Describe it once, in models/columns.md, and write doc('...') at each of these places."
    defined = set(re.findall(r"{% docs (\w+) %}", (DBT_PROJECT_DIR / "models" / "columns.md").read_text()))
    assert used - defined == set(), "models/columns.md has no block for these"
    assert defined - used == set(), "models/columns.md has blocks for these, which no column uses"


def test_dbts_sessions_of_spark_have_the_options_of_ours() -> None:
    spark = yaml.safe_load((DBT_PROJECT_DIR / "profiles.yml").read_text())["greenery"]["outputs"]["spark"]
    assert spark["server_side_parameters"] == {f"set:hiveconf:{name}": value for name, value in OPTIONS.items()}


def test_a_macro_takes_the_name_of_one_of_dbts_only_where_it_is_meant_to(manifest: Manifest) -> None:
    """On every engine dbt would call ours instead."""
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for macro in manifest["macros"].values():
        names[macro["package_name"] == "greenery"].add(macro["name"])
    meant = {"default__get_assert_columns_equivalent", "generate_schema_name", "get_where_subquery"}
    assert names[True] & names[False] == meant


def test_every_relation_has_its_documented_columns_and_types(manifest: Manifest, built_warehouse: Path) -> None:
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        ).fetchall()
    built: dict[str, dict[str, str]] = {}
    for schema, table, column, data_type in rows:
        built.setdefault(f"{schema}.{table}", {})[column] = data_type.lower().replace("varchar", "text")
    different = []
    for node in relations(manifest):
        there = built.get(f"{node['schema']}.{node['name']}", {})
        # PostgreSQL knows no other name of a double.
        documented = {
            column["name"]: column["data_type"].removesuffix(" precision") for column in node["columns"].values()
        }
        different += [
            f"{node['name']}.{name}: {documented.get(name, 'not')} in {file_of(node)}, "
            f"{there.get(name, 'not')} in {node['original_file_path']}"
            for name in sorted(documented.keys() | there.keys())
            if documented.get(name) != there.get(name)
        ]
    assert different == []


def test_every_mart_has_a_key_or_adds_up_to_its_source(manifest: Manifest) -> None:
    held = {
        test["attached_node"]
        for test in data_tests(manifest).values()
        if (test.get("test_metadata") or {}).get("name") in ("is_key", "adds_up_to")
    }
    marts = [node for node in relations(manifest) if node["name"].startswith(("dim_", "int_", "fact_"))]
    assert marts
    free = [f"{file_of(node)}: {node['name']}" for node in marts if node["unique_id"] not in held]
    assert free == [], "these have neither is_key nor adds_up_to among their data_tests"


def test_every_folder_of_marts_is_a_group() -> None:
    models = DBT_PROJECT_DIR / "models"
    groups = {group["name"] for group in yaml.safe_load((models / "_groups.yml").read_text())["groups"]}
    folders = {path.name for path in (models / "marts").iterdir() if path.is_dir()}
    assert folders - groups == set(), "models/_groups.yml has no groups of these names"


def test_every_mart_is_in_the_schema_and_the_group_of_its_folder(manifest: Manifest) -> None:
    places = {
        node["name"]: (node["original_file_path"].split("/")[2], node["schema"], node["config"]["group"])
        for node in relations(manifest)
        if node["original_file_path"].startswith("models/marts/") and node["resource_type"] == "model"
    }
    assert places
    wrong = [
        f"{name} of marts/{folder}: {schema}, {group}"
        for name, (folder, schema, group) in places.items()
        if {folder} != {schema, group}
    ]
    assert wrong == [], "dbt_project/dbt_project.yml gives each folder of marts its +schema and +group"


def test_facts_and_dimensions_are_public_and_intermediate_models_are_not(manifest: Manifest) -> None:
    marts = [node for node in manifest["nodes"].values() if "mart" in node["tags"]]
    open_to_all = {node["name"] for node in marts if node["config"]["access"] == "public"}
    assert open_to_all == {node["name"] for node in marts if node["name"].startswith(("dim_", "fact_"))}, (
        "give the int_ model access: private, or protected if another group builds on it"
    )


def test_every_model_with_arithmetic_has_a_described_unit_test(manifest: Manifest) -> None:
    units = manifest["unit_tests"].values()
    arithmetic = {node["name"] for node in relations(manifest) if node["name"].startswith(("int_", "fact_"))}
    untested = arithmetic - {unit["model"] for unit in units}
    assert untested == set(), "no unit test in the YAML beside these"
    assert [unit["name"] for unit in units if not unit["description"]] == []


def stands_on(manifest: Manifest, test: Node) -> str | None:
    """The node whose asset shows the test, as dagster-dbt finds it: named, attached, or its only parent."""
    named = test["config"]["meta"].get("dagster", {}).get("ref", {}).get("name")
    if named:
        return next(name for name, node in manifest["nodes"].items() if node["name"] == named)
    if test.get("attached_node"):
        return str(test["attached_node"])
    parents = test["depends_on"]["nodes"]
    return parents[0] if len(parents) == 1 else None


def reached_from(links: Mapping[str, list[str]], start: str) -> set[str]:
    """Everything that can be reached over the links, the start itself not included."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        found = set(links.get(ahead.pop(), [])) - reached
        reached |= found
        ahead += found
    return reached


def test_every_error_test_stops_all_that_lies_downstream(manifest: Manifest) -> None:
    # dbt lets a node wait for a test only if all of the test's parents are the node's ancestors.
    not_stopped = {}
    for test in data_tests(manifest).values():
        if test["config"]["severity"].lower() == "warn":
            continue
        asset = stands_on(manifest, test)
        assert asset is not None, f"{test['name']} has several parents and does not say which asset it stands on"
        parents = set(test["depends_on"]["nodes"])
        downstream = [
            name
            for name in reached_from(manifest["child_map"], asset)
            if name in manifest["nodes"] and manifest["nodes"][name]["resource_type"] in BUILT
        ]
        passed = [name for name in downstream if not parents <= reached_from(manifest["parent_map"], name)]
        if passed:
            not_stopped[test["name"]] = sorted(passed)
    assert not_stopped == {}


def test_every_test_says_what_is_assumed_why_and_what_to_do(manifest: Manifest) -> None:
    from greenery_assets.dbt.translator import assumption_of  # noqa: PLC0415  what the checks really show

    for name in data_tests(manifest):
        assumption = assumption_of(manifest, name)
        assert re.fullmatch(r"A\d\d", assumption.id), name
        assert re.fullmatch(r"[^{}]+\.", assumption.statement), name
        assert assumption.why.endswith("."), name
        assert assumption.remedy.endswith("."), name


def test_every_test_name_is_a_statement_and_used_once(manifest: Manifest) -> None:
    names = [test["name"] for test in data_tests(manifest).values()]
    assert [name for name in names if VERBS.isdisjoint(name.split("_"))] == []
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", name)] == []
    assert len(names) == len(set(names))


def test_names_are_short_enough_for_every_engine(manifest: Manifest) -> None:
    # PostgreSQL cuts them at 63 bytes, so that two tables or columns would be one.
    tables = [node["alias"] for node in manifest["nodes"].values()] + [
        node["identifier"] for node in manifest["sources"].values()
    ]
    names = [*tables, *(name.rpartition(".")[2] for name, _ in columns(manifest))]
    assert [name for name in names if len(name.encode()) > 63] == []


def test_every_dbt_test_is_a_check_of_its_own(manifest: Manifest) -> None:
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    names = [key.name for key in defs.resolve_asset_graph().asset_check_keys]
    assert {test["name"] for test in data_tests(manifest).values()} <= set(names)
    assert len(names) == len(set(names))


def engine_specific(sql: str) -> list[str]:
    """The constructs in a file's SQL that other engines lack, comments left out."""
    code = re.sub(r"--[^\n]*|\{#.*?#\}", "", sql, flags=re.DOTALL)
    return [name for name, pattern in ENGINE_SPECIFIC.items() if re.search(pattern, code, re.IGNORECASE)]


def test_models_and_tests_leave_engine_specific_sql_to_macros() -> None:
    found = {path.name: engine_specific(path.read_text()) for path in sql_files("models", "snapshots", "tests")}
    assert {name: constructs for name, constructs in found.items() if constructs} == {}


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select a::date from b", ["::"]),
        ("select epoch(a), EPOCH_MS (b) from c", ["epoch()"]),
        ("select a + Interval '1 day' from b", ["interval '...'"]),
        ("select date_diff('day', a, b), datediff(day, a, b) from c", ["date_diff()"]),
        ("select string_split(a, '/') from b", ["string_split()"]),
        ("select a + to_days(1) from b", ["to_days()"]),
        ("select a from b\nqualify row_number() over () = 1", ["qualify"]),
        ("select a from b group  by\n all", ["group by all"]),
        (
            "-- a::date\nselect {# qualify\n #} epochs, qualified from b group by allowed",
            [],
        ),
    ],
)
def test_engine_specific_sql_is_recognised(sql: str, found: list[str]) -> None:
    assert engine_specific(sql) == found


def test_singular_tests_and_their_yaml_match_one_to_one() -> None:
    described = [
        entry["name"]
        for path in sorted((DBT_PROJECT_DIR / "tests").rglob("*.yml"))
        for entry in yaml.safe_load(path.read_text()).get("data_tests", [])
    ]
    written = [path.stem for path in sql_files("tests") if "generic" not in path.parts]
    assert described
    assert set(described) - set(written) == set(), "tests/assumptions has no SQL file of these names"
    assert set(written) - set(described) == set(), "tests/assumptions/assumptions.yml does not describe these"
    assert len(described) == len(set(described))


def test_the_repeat_rate_is_frozen_only_with_its_own_table(manifest: Manifest) -> None:
    """Messages name a figure as frozen if any table that has its name was stopped: all must be stopped by the same."""
    nodes = manifest["nodes"]

    def made_from(node: Mapping[str, Any]) -> set[str]:
        parents = {name for name in node["depends_on"]["nodes"] if name in nodes}
        return parents.union(*(made_from(nodes[name]) for name in parents))

    tables = {
        node["name"]: node for node in nodes.values() if node["config"].get("meta", {}).get("figures") == "repeat rate"
    }
    wanted = made_from(tables["fact_repeat_rate"])
    assert {name: made_from(node) for name, node in tables.items()} == dict.fromkeys(tables, wanted)
