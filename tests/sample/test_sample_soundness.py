"""A sample without defects: the assumptions hold at any seed, size and date, and its shape is the shop's."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import duckdb
import pytest

from greenery_assets.sample import SampleSpec
from greenery_assets.sample.catalogue import PLANTS
from greenery_assets.sample.database import contract_columns
from tests.defects import KEYS, UNTIL, broken_rules, rows_by_day, sample_database, scalar

SPECS = [
    SampleSpec(until=UNTIL),
    SampleSpec(until=date(2024, 2, 29), seed=0),
    SampleSpec(until=date(2026, 1, 1), seed=123_456_789, orders=1_500, days=45),
    SampleSpec(until=UNTIL, seed=1, orders=1),
    SampleSpec(until=UNTIL, seed=2, orders=2, days=1),
    SampleSpec(until=date(1970, 1, 1), seed=3, orders=60, days=90),
    SampleSpec(until=date(2999, 12, 31), seed=4, orders=250, days=2),
    SampleSpec(until=UNTIL, seed=5, events=20_000, days=1),
]


@pytest.fixture(scope="module")
def default() -> Iterator[duckdb.DuckDBPyConnection]:
    with sample_database(SampleSpec(until=UNTIL)) as connection:
        yield connection


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_assumption_holds(spec: SampleSpec) -> None:
    with sample_database(spec) as connection:
        assert broken_rules(connection) == {}
        cut_off = datetime.combine(spec.until, time(23, 59, 59))
        first = datetime.combine(spec.until - timedelta(days=spec.days - 1), time())
        newest_order, newest_event, oldest_event = connection.execute(
            "select (select max(created_at) from orders), max(created_at), min(created_at) from events"
        ).fetchall()[0]
        assert cut_off - timedelta(hours=2) <= newest_order <= cut_off
        assert cut_off - timedelta(hours=2) <= newest_event <= cut_off
        assert oldest_event >= first
        assert scalar(connection, "select max(delivered_at) from orders") is None or cut_off >= scalar(
            connection, "select max(delivered_at) from orders"
        )
        assert scalar(connection, "select count(*) from orders where status = 'preparing'") >= 1
        assert not scalar(connection, "select count(*) from users where updated_at < created_at")
        assert not scalar(
            connection,
            """select count(*) from users join events using (user_id)
               where users.created_at >= events.created_at""",
        )


@pytest.mark.parametrize("seed", range(6))
def test_default_size_has_even_days_and_no_heavy_user(seed: int) -> None:
    with sample_database(SampleSpec(until=UNTIL, seed=seed)) as connection:
        for table in ("orders", "events"):
            days = rows_by_day(connection, table)
            mean = sum(days.values()) / 30
            assert len(days) == 30
            assert all(0.65 * mean <= rows <= 1.35 * mean for rows in days.values())
        assert scalar(connection, "select count(distinct product_id) from order_items") == len(PLANTS)
        assert 0.7 <= scalar(connection, REPEAT_RATE) <= 0.85
        assert (
            scalar(
                connection,
                """select max(n) / sum(n) from (select count(distinct session_id) as n
                   from events group by user_id)""",
            )
            <= 0.03
        )


REPEAT_RATE = """select avg(case when n > 1 then 1 else 0 end)
                 from (select count(*) as n from orders group by user_id)"""


def test_default_size_is_small(default: duckdb.DuckDBPyConnection) -> None:
    counts = {table: scalar(default, f"select count(*) from {table}") for table in KEYS}

    assert (counts["orders"], counts["products"], counts["promos"]) == (400, 30, 6)
    assert 115 <= counts["users"] <= 145
    assert 130 <= counts["addresses"] <= 170
    assert 3_700 <= counts["events"] <= 4_300


def test_columns_and_types_are_the_contracts(default: duckdb.DuckDBPyConnection) -> None:
    spelled = {"text": "VARCHAR"}
    for table, columns in contract_columns().items():
        described = default.execute(f"describe {table}").fetchall()
        assert {name: data_type for name, data_type, *_ in described} == {
            name: spelled.get(data_type, data_type.upper()) for name, data_type in columns.items()
        }


def test_sessions_have_the_shape_of_the_shops(default: duckdb.DuckDBPyConnection) -> None:
    browsing = """select session_id, count(distinct product_id) as products,
                         bool_or(event_type = 'checkout') as converts, min(created_at) as started_at,
                         max(created_at) filter (event_type <> 'package_shipped') as ended_at
                  from events group by 1"""
    low, middle, high = scalar(
        default,
        """select quantile_disc(gap, [0.05, 0.5, 0.95]) from (
               select event_type, epoch(created_at - lag(created_at) over visit) as gap
               from events window visit as (partition by session_id order by created_at, event_id))
           where gap is not null and event_type in ('page_view', 'add_to_cart')""",
    )
    assert (5 <= low <= 9, 36 <= middle <= 46, 104 <= high <= 112) == (True, True, True)
    assert 0.60 <= scalar(default, f"select avg(converts::int) from ({browsing})") <= 0.64
    assert scalar(default, f"select [min(products), max(products)] from ({browsing})") == [1, 8]
    assert scalar(default, f"select count(*) from ({browsing}) where epoch(ended_at - started_at) < 60") > 20
    assert scalar(default, f"select max(ended_at - started_at) from ({browsing})") < timedelta(hours=1)
    assert scalar(default, "select count(distinct user_id) from events") > scalar(
        default, "select count(distinct user_id) from orders"
    )


def test_cart_follows_view_and_checkout_follows_both(default: duckdb.DuckDBPyConnection) -> None:
    early_carts = """
        select count(*) from events as carts
        where event_type = 'add_to_cart' and not exists (
            from events as views where views.session_id = carts.session_id and views.event_type = 'page_view'
            and views.product_id = carts.product_id and views.created_at < carts.created_at)"""
    late_browsing = """
        select count(*) from events join (select session_id, created_at as checkout_at from events
                                          where event_type = 'checkout') using (session_id)
        where event_type in ('page_view', 'add_to_cart') and created_at >= checkout_at"""
    ties = """select count(*) from (select session_id from events group by session_id, created_at
                                    having count(*) > 1)"""

    assert scalar(default, early_carts) == 0
    assert scalar(default, late_browsing) == 0
    assert 1 <= scalar(default, ties) <= 25


def test_parcels_and_orders_keep_their_delays(default: duckdb.DuckDBPyConnection) -> None:
    delays = """select [min(d), max(d)] from (select epoch(b.created_at - a.created_at)::int as d
                from events as a join events as b using (session_id)
                where a.event_type = 'checkout' and b.event_type = 'package_shipped')"""
    after_checkout = """select [min(d), max(d)] from (
                select epoch(orders.created_at - events.created_at)::int as d
                from orders join events using (order_id) where event_type = 'checkout')"""

    shortest, longest = scalar(default, delays)
    assert (shortest >= 2 * 3_600, longest <= 9 * 3_600 + 5) == (True, True)
    first, last = scalar(default, after_checkout)
    assert (first >= 1, last <= 5) == (True, True)
    assert scalar(default, "select count(*) from (select session_id from events group by 1 "
                           "having count(distinct created_at::date) > 1)") > 20  # fmt: skip


def test_orders_have_the_shape_of_the_shops(default: duckdb.DuckDBPyConnection) -> None:
    shares = default.execute(
        """select count(promo_id) / count(*),
                  count(estimated_delivery_at) / count(tracking_id),
                  count(*) filter (delivered_at > estimated_delivery_at) / count(*),
                  count(*) filter (shipping_service = 'ups') / count(tracking_id)
           from orders"""
    ).fetchall()[0]
    bands = [(0.07, 0.15), (0.90, 0.98), (0.3, 0.7), (0.42, 0.58)]

    assert [low <= share <= high for share, (low, high) in zip(shares, bands, strict=True)] == [True] * 4
    assert scalar(default, "select list(distinct quantity order by quantity) from order_items") == [
        1,
        2,
        3,
        4,
    ]
    assert scalar(default, "select count(*) from promos where status = 'active'") == 1
    assert scalar(default, "select count(*) from addresses where zipcode like '0%'") > 0
    assert scalar(default, "select count(*) from products where price not between 15 and 95 or price * 4 % 1 <> 0") == 0
    assert scalar(default, "select count(*) from users where email not like '%@example.com'") == 0


@pytest.mark.parametrize(("events", "days"), [(20_000, 30), (20_000, 1), (60_000, 7)])
def test_events_scale_within_two_percent(events: int, days: int) -> None:
    with sample_database(SampleSpec(until=UNTIL, events=events, days=days)) as connection:
        assert scalar(connection, "select count(*) from events") == pytest.approx(events, rel=0.02)
