"""Defects of amounts and times over the whole sample: staleness, volume, heavy users, moved figures."""

from collections import Counter
from datetime import date

import numpy as np
import pyarrow as pa

from greenery_assets.sample.columns import random_uuids, uuid_column
from greenery_assets.sample.defects.base import Defect, DuckDB
from greenery_assets.sample.errors import SampleError

KEPT_SHARE = 0.1
# Tried in turn, until half of the repeat buyers are found.
LARGEST_DAILY_LOSSES = (0.35, 0.4, 0.5, 0.75, 2.0)
TIMESTAMPS = {
    "users": ("created_at", "updated_at"),
    "orders": ("created_at", "estimated_delivery_at", "delivered_at"),
    "events": ("created_at",),
}
# Whatever a defect removes, these stay: without them the sources would look stale too.
NEWEST = """newest as (
    select session_id from events where created_at = (select max(created_at) from events)
    union
    select session_id from events join orders using (order_id)
    where orders.created_at = (select max(created_at) from orders))"""
LAST_DAY_SESSIONS = """last_day_sessions as (
    select session_id from events
    group by session_id
    having min(created_at)::date = (select max(created_at)::date from events))"""


def _make_stale(connection: DuckDB, days: int, _rng: np.random.Generator) -> None:
    for table, columns in TIMESTAMPS.items():
        moves = ", ".join(f"{column} = {column} - to_days({days})" for column in columns)
        connection.execute(f"update {table} set {moves}")


def _drop_volume(connection: DuckDB, _count: int, _rng: np.random.Generator) -> None:
    # Ordering by the random session id takes orders and browsing alike.
    connection.execute(
        f"""create or replace temp table victims as
            with {NEWEST}, {LAST_DAY_SESSIONS}
            select session_id from last_day_sessions
            qualify row_number() over (order by session_id not in (from newest), session_id)
                > greatest(ceil({KEPT_SHARE} * count(*) over ()), (select count(*) from newest))"""
    )
    if not len(connection.table("victims")):
        raise SampleError("the last day of this sample has too few sessions")
    _remove_victim_sessions(connection)


def _jump_figures(connection: DuckDB, _count: int, _rng: np.random.Generator) -> None:
    # Those with the fewest orders come first: the figures move just as far, and less volume goes.
    repeat_buyers = connection.execute(
        f"""with {NEWEST},
            orders_of as (
                select user_id, session_id::text as session_id, orders.created_at::date as day,
                       session_id in (from newest) as is_newest,
                       row_number() over (partition by user_id order by orders.created_at, order_id) as nth
                from orders join (from events where event_type = 'checkout') using (order_id, user_id))
            select list(session_id order by nth) filter (nth > 1), list(day order by nth) filter (nth > 1)
            from orders_of
            group by user_id
            having count(*) > 1 and not bool_or(is_newest)
            order by count(*), user_id"""
    ).fetchall()
    if len(repeat_buyers) < 2:
        raise SampleError("this sample has too few users who ordered twice")
    orders_by_day = connection.execute("select created_at::date, count(*) from orders group by 1").fetchall()
    chosen = _spread_over_days(repeat_buyers, Counter(dict(orders_by_day)))
    connection.register("chosen", pa.table({"session_id": pa.array(chosen, pa.string())}))
    connection.execute("create or replace temp table victims as select session_id::uuid as session_id from chosen")
    connection.unregister("chosen")
    _remove_victim_sessions(connection)


def _spread_over_days(repeat_buyers: list[tuple[list[str], list[date]]], orders_on: Counter[date]) -> list[str]:
    """Return the later sessions of half of the buyers, so that no day loses much more than others."""
    taken: Counter[date] = Counter()
    chosen: list[str] = []
    missing = len(repeat_buyers) // 2
    for largest_loss in LARGEST_DAILY_LOSSES:
        left = []
        for buyer in repeat_buyers:
            sessions, days = buyer
            if missing and all(taken[day] < largest_loss * orders_on[day] - 1 for day in days):
                taken.update(days)
                chosen += sessions
                missing -= 1
            else:
                left.append(buyer)
        repeat_buyers = left
    return chosen


def _remove_victim_sessions(connection: DuckDB) -> None:
    connection.execute(
        """create or replace temp table removed_orders as
           select distinct order_id from events join victims using (session_id) where order_id is not null"""
    )
    connection.execute("delete from events where session_id in (from victims)")
    connection.execute("delete from order_items where order_id in (from removed_orders)")
    connection.execute("delete from orders where order_id in (from removed_orders)")


def _spike_volume(connection: DuckDB, times: int, rng: np.random.Generator) -> None:
    connection.execute(
        f"""create or replace temp table copies as
            with {LAST_DAY_SESSIONS}
            select session_id, copy, row_number() over (order by copy, session_id) - 1 as i
            from last_day_sessions, range({times}) as copies(copy)"""
    )
    _number_ids(connection, "session_ids", len(connection.table("copies")), rng)
    connection.execute(
        """create or replace temp table copied_views as
           with known as (
               select user_id, row_number() over (order by user_id) - 1 as i
               from (select distinct user_id from users where user_id is not null))
           select session_ids.id as session_id, known.user_id, page_url, created_at, product_id,
                  row_number() over (order by copies.i, created_at, event_id) - 1 as i
           from copies
           join events using (session_id)
           join session_ids on session_ids.i = copies.i
           join known on known.i = copies.i % (select count(*) from known)
           where event_type = 'page_view'"""
    )
    _number_ids(connection, "event_ids", len(connection.table("copied_views")), rng)
    connection.execute(
        """insert into events by name
           select id as event_id, 'page_view' as event_type, copied_views.* exclude (i)
           from copied_views join event_ids using (i)"""
    )


def _make_heavy_user(connection: DuckDB, percent: int, rng: np.random.Generator) -> None:
    # Starting from the user with the fewest sessions, nearly all of the share is single page views.
    (user, own), (total,) = (
        connection.execute(query).fetchall()[0]
        for query in (
            """select users.user_id, count(distinct session_id) from users join events using (user_id)
               group by 1 order by 2, 1 limit 1""",
            "select count(distinct session_id) from events",
        )
    )
    share = percent / 100
    added = round((share * total - own) / (1 - share))
    if added < 1:
        raise SampleError(f"{percent} percent is less than a user's own share of this small sample")
    _number_ids(connection, "new_ids", 2 * added, rng)
    connection.execute(
        """insert into events by name
           with span as (select min(created_at)::date::timestamp as first_at,
                                max(created_at) as last_at from events),
           plants as (select product_id, row_number() over (order by product_id) - 1 as p
                      from (select distinct product_id from products where product_id is not null))
           select event.id as event_id, session.id as session_id, $user as user_id,
                  product_page(product_id) as page_url, 'page_view' as event_type, product_id,
                  date_trunc('second', first_at + (last_at - first_at) * ((event.i + 0.5) / $added))
                      as created_at
           from new_ids as event
           join new_ids as session on session.i = event.i + $added
           join plants on p = event.i % (select count(*) from plants)
           cross join span""",
        {"user": user, "added": added},
    )


def _number_ids(connection: DuckDB, name: str, count: int, rng: np.random.Generator) -> None:
    """Create table `name` of `count` unused ids: columns i (from 0) and id."""
    connection.register("drawn", pa.table({"i": np.arange(count), "id": uuid_column(random_uuids(rng, count))}))
    connection.execute(f"create or replace temp table {name} as from drawn")
    connection.unregister("drawn")


DEFECTS = [
    Defect("stale", "A20", "Everything happened earlier.", _make_stale, "days", default_count=30, most=3_650),
    Defect("volume_drop", "A21", "The last day has only a tenth of its sessions.", _drop_volume, counted=None),
    Defect(
        "volume_spike", "A21", "The last day's sessions have many times as many browsing sessions added to them.",
        _spike_volume, "times", default_count=10, most=1_000,
    ),
    Defect(
        "heavy_user", "A22", "One user makes a large share of all sessions, each a single page view.",
        _make_heavy_user, "percent of sessions", default_count=40, most=90,
    ),
    Defect(
        "figures_jump", "A23", "Half of the repeat buyers have lost all orders but their first.", _jump_figures,
        counted=None,
    ),
]  # fmt: skip
