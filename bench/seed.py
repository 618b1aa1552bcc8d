"""The analysts' own formulation of the seed's marts against the project's SQL: cpu, and the results row by row.

What is compared: the six tables that the seed describes of its core, marketing and product marts, each written as a
table from the same `dim_events`, `dim_orders` and `dim_order_items`, by the same DuckDB with the same threads and
memory limit, each side in a process of its own. The seed tells its marts in words only; `SEED` is those words as plain
SQL: a subquery in the select list for what is in another row, equal dates for the first and the last order, `avg` of
seconds. Where the words leave a choice, the cheaper one was taken: sessions by session_id alone, one order a session,
one aggregate a subquery, which DuckDB turns into a join. The project's side is what dbt ran in a full build. Neither
side runs tests or rebuilds by day.

What the seed gets wrong by design is counted by cause (`CAUSES`); a difference without a cause is a fault of one side.
Midnight is no cause where all is built at once, nor are equal timestamps in a session, as both sides look for a later
event. The generator's times are whole seconds, so that counting in seconds loses nothing.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from bench.history import History, Shop
from bench.statements import THREADS, Cost, cost_of
from bench.warehouse import Bench

INPUTS = ["core.dim_events", "core.dim_orders", "core.dim_order_items"]

SEED = {
    "product.int_page_views": """
        select
            e.event_id, e.session_id, e.user_id, e.event_type, e.product_id, e.created_at as start_time,
            (
                select min(n.created_at) from core.dim_events as n
                where n.session_id = e.session_id and n.created_at > e.created_at
            ) as stop_time,
            coalesce(e.order_id, (
                select max(c.order_id) from core.dim_events as c
                where c.session_id = e.session_id and c.event_type = 'checkout'
            )) as order_id
        from core.dim_events as e
    """,
    "product.fact_page_views": """
        select
            user_id, order_id, event_type, count(distinct session_id) as number_of_sessions,
            avg(date_diff('second', start_time, stop_time)) as avg_duration_seconds
        from product.int_page_views
        where order_id is not null and stop_time is not null
        group by user_id, order_id, event_type
    """,
    "core.int_fact_orders": """
        select
            o.user_id, o.order_id, o.order_date, o.status, o.order_total, o.promo_id,
            (select min(f.order_date) from core.dim_orders as f where f.user_id = o.user_id) as first_order_date,
            (select max(l.order_date) from core.dim_orders as l where l.user_id = o.user_id) as last_order_date,
            (select sum(i.quantity) from core.dim_order_items as i where i.order_id = o.order_id) as number_of_items
        from core.dim_orders as o
    """,
    "core.fact_orders": """
        select
            user_id, order_id, order_date, order_total as amount, promo_id, number_of_items,
            case when order_date = first_order_date then 'Y' else 'N' end as is_first_order,
            case when order_date = last_order_date then 'Y' else 'N' end as is_last_order
        from core.int_fact_orders
    """,
    "marketing.int_user_orders": """
        select
            o.user_id, o.order_id, o.address_id, o.order_date, o.order_cost, o.shipping_cost, o.order_total,
            (
                select min(e.created_at) from core.dim_events as e
                where e.order_id = o.order_id and e.event_type = 'package_shipped'
            ) as ship_date,
            o.delivered_at as order_delivered_date, o.estimated_delivery_at, o.status
        from core.dim_orders as o
    """,
    "marketing.fact_user_orders": """
        select
            user_id, count(*) as number_of_orders, count(order_delivered_date) as number_of_orders_delivered,
            sum(order_total) as total_spent, cast(avg(order_total) as decimal(18, 2)) as avg_spent_per_order,
            avg(date_diff('second', order_date, ship_date)) as avg_prep_seconds,
            avg(date_diff('second', ship_date, order_delivered_date)) as avg_ship_seconds
        from marketing.int_user_orders
        group by user_id
    """,
}

KEYS = {
    "product.int_page_views": ["event_id"],
    "product.fact_page_views": ["user_id", "order_id", "event_type"],
    "core.int_fact_orders": ["order_id"],
    "core.fact_orders": ["order_id"],
    "marketing.int_user_orders": ["order_id"],
    "marketing.fact_user_orders": ["user_id"],
}

# Sessions, orders and users of which the seed's words tell another story than the data, by the name of the cause.
_SUSPECTS = {
    "several users in a session": """
        select session_id from inputs.core.dim_events group by session_id having count(distinct user_id) > 1
    """,
    "several checkouts in a session": """
        select session_id from inputs.core.dim_events where event_type = 'checkout'
        group by session_id having count(distinct order_id) > 1
    """,
    "several first or last orders": """
        select order_id from (
            select
                order_id, order_date, count(*) over (partition by user_id, order_date) as tied,
                min(order_date) over (partition by user_id) as first,
                max(order_date) over (partition by user_id) as last
            from inputs.core.dim_orders
        ) where tied > 1 and order_date in (first, last)
    """,
    "no item in an order": "select order_id from inputs.core.dim_orders "
    "where order_id not in (select order_id from inputs.core.dim_order_items)",
    # DuckDB's mean of money is a rounded double, which may lie on either side.
    "a mean of half a cent": """
        select user_id from inputs.core.dim_orders group by user_id
        having cast(sum(order_total) * 200 as hugeint) % (2 * count(*)) = count(*)
    """,
}
_USERS, _CHECKOUTS, _TIED, _EMPTY, _HALVES = _SUSPECTS
_OF_SESSION = """order_id in (
    select order_id from project.product.int_page_views where session_id in (from "{0}")
    union all select order_id from seed.product.int_page_views where session_id in (from "{0}")
)"""

CAUSES: Mapping[str, Mapping[str, str]] = {
    "product.int_page_views": {name: f'session_id in (from "{name}")' for name in (_USERS, _CHECKOUTS)},
    "product.fact_page_views": {name: _OF_SESSION.format(name) for name in (_USERS, _CHECKOUTS)},
    "core.int_fact_orders": {_EMPTY: f'order_id in (from "{_EMPTY}")'},
    "core.fact_orders": {name: f'order_id in (from "{name}")' for name in (_TIED, _EMPTY)},
    "marketing.int_user_orders": {},
    "marketing.fact_user_orders": {_HALVES: f'user_id in (from "{_HALVES}")'},
}
UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Compared:
    """Rows of the project's table and, by cause, the keys of which the two tables tell differently."""

    rows: int
    different: Mapping[str, int]


class Rivals:
    """A shop's days with about so many events in all, and what both sides make of them, below `folder`."""

    def __init__(self, folder: Path, events: int, days: int, memory_limit: str) -> None:
        self.folder, self.memory_limit = folder, memory_limit
        source = folder / "source"
        self.history = History(Shop.of_events(round(events / days)), source, memory_limit)
        self.history.write_past(days)
        self.bench = Bench(folder / "inputs" / "greenery.duckdb", source, GREENERY_MEMORY_LIMIT=memory_limit)

    def prepare(self) -> None:
        """Build the tables that both sides read, and have dbt write the project's statements."""
        self.bench.load()
        tables = [name.rpartition(".")[2] for name in KEYS]
        self.bench.build(
            "build", "--exclude-resource-type", "test", "--full-refresh", "--select", *(f"+{name}" for name in tables)
        )

    def _statements(self) -> dict[str, dict[str, str]]:
        """What each side runs, by side and table."""
        ran = self.bench.target / "run" / "greenery" / "models" / "marts"
        return {
            # dbt makes a table beside the one that it replaces.
            "project": {
                name: (ran / f"{name.replace('.', '/')}.sql").read_text().replace("__dbt_tmp", "") for name in KEYS
            },
            "seed": {name: f"create table {name} as {SEED[name]}" for name in KEYS},
        }

    def pairs(self, count: int) -> Iterator[dict[str, Cost]]:
        """Both sides so many times, one after the other, each beginning every other time.

        Raises RuntimeError where a side does not get through.
        """
        sides = list(self._statements().items())
        for number in range(count):
            yield {
                side: cost_of(statements, self.result(side), self.bench.warehouse, INPUTS, self.memory_limit)
                for side, statements in (sides if number % 2 == 0 else reversed(sides))
            }

    def floor(self) -> float:
        """Cpu seconds of reading what the six tables need of the inputs once, and of writing the tables once.

        Writing is what copying the project's tables costs less what reading them costs. No SQL that tells the same is
        cheaper.
        """
        read = self._reading(self.bench.warehouse, INPUTS, but=("page_url",))
        copies = {name: f"create table {name} as from inputs.{name}" for name in KEYS}
        copied = cost_of(copies, self.result("floor"), self.result("project"), [], self.memory_limit)
        return read + copied.cpu - self._reading(self.result("project"), list(KEYS))

    def _reading(self, warehouse: Path, tables: list[str], but: tuple[str, ...] = ()) -> float:
        statements = {}
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            for name in tables:
                columns = [column for column, *_ in connection.table(name).description if column not in but]
                highest = ", ".join(f"max({column}) as {column}" for column in columns)
                made = f"read.{name.replace('.', '_')}"
                statements[made] = f"create table {made} as select {highest} from inputs.{name}"
        return cost_of(statements, self.result("read"), warehouse, [], self.memory_limit).cpu

    def remove(self) -> None:
        """All files, which take room that the next size needs."""
        shutil.rmtree(self.folder)

    def result(self, side: str) -> Path:
        """The warehouse that a side writes; dbt's statements name it."""
        return self.folder / side / self.bench.warehouse.name

    def compared(self) -> dict[str, Compared]:
        """What both sides wrote, row by row, on the columns that both have.

        Means of seconds count as equal within a microsecond: each side divides and rounds in its own order.
        """
        config: dict[str, Any] = {"memory_limit": self.memory_limit, "threads": THREADS}
        with duckdb.connect(config=config) as connection:
            connection.execute("set enable_progress_bar = false")
            for name, path in (
                ("inputs", self.bench.warehouse),
                *((side, self.result(side)) for side in ("project", "seed")),
            ):
                connection.execute(f"attach '{path}' as {name} (read_only)")
            for cause, query in _SUSPECTS.items():
                connection.execute(f'create temp table "{cause}" as {query}')
            return {table: _compared(connection, table) for table in KEYS}


def _compared(connection: duckdb.DuckDBPyConnection, table: str) -> Compared:
    types = {name: kind for name, kind, *_ in connection.execute(f"describe project.{table}").fetchall()}
    both = [name for name, *_ in connection.execute(f"describe seed.{table}").fetchall() if name in types]
    apart = " or ".join(_apart(name, types[name]) for name in both)
    ids = [name for name in ("session_id", "order_id", "user_id") if name in both]
    shown = ", ".join(f"coalesce(p.{name}, s.{name}) as {name}" for name in ids)
    connection.execute(
        f"create or replace temp table apart as select {shown} "
        f"from (select *, true as here from project.{table}) as p "
        f"full join (select *, true as here from seed.{table}) as s "
        f"on {' and '.join(f'p.{key} = s.{key}' for key in KEYS[table])} "
        f"where p.here is null or s.here is null or {apart}"
    )
    cases = " ".join(f"when {condition} then '{cause}'" for cause, condition in CAUSES[table].items())
    cause = f"case {cases} else '{UNEXPLAINED}' end" if cases else f"'{UNEXPLAINED}'"
    found = connection.execute(f"select {cause} as cause, count(*) from apart group by cause order by cause").fetchall()
    row = connection.execute(f"select count(*) from project.{table}").fetchone()
    assert row
    return Compared(row[0], dict(found))


def _apart(name: str, kind: str) -> str:
    if kind == "DOUBLE":
        return f"coalesce(abs(p.{name} - s.{name}) > 1e-6, p.{name} is not null or s.{name} is not null)"
    return f"p.{name} is distinct from s.{name}"
