"""A synthetic Greenery that grows day by day, as DuckDB makes it: any size, and any day again as it was.

Belongs here: what a day's files hold. Unlike greenery_assets.sample it can make a hundred million events, and the
state of the orders as of any day. What is done to the files afterwards belongs to whoever measures.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from greenery_assets.sample.database import contract_columns

PRODUCTS = 30
PROMOS = 6
# Delivery may take so long: no older order changes.
DAYS_IN_MOTION = 12


@dataclass(frozen=True)
class Shop:
    """How much goes on: sessions a day (about 5.6 events each, an order for ten events) and users in all.

    Of 1,000 page views and carts, `late_permille` arrive one to `latest` days after they happened.
    """

    sessions: int
    users: int
    first_day: date = date(2025, 1, 1)
    late_permille: int = 0
    latest: int = 20
    seed: int = 7

    @classmethod
    def of_events(cls, events_a_day: int) -> "Shop":
        """One with about so many events a day, and ten orders a user and year."""
        return cls(sessions=round(events_a_day / 5.56), users=max(50, round(events_a_day * 3.6)))

    def day(self, number: int) -> date:
        """The day with this number, from 0."""
        return self.first_day + timedelta(days=number)


_MACROS = """
create or replace macro draw(seed, salt, n) as cast(hash(seed, salt, {seed}) % n as bigint);
create or replace macro id(seed, salt) as cast(md5(concat(seed, salt, {seed})) as uuid);
create or replace macro dollars(cents) as cast(cents / 100 as decimal(18, 2));
create or replace macro price(product) as dollars(500 + draw(product, 'price', 9500));
"""

_SESSIONS = """
    select
        seed,
        id(seed, 'session') as session_id,
        id(case when draw(seed, 'user', {users}) < {early} or {day} > draw(draw(seed, 'user', {users}), 'joined', 300)
            then draw(seed, 'user', {users}) else draw(seed, 'user', {early}) end, 'user') as user_id,
        timestamp '{midnight}' + to_seconds(draw(seed, 'start', 86400)) as started_at,
        1 + draw(seed, 'views', 6) as views,
        draw(seed, 'buys', 100) < 55 as buys,
        1 + draw(seed, 'carts', 3) as carts,
        20 + draw(seed, 'gap', 180) as gap
    from (select cast({day} as bigint) * 100000000 + range as seed from range({sessions}))
"""

_EVENTS = """
    with sessions as ({sessions}), things as (
        select *, unnest(range(2 * views + 2)) as n from sessions
    ), events as (
        select
            *,
            case when n = 2 * views then 'checkout' when n = 2 * views + 1 then 'package_shipped'
                when n % 2 = 0 then 'page_view' else 'add_to_cart' end as event_type,
            id(draw(concat(seed, '/', n // 2), 'product', {products}), 'product') as product,
            started_at + to_seconds((n // 2) * gap + case when n % 2 = 1 then 7 else 0 end) as happened_at
        from things
        where case when n >= 2 * views then buys when n % 2 = 0 then true else buys and n // 2 < carts end
    )
    select
        id(concat(seed, '/', n), 'event') as event_id,
        session_id,
        user_id,
        case when n >= 2 * views then concat('https://greenery.com/', event_type, '/', id(seed, 'order'))
            else concat('https://greenery.com/product/', product) end as page_url,
        case when n = 2 * views + 1 then started_at + to_seconds(views * gap + 7200 + draw(seed, 'ship', 25000))
            else happened_at end as created_at,
        event_type,
        case when n >= 2 * views then id(seed, 'order') end as order_id,
        case when n < 2 * views then product end as product_id,
        case when n < 2 * views and draw(concat(seed, '/', n), 'late', 1000) < {late_permille}
            then 1 + draw(concat(seed, '/', n), 'by', {latest}) else 0 end as late
    from events
"""

_ITEMS = """
    select distinct on (seed, product)
        seed,
        id(seed, 'order') as order_id,
        id(product, 'product') as product_id,
        1 + draw(concat(seed, '/', product), 'quantity', 3) as quantity,
        price(product) as price
    from (
        select seed, draw(concat(seed, '/', unnest(range(least(views, carts)))), 'product', {products}) as product
        from ({sessions}) where buys and cast({checked_out_at} as date) = {day}
    )
"""

_ORDERS = """
    with items as ({items}), costs as (
        select seed, sum(quantity * price) as order_cost from items group by seed
    ), orders as (
        select
            *,
            {checked_out_at} as checked_out_at,
            checked_out_at + to_seconds(7200 + draw(seed, 'ship', 25000)) as shipped_at,
            shipped_at + to_seconds(86400 + draw(seed, 'deliver', 777600)) as arrived_at,
            dollars(300 + draw(seed, 'shipping', 900)) as shipping_cost,
            case when draw(seed, 'promo', 10) < 1 then draw(seed, 'which', {promos}) end as promo,
        from ({sessions}) join costs using (seed)
    )
    select
        id(seed, 'order') as order_id,
        user_id,
        'promo-' || promo as promo_id,
        id(user_id, 'address') as address_id,
        checked_out_at + to_seconds(1 + draw(seed, 'lag', 5)) as created_at,
        order_cost,
        shipping_cost,
        cast(order_cost + shipping_cost - case when promo is null then 0 else 1 + promo end as decimal(18, 2))
            as order_total,
        case when shipped_at < as_of then id(seed, 'tracking') end as tracking_id,
        case when shipped_at < as_of then ['ups', 'fedex', 'usps', 'dhl'][1 + draw(seed, 'service', 4)] end
            as shipping_service,
        case when shipped_at < as_of and draw(seed, 'estimated', 10) > 0
            then shipped_at + to_days(3 + draw(seed, 'estimate', 5)) end as estimated_delivery_at,
        case when arrived_at < as_of then arrived_at end as delivered_at,
        case when arrived_at < as_of then 'delivered' when shipped_at < as_of then 'shipped' else 'preparing' end
            as status
    from orders cross join (select timestamp '{as_of}' as as_of)
"""

_CHECKED_OUT_AT = "started_at + to_seconds(views * gap)"

_USERS = """
    select
        id(range, 'user') as user_id,
        'Given' || range as first_name,
        'Family' || range as last_name,
        'user' || range || '@greenery.example' as email,
        '555-' || lpad(cast(range % 10000000 as varchar), 7, '0') as phone_number,
        timestamp '{first_day}' + to_days(joined) - to_days(1) as created_at,
        timestamp '{first_day}' + to_days(joined) as updated_at,
        id(id(range, 'user'), 'address') as address_id,
        joined
    from (
        select range, case when range < {early} then -1 else draw(range, 'joined', 300) end as joined
        from range({users})
    )
"""


class History:
    """Writes the files of a shop into a source folder, Parquet unless a name ends in .csv."""

    def __init__(self, shop: Shop, folder: Path, memory_limit: str = "4GB") -> None:
        self.shop, self.folder = shop, folder
        self.connection = duckdb.connect(config={"memory_limit": memory_limit, "threads": 2})
        self.connection.execute(_MACROS.format(seed=shop.seed))
        self.early = max(1, shop.users * 7 // 10)

    def write_basics(self) -> None:
        """Products, promotions and, in one file each, the users and addresses from before the first day."""
        self._write(
            "products.parquet",
            "select id(range, 'product') as product_id, 'Plant ' || range as name, price(range) as price, "
            f"100 + range as inventory from range({PRODUCTS})",
        )
        self._write(
            "promos.parquet",
            "select 'promo-' || range as promo_id, dollars(100 + 100 * range) as discount, 'active' as status "
            f"from range({PROMOS})",
        )
        self.write_users(-1)

    def write_users(self, number: int) -> None:
        """The users who joined on a day, and their addresses."""
        users = _USERS.format(first_day=self.shop.first_day, early=self.early, users=self.shop.users)
        for table, columns in (
            ("users", "* exclude (joined)"),
            (
                "addresses",
                "address_id, 'Street ' || hash(address_id) % 1000 as address, "
                "lpad(cast(hash(address_id) % 100000 as varchar), 5, '0') as zipcode, 'Ohio' as state, "
                "'United States' as country",
            ),
        ):
            self._write(f"{table}/{number + 1:04}.parquet", f"select {columns} from ({users}) where joined = {number}")

    def write_events(self, number: int, name: str | None = None) -> None:
        """The events that arrived on a day: those that happened on it, and late ones of the days before."""
        first = number - 1 - (self.shop.latest if self.shop.late_permille else 0)
        parts = [self._events(day) for day in range(max(0, first), number + 1)]
        self._write(
            name or f"events/{self.shop.day(number)}.parquet",
            f"select * exclude (late) from ({' union all '.join(parts)}) "
            f"where cast(created_at as date) + cast(late as integer) = date '{self.shop.day(number)}' "
            "order by created_at, event_id",
        )

    def write_orders(self, number: int, as_of: int, name: str | None = None) -> None:
        """The orders of a day, in the state that they are in at the end of day `as_of`."""
        sessions, day = self._around(number), f"date '{self.shop.day(number)}'"
        items = _ITEMS.format(sessions=sessions, products=PRODUCTS, checked_out_at=_CHECKED_OUT_AT, day=day)
        orders = _ORDERS.format(
            items=items,
            sessions=sessions,
            promos=PROMOS,
            checked_out_at=_CHECKED_OUT_AT,
            as_of=self.shop.day(as_of + 1),
        )
        self._write(name or f"orders/{self.shop.day(number)}.parquet", f"{orders} order by created_at, order_id")

    def write_items(self, number: int, name: str | None = None) -> None:
        """What was ordered on a day."""
        items = _ITEMS.format(
            sessions=self._around(number),
            products=PRODUCTS,
            checked_out_at=_CHECKED_OUT_AT,
            day=f"date '{self.shop.day(number)}'",
        )
        self._write(
            name or f"order_items/{self.shop.day(number)}.parquet",
            f"select order_id, product_id, quantity from ({items}) order by seed, product_id",
        )

    def write_day(self, number: int) -> None:
        """All that arrives on a day, with what became of the orders before."""
        self.write_users(number)
        self.write_events(number)
        self.write_items(number)
        for day in range(max(0, number - DAYS_IN_MOTION), number + 1):
            self.write_orders(day, as_of=number)

    def write_past(self, days: int) -> None:
        """The source folder as it is after so many days."""
        self.write_basics()
        for number in range(days):
            self.write_users(number)
            self.write_events(number)
            self.write_items(number)
            self.write_orders(number, as_of=days - 1)

    def rewrite(self, name: str, select: str) -> None:
        """A file made anew by a query over itself, `old`."""
        path = self.folder / name
        self.connection.execute(f"create or replace temp table old as from '{path}'")
        self._write(name, select)

    def ends_at(self, days: int) -> datetime:
        """Midnight after so many days."""
        return datetime.combine(self.shop.day(days), datetime.min.time())

    def _around(self, number: int) -> str:
        """The sessions that may have checked out on a day."""
        return " union all ".join(self._sessions(day) for day in (number - 1, number) if day >= 0)

    def _sessions(self, number: int) -> str:
        return _SESSIONS.format(
            day=number,
            midnight=self.shop.day(number),
            sessions=self.shop.sessions,
            users=self.shop.users,
            early=self.early,
        )

    def _events(self, number: int) -> str:
        return (
            "("
            + _EVENTS.format(
                sessions=self._sessions(number),
                products=PRODUCTS,
                late_permille=self.shop.late_permille,
                latest=self.shop.latest,
            )
            + ")"
        )

    def _write(self, name: str, select: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        there = {row[0] for row in self.connection.execute(f"describe {select}").fetchall()}
        columns = contract_columns()[name.partition("/")[0].partition(".")[0]].items()
        # What the contract has gained since this was written has no values here.
        if missing := [f"cast(null as {of}) as {column}" for column, of in columns if column not in there]:
            select = f"select *, {', '.join(missing)} from ({select})"
        kind = "csv, header" if path.suffix == ".csv" else "parquet"
        # Into place at once: nobody reads half a file.
        part = path.with_name(f"_{path.name}")
        self.connection.execute(f"copy ({select}) to '{part}' (format {kind})")
        part.rename(path)
