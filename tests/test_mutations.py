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
from tests.job import Home, Outcome

pytestmark = pytest.mark.slow

# Defects planted in one sample -> failing rows of each check that must fail, as a number or a query on the raw
# tables. Where a defect brings up a second check, a comment says why that one follows from the first.
MUTATIONS: Mapping[str, Mapping[str, int | str]] = {
    # Those that fail different checks share a run; the counts tell which defect was found by which check.
    # Both events of an order with two checkouts or shipments are shown.
    "event_of_unknown_user:2 second_checkout:3 second_shipment:4 order_without_checkout:5 checkout_by_another_user:9": {
        "event_belongs_to_a_known_user": 2,
        "order_has_at_most_one_checkout": 6,
        "order_has_at_most_one_shipment": 8,
        "order_has_its_checkout": 5,
        "checkout_belongs_to_its_order_and_user": 9,
    },
    # The orders' checkouts keep the user who made them. All events of the three sessions are shown. An order that does
    # not exist is also a reference that does not resolve.
    "order_of_unknown_user:2 session_of_two_users:3 checkout_of_unknown_order:4": {
        "order_belongs_to_a_known_user": 2,
        "session_belongs_to_one_user": """
            select count(*) from raw.events where session_id in
            (select session_id from raw.events group by session_id having count(distinct user_id) > 1)
        """,
        "checkout_belongs_to_its_order_and_user": 6,
        "events_order_exists": 4,
    },
    # Each session has two events, one of them a checkout that should carry an order_id. These are looked at downstream
    # of the checks above, which would stop them.
    "checkout_without_order:3 shipped_before_checkout:4 delivered_before_shipped:3": {
        "converted_session_has_order_on_every_event": 6,
        "order_id_is_on_checkouts_and_shipments_only": 3,
        "order_is_shipped_after_checkout_and_delivered_after_shipping": 7,
    },
    # Warnings stop nothing, so that several fit in one run; the counts tell which defect was found by which check.
    "order_id_on_page_view:2 status_disagrees:3 order_cost_wrong:4 order_total_wrong:5 ordered_but_not_in_cart:6 "
    "page_url_of_another_product:7 session_of_a_day:8 unreadable_row:4 short_row:3 long_row:2 unknown_event_type:2 "
    "unknown_order_status:2 unknown_shipping_service:2 unknown_promo_status negative_price negative_inventory:2 "
    "negative_discount negative_shipping_cost:2 non_positive_quantity:2 in_cart_but_not_ordered:3 extra_column": {
        "order_id_is_on_checkouts_and_shipments_only": 2,
        "order_status_agrees_with_its_facts": 3,
        "order_cost_is_the_sum_of_its_items": 4,
        "order_total_is_cost_plus_shipping_minus_discount": 5,
        # Six of them, and three.
        "ordered_products_are_what_was_put_in_the_cart": 9,
        "events_columns_match_the_contract": 1,
        "events_event_type_is_known": 2,
        "orders_status_is_known": 2,
        "orders_shipping_service_is_known": 2,
        "promos_status_is_known": 1,
        "products_price_is_not_negative": 1,
        "products_inventory_is_not_negative": 2,
        "promos_discount_is_not_negative": 1,
        "orders_shipping_cost_is_not_negative": 2,
        "order_items_quantity_is_positive": 2,
        "page_url_names_its_product_or_order": 7,
        "session_lasts_less_than_a_day": 8,
        "events_rows_were_all_accepted": 9,
    },
    # Both copies of each row are shown. A product or item listed twice counts twice in its orders' costs.
    "duplicate_user duplicate_address duplicate_product duplicate_promo duplicate_order:2 duplicate_order_item:2 "
    "duplicate_event:3": {
        "users_key_is_unique_and_set": 2,
        "addresses_key_is_unique_and_set": 2,
        "products_key_is_unique_and_set": 2,
        "promos_key_is_unique_and_set": 2,
        "orders_key_is_unique_and_set": 4,
        "order_items_key_is_unique_and_set": 4,
        "events_key_is_unique_and_set": 6,
        "order_cost_is_the_sum_of_its_items": """
            select count(*) from raw.orders as orders where order_cost <> (
                select coalesce(sum(quantity * price), 0) from raw.order_items
                join raw.products using (product_id) where order_items.order_id = orders.order_id
            )
        """,
    },
    # An order without its id has neither items nor shipment; one without its user is nobody's, and its
    # checkout somebody else's; an item without its product was in no cart.
    "missing_user_id missing_address_id missing_product_id missing_promo_id missing_order_id "
    "missing_order_item_order missing_order_item_product missing_event_id missing_session_id missing_event_user "
    "missing_event_type missing_event_time missing_order_user missing_order_time": {
        "users_key_is_unique_and_set": 1,
        "addresses_key_is_unique_and_set": 1,
        "products_key_is_unique_and_set": 1,
        "promos_key_is_unique_and_set": 1,
        "orders_key_is_unique_and_set": 1,
        "order_items_key_is_unique_and_set": 2,
        "events_key_is_unique_and_set": 1,
        "events_session_is_set": 1,
        "events_created_at_is_set": 1,
        "events_event_type_is_known": 1,
        "orders_created_at_is_set": 1,
        "event_belongs_to_a_known_user": 1,
        "order_belongs_to_a_known_user": 1,
        "checkout_belongs_to_its_order_and_user": 1,
        "order_status_agrees_with_its_facts": 1,
        "order_cost_is_the_sum_of_its_items": 1,
        "ordered_products_are_what_was_put_in_the_cart": 1,
    },
    # An unknown product among an order's items was in no cart.
    "unknown_user_address:2 unknown_order_address:2 unknown_promo:2 unknown_item_product:2 unknown_item_order:2 "
    "unknown_event_product:2 unknown_event_order:2": {
        "users_address_exists": 2,
        "orders_address_exists": 2,
        "orders_promo_exists": 2,
        "order_items_product_exists": 2,
        "order_items_order_exists": 2,
        "events_product_exists": 2,
        "events_order_exists": 2,
        "ordered_products_are_what_was_put_in_the_cart": 2,
    },
    # A user who makes most of the sessions orders in none of them.
    "stale heavy_user": {
        "events_are_fresh": 1,
        "orders_are_fresh": 1,
        "no_user_makes_most_of_the_sessions": 1,
        "conversion_rate_moved_little": 1,
    },
    "volume_drop": {"events_of_the_last_day_are_as_usual": 1, "orders_of_the_last_day_are_as_usual": 1},
    # More visits without orders convert less than those of the run before.
    "volume_spike": {"events_of_the_last_day_are_as_usual": 1, "conversion_rate_moved_little": 1},
    "figures_jump": {"repeat_rate_moved_little": 1, "conversion_rate_moved_little": 1},
}


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
    assert of_sources - seen == set()
