"""Every assumption about the sources seen failing: a planted defect, the real job, exactly the expected checks.

Starts from a good run's history and tables, so that it also shows that an ERROR leaves what lies downstream
with its last good content. What no source can break is in test_model_mutants.
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
import pytest

from greenery_assets.sample import SampleSpec, generate
from tests.alerts.real import alerts_here
from tests.conftest import RunJob, yesterday
from tests.defects import MUTATIONS
from tests.job import Home, Outcome

pytestmark = pytest.mark.slow


def assert_exactly(outcome: Outcome, expected: Mapping[str, int | str], home: Home) -> None:
    rows = {name: found if isinstance(found, int) else home.query(found)[0][0] for name, found in expected.items()}
    assert outcome.failing == rows


def assert_downstream_kept(outcome: Outcome, before: Mapping[str, tuple[int, int]], home: Home) -> None:
    """What lies downstream of a failed ERROR was not built and holds what it held; all else was built."""
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    graph = defs.resolve_asset_graph()
    stopped: set[str] = set()
    for check in outcome.failing_errors.values():
        downstream = dg.AssetSelection.assets(check.asset).downstream(include_self=False)
        stopped |= {key.to_user_string() for key in downstream.resolve(graph)}
    assert set(outcome.built) == {key.to_user_string() for key in graph.materializable_asset_keys} - stopped
    after = home.fingerprints()
    for mart in stopped & before.keys():
        assert after[mart] == before[mart], mart
    not_evaluated = set(outcome.planned) - set(outcome.checks)
    # Both figures of A23 are judged in one step, after everything else.
    judged_last = {"repeat_rate_moved_little", "conversion_rate_moved_little"} if outcome.failing_errors else set()
    on_stopped = {key.name for key in graph.asset_check_keys if key.asset_key.to_user_string() in stopped}
    assert not_evaluated == on_stopped | judged_last
    assert outcome.success is (not outcome.failing_errors)


@pytest.mark.parametrize("defects", MUTATIONS)
def test_a_planted_defect_fails_exactly_the_checks_it_must(
    defects: str, built: tuple[Home, Outcome], run_job: RunJob, tmp_path: Path
) -> None:
    generate(SampleSpec(until=yesterday().date(), defects=tuple(defects.split())), tmp_path / "source")
    home = built[0].copy(tmp_path)
    before = home.fingerprints()
    with alerts_here(home, tmp_path / "source") as alerts:
        alerts.begin()
        outcome = run_job(home, tmp_path / "source", new_source=True)
        assert alerts.run_pass().problems == []
    assert_exactly(outcome, MUTATIONS[defects], home)
    assert_downstream_kept(outcome, before, home)
    with alerts.ledger.transaction() as book:
        told = {incident.subject.name: incident for incident in book.open_incidents().values()}
    assert {name: incident.finding.failing_rows for name, incident in told.items()} == outcome.failing
    assert all(incident.announced or incident.inhibited_by for incident in told.values())


Rows = list[dict[str, str]]
TABLES = ("addresses", "events", "order_items", "orders", "products", "promos", "users")


def edit(path: Path, change: Callable[[Rows], None]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_a_bad_line_and_a_new_column_of_each_table_a_missing_total_and_a_negative_cost_are_found(
    built: tuple[Home, Outcome], run_job: RunJob, tmp_path: Path
) -> None:
    source, home = tmp_path / "source", built[0].copy(tmp_path)
    generate(SampleSpec(until=yesterday().date()), source)

    def change(rows: Rows) -> None:
        rows[100]["order_total"] = ""
        negative = rows[200]
        negative["order_cost"], negative["promo_id"] = "-1.00", ""
        negative["order_total"] = f"{float(negative['shipping_cost']) - 1:.2f}"

    edit(source / "orders.csv", change)
    for table in TABLES:
        lines = (source / f"{table}.csv").read_text().splitlines()
        grown = [f"{lines[0]},new_column", *(f"{line}," for line in lines[1:]), "one field"]
        (source / f"{table}.csv").write_text("\n".join([*grown, ""]))
    before = home.fingerprints()
    outcome = run_job(home, source, new_source=True)
    assert outcome.failing == {
        **{f"{t}_{name}": 1 for t in TABLES for name in ("rows_were_all_accepted", "columns_match_the_contract")},
        "orders_order_total_is_set": 1,
        "orders_order_cost_is_not_negative": 1,
        # What a cost below zero or a total that is not there cannot be.
        "order_cost_is_the_sum_of_its_items": 1,
        "order_total_is_cost_plus_shipping_minus_discount": 1,
    }
    assert_downstream_kept(outcome, before, home)


def test_every_check_of_a_source_is_seen_failing_here() -> None:
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    seen = {name for expected in MUTATIONS.values() for name in expected}
    seen |= {f"{t}_{name}" for t in TABLES for name in ("rows_were_all_accepted", "columns_match_the_contract")}
    # In test_incremental, as only what was loaded before can go.
    seen |= {f"{t}_files_are_all_there" for t in TABLES}
    # In test_refused_loads, as they stop everything before it is loaded.
    seen |= {f"{t}_{name}" for t in TABLES for name in ("kept_their_rows", "rows_were_mostly_accepted")}
    seen |= {"orders_order_total_is_set", "orders_order_cost_is_not_negative"}
    of_sources = {
        key.name
        for key in defs.resolve_asset_graph().asset_check_keys
        if key.asset_key.path[0] in {"raw", "staging"} or key.name.endswith("_moved_little")
    }
    assert of_sources - seen == set(), "plant a defect that they find, in MUTATIONS of tests/defects.py"
