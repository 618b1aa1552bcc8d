"""Assumptions about the models themselves (A07, A16, A17, keys of marts): no source can break them.

So the SQL is broken instead, in a copy of the project, and the real `make run` command is run there. The
checks that the faults must bring up are listed; no more and no fewer may fail.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from tests.job import Home, Outcome, copy_of_project
from tests.test_mutations import assert_downstream_kept

pytestmark = [pytest.mark.slow, pytest.mark.slowest]

DIMENSIONS = ("addresses", "events", "order_items", "orders", "products", "promos", "users")
DOUBLED = "select * from (\n{sql}\n) union all (select * from (\n{sql}\n) as doubled limit 1)"


def run_with(models: Mapping[str, tuple[str, str]], home: Home, sample_dir: Path, folder: Path) -> Outcome:
    """Run the job in a copy of the project; `models` maps a model's name to (a text in its SQL, another)."""
    project = copy_of_project(folder / "project")
    for name, (text, other) in models.items():
        [path] = (project / "dbt_project").rglob(f"{name}.sql")
        sql = path.read_text()
        if text:
            assert text in sql, f"{name} no longer holds: {text}"
            path.write_text(sql.replace(text, other))
        else:
            path.write_text(other.format(sql=sql))
    before = home.fingerprints()
    done = home.command(sample_dir, "run", project=project)
    assert done.returncode == 1, done.stdout + done.stderr
    outcome = home.last_outcome()
    assert_downstream_kept(outcome, before, home)
    return outcome


def doubled(*names: str) -> dict[str, tuple[str, str]]:
    """Each of the models with its first row twice."""
    return dict.fromkeys(names, ("", DOUBLED))


def test_a_dimension_with_a_row_too_many_is_found(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    outcome = run_with(doubled(*(f"dim_{name}" for name in DIMENSIONS)), home, sample_dir, tmp_path)
    assert outcome.failing == {f"dim_{name}_has_every_source_row": 1 for name in DIMENSIONS}
    assert not [asset for asset in outcome.built if "/int_" in asset or "/fact_" in asset]


def test_an_intermediate_model_with_a_row_too_many_is_found(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    names = ("int_fact_orders", "int_user_orders", "int_page_views")
    outcome = run_with(doubled(*names), home, sample_dir, tmp_path)
    assert outcome.failing == {
        **{f"{name}_key_is_unique_and_set": 2 for name in names},
        "int_fact_orders_has_every_order": 1,
        "int_fact_orders_has_every_item": 1,
        "int_user_orders_has_every_order_and_dollar": 2,
        "int_page_views_has_every_event": 1,
    }


def test_a_session_too_many_is_found(built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path) -> None:
    home = built[0].copy(tmp_path / "home")
    outcome = run_with(doubled("int_sessions", "int_daily_views"), home, sample_dir, tmp_path)
    assert outcome.failing == {
        "int_sessions_key_is_unique_and_set": 2,
        "int_daily_views_key_is_unique_and_set": 2,
    }


def test_more_of_the_shop_with_a_row_too_many_or_too_few_is_found(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    keyed = (
        "fact_hourly", "fact_repeat_rate_by_month", "fact_users_by_purchases", "fact_viewed_not_bought_by_state",
    )  # fmt: skip
    models = {**doubled(*keyed), "fact_stockouts": ("states.inventory <= 0", "states.inventory < 0")}
    outcome = run_with(models, home, sample_dir, tmp_path)
    assert outcome.failing.keys() == {
        *(f"{name}_key_is_unique_and_set" for name in keyed),
        "fact_hourly_has_every_order_and_session",
        "fact_repeat_rate_by_month_counts_every_buyer",
        "fact_users_by_purchases_has_every_buyer_and_order",
        "fact_viewed_not_bought_by_state_has_every_view",
        "fact_viewed_not_bought_by_state_agrees_with_views_by_product",
        "fact_stockouts_has_every_product_without_stock",
    }


def test_a_published_model_with_a_row_too_many_is_found(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(
            "insert into snapshots.orders_snapshot select * from snapshots.orders_snapshot order by order_id limit 1"
        )
        connection.execute("insert into snapshots.inventory_snapshot from snapshots.inventory_snapshot limit 1")
    keyed = (
        "fact_user_orders", "fact_repeat_indicators", "fact_page_views", "fact_conversion_by_product",
        "fact_funnel", "fact_funnel_by_product", "fact_daily",
    )  # fmt: skip
    models = {
        **doubled("fact_repeat_rate", "fact_conversion", *keyed),
        # Orders that have not shipped have no stop time on their checkout.
        "fact_page_views": ("stop_time is not null", "stop_time is not null and event_type = 'checkout'"),
    }
    outcome = run_with(models, home, sample_dir, tmp_path)
    # Buyers, orders and dollars differ, and deliveries where the doubled buyer had any.
    assert outcome.failing["fact_user_orders_has_every_order_and_dollar"] in {3, 4}
    assert outcome.failing | {"fact_user_orders_has_every_order_and_dollar": 0} == {
        "orders_snapshot_key_is_unique_and_set": 2,
        "inventory_snapshot_key_is_unique_and_set": 2,
        **{f"{name}_key_is_unique_and_set": 2 for name in keyed if name != "fact_page_views"},
        "fact_user_orders_has_every_order_and_dollar": 0,
        "fact_repeat_rate_counts_every_buyer": 1,
        "fact_repeat_indicators_places_every_buyer": 1,
        "fact_page_views_has_every_timed_order": 1,
        "fact_conversion_counts_every_session": 1,
        "fact_conversion_by_product_has_every_product": 1,
        "fact_funnel_by_product_has_every_product": 1,
        "fact_daily_has_every_order_and_dollar": 2,
        "fact_daily_has_every_event": 1,
        "fact_daily_has_every_session": 1,
    }


def test_wrong_first_orders_and_stop_times_are_found(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    buyers_twice = home.query("select count(*) from marketing.fact_user_orders where number_of_orders > 1")[0][0]
    tied = home.query(
        "select count(*) - count(distinct (user_id, session_id, start_time)) from product.int_page_views"
    )[0][0]
    assert tied > 0, "the sample has no ties for this test to work on"
    models = {
        "fact_orders": ("when nth_order = 1 then", "when nth_order <= 2 then"),
        "int_page_views": (
            "{{ next_later('created_at', partition_by=['user_id', 'session_id']) }}",
            "lead(created_at) over (partition by user_id, session_id order by created_at)",
        ),
    }
    outcome = run_with(models, home, sample_dir, tmp_path)
    assert outcome.failing == {
        "user_has_one_first_and_one_last_order": buyers_twice,
        "stop_time_is_later_and_null_only_at_session_end": tied,
    }


def test_orders_and_behaviour_with_a_row_too_many_are_found(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    models = {
        **doubled("fact_orders", "int_user_behaviour", "fact_page_views"),
        "fact_funnel": ("visited as sessions", "visited + 1 as sessions"),
    }
    outcome = run_with(models, home, sample_dir, tmp_path)
    found = set(outcome.failing)
    # The doubled row is a first or last order of its user only by chance.
    found.discard("user_has_one_first_and_one_last_order")
    assert found == {
        "fact_orders_key_is_unique_and_set",
        "fact_orders_has_every_order_and_dollar",
        "int_user_behaviour_key_is_unique_and_set",
        "int_user_behaviour_has_every_user",
        "int_user_behaviour_has_every_order",
        "fact_page_views_key_is_unique_and_set",
        "fact_funnel_counts_every_session",
    }
