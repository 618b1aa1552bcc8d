"""Reads the figures of the page out of the marts, and the sources' volumes out of the raw tables.

Only what is drawn, summed up by the database: a year of days and a few products, whatever the history holds. A table
that no run has built yet gives no figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from greenery_assets.report.figures import (
    DAYS_SHOWN,
    FEWEST_USERS,
    Conversion,
    Day,
    Deliveries,
    Figures,
    FunnelStep,
    Hour,
    Indicator,
    ProductConversion,
    RepeatRate,
    Spread,
    StateViews,
    Stockout,
    Totals,
    with_band,
)
from greenery_assets.warehouse import NOT_BUILT, Connection

PRODUCTS_SHOWN = 40
# Two months of daily runs, in which there are some of each kind.
RUNS = 60
NAMELESS = "Product without a name"
TIMED_SOURCES = ("events", "orders")
Row = Sequence[Any]


def read_figures(connection: Connection, today: date, volume_band: float) -> Figures:
    """The figures as they stand in the warehouse, whichever run they are from; `today` in UTC, as days are."""
    read = _Reader(connection)
    totals = next((Totals(int(days), int(orders), revenue) for days, orders, revenue in read.rows("""
        select count(*), coalesce(sum(orders), 0), coalesce(sum(revenue), 0) from product.fact_daily
    """)), None)  # fmt: skip
    return Figures(
        volumes={name: with_band(read.rows_by_day(name), today, volume_band) for name in TIMED_SOURCES},
        days=[Day(*row) for row in reversed(read.rows(f"""
            select day, orders, revenue, first_orders, returning_orders, sessions, conversion_rate
            from product.fact_daily order by day desc limit {DAYS_SHOWN}
        """))],
        totals=totals,
        days_left_out=max(totals.days - DAYS_SHOWN, 0) if totals else 0,
        repeat=next((RepeatRate(*row) for row in read.rows("""
            select users_purchased, users_repeat, repeat_rate from marketing.fact_repeat_rate
        """)), None),
        purchases=[users for (users,) in read.rows("""
            select users from marketing.fact_users_by_purchases order by least_orders
        """)],
        by_month={month: RepeatRate(*row) for month, *row in read.rows("""
            select first_order_month, users_purchased, users_repeat, repeat_rate
            from marketing.fact_repeat_rate_by_month order by first_order_month desc
        """)},
        indicators=[Indicator(*row) for row in read.rows("""
            select indicator, users_with, users_without, users_not_judged, repeat_share_with, repeat_share_without,
                difference, difference_low, difference_high
            from marketing.fact_repeat_indicators order by indicator_number
        """)],
        conversion=next((Conversion(*row) for row in read.rows("""
            select sessions, sessions_with_checkout, conversion_rate, sessions_without_top_user,
                sessions_with_checkout_without_top_user, conversion_rate_without_top_user
            from product.fact_conversion
        """)), None),
        products=read.number("select count(*) from product.fact_conversion_by_product"),
        conversion_by_product=[ProductConversion(*row) for row in read.rows(f"""
            select coalesce(product_name, '{NAMELESS}'), sessions_viewed, sessions_bought, conversion_rate
            from product.fact_conversion_by_product
            order by sessions_viewed desc, product_name, product_id limit {PRODUCTS_SHOWN}
        """)],
        funnel=[FunnelStep(*row) for row in read.rows("""
            select step, sessions, previous_sessions, drop_off from product.fact_funnel order by step_number
        """)],
        funnel_by_product=[FunnelStep(*row) for row in read.rows(f"""
            with shown as (
                select product_id, row_number() over (order by sessions desc, product_name, product_id) as place
                from product.fact_funnel_by_product where step_number = 1
            )
            select steps.step, steps.sessions, steps.previous_sessions, steps.drop_off,
                coalesce(steps.product_name, '{NAMELESS}')
            from product.fact_funnel_by_product as steps
            inner join shown on steps.product_id = shown.product_id
            where shown.place <= {PRODUCTS_SHOWN}
            order by shown.place, steps.step_number
        """)],
        spent={
            event_type: spread
            for event_type, *numbers in read.rows(f"""
                select event_type, {_spread("avg_duration_seconds")}
                from product.fact_page_views group by event_type order by event_type
            """)
            if (spread := _as_spread(numbers))
        },
        deliveries=_deliveries(read),
        states=[StateViews(*row) for row in read.rows(f"""
            select state, users, products_viewed, products_not_bought, share_not_bought
            from product.fact_viewed_not_bought_by_state where users >= {FEWEST_USERS}
            order by products_viewed desc, state
        """)],
        hours=[Hour(*map(int, row)) for row in read.rows("""
            select hour_of_day, count(*), sum(orders), sum(sessions)
            from product.fact_hourly group by hour_of_day order by hour_of_day
        """)],
        out_of_stock=next((int(row[0]) for row in read.rows("""
            select count(case when is_out_of_stock then 1 end) from core.fact_stockouts
        """)), None),
        stockouts=[Stockout(*row) for row in read.rows(f"""
            select coalesce(product_name, '{NAMELESS}'), out_of_stock_since, out_of_stock_until
            from core.fact_stockouts
            order by is_out_of_stock desc, out_of_stock_since desc, product_name, product_id
        """)],
    )  # fmt: skip


def read_durations(connection: Connection) -> list[tuple[Any, ...]]:
    """How long models and checks took in the last complete runs: the run's beginning, its kind, and of each of them."""
    return _Reader(connection).rows(f"""
        select run_at, kind, resource_type, name, seconds
        from quality.durations
        where is_complete and run_at >= (
            select min(run_at)
            from (select distinct run_at from quality.durations where is_complete order by run_at desc limit {RUNS})
                as runs
        )
        order by run_at
    """)


def _deliveries(read: "_Reader") -> Deliveries | None:
    found = read.rows(f"""
        with timed as (
            select
                order_id, ship_date, order_delivered_date, estimated_delivery_at,
                extract(epoch from ship_date - order_date) as to_shipping,
                extract(epoch from order_delivered_date - ship_date) as to_delivery
            from marketing.int_user_orders
        )
        select
            count(order_id), count(ship_date), count(order_delivered_date),
            count(case when order_delivered_date is not null then estimated_delivery_at end),
            count(case when order_delivered_date > estimated_delivery_at then 1 end),
            {_spread("to_shipping")}, {_spread("to_delivery")}
        from timed
    """)
    if not found:
        return None
    orders, shipped, delivered, promised, late, *seconds = found[0]
    return Deliveries(orders, shipped, delivered, promised, late, _as_spread(seconds[:6]), _as_spread(seconds[6:]))


def _spread(seconds: str) -> str:
    """Count and percentiles of a column, for a select."""
    percentiles = [
        f"percentile_cont({share}) within group (order by {seconds})" for share in (0.05, 0.25, 0.5, 0.75, 0.95)
    ]
    return ", ".join([f"count({seconds})", *percentiles])


def _as_spread(numbers: Row) -> Spread | None:
    return Spread(*numbers) if numbers[0] else None


@dataclass(frozen=True)
class _Reader:
    connection: Connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds; nothing where a table of it is not there, or is of an older version of the project."""
        try:
            return self.connection.execute(sql).fetchall()
        except NOT_BUILT:
            return []

    def number(self, sql: str) -> int:
        """The one number that a query counts."""
        return next((int(row[0]) for row in self.rows(sql)), 0)

    def rows_by_day(self, source: str) -> dict[date, int]:
        """How many rows a source table has of each day."""
        return dict(
            self.rows(
                f"select cast(created_at as date), count(*) from raw.{source} where created_at is not null group by 1"
            )
        )
