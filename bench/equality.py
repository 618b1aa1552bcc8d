"""Incremental against full: a randomised sequence of daily loads, after which every mart equals a full rebuild.

Loads bring late events, changed files, files that vanish and come back, status updates of orders, sessions across
midnight; now and then a build stops half way, as a failed check makes it.
"""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.history import History, Shop
from bench.warehouse import Bench, differences

# What an exporter may do to a file of events: rows lost, added twice over other ids, moved in time, mended.
_CHANGES = {
    "lost": "from old where hash(event_id) % 20 > 0",
    "moved": "select * replace (created_at + to_seconds(cast(hash(event_id) % 900 as bigint)) as created_at) from old",
    "retyped": "select * replace (case when event_type = 'page_view' and hash(event_id) % 9 = 0 then 'add_to_cart' "
    "else event_type end as event_type) from old",
    "regrouped": "select * replace (case when hash(event_id) % 30 = 0 then (select any_value(session_id) from old) "
    "else session_id end as session_id) from old",
    "unordered": "select * replace (case when hash(event_id) % 5 = 0 then null else order_id end as order_id) from old",
    "aged": "select * replace (case when hash(event_id) % 50 = 0 then created_at - to_days(9) else created_at end as "
    "created_at) from old",
}
_ORDER_CHANGES = {
    "redated": "select * replace (created_at - to_days(cast(hash(order_id) % 4 as integer)) as created_at) from old",
    "lost": "from old where hash(order_id) % 10 > 0",
    "handed_over": "select * replace (case when hash(order_id) % 7 = 0 then (select any_value(user_id) from old) "
    "else user_id end as user_id) from old",
}
_ITEM_CHANGES = {
    "more": "select * replace (quantity + cast(hash(order_id) % 2 as bigint) as quantity) from old",
    "lost": "from old where hash(order_id, product_id) % 10 > 0",
}


@dataclass(frozen=True)
class Compared:
    """A comparison after a load: rows that differ by mart, rows of int_page_views, and what had happened until then."""

    load: int
    different: dict[str, int]
    rows: int
    happened: tuple[str, ...]


def compare_over_loads(
    folder: Path, *, loads: int, every: int, seed: int, events_a_day: int = 400, bench: type[Bench] = Bench
) -> Iterator[Compared]:
    """Load and build day by day in `folder`, comparing with a full rebuild after every `every`-th load."""
    chance = random.Random(seed)
    shop = Shop.of_events(events_a_day)
    shop = Shop(shop.sessions, shop.users // 20, late_permille=60, latest=8, seed=seed)
    source = folder / "source"
    history = History(shop, source)
    kept = bench(folder / "kept" / "greenery.duckdb", source)
    history.write_basics()
    # Enough of a past that late and changed files have something to change.
    for number in range(5):
        history.write_day(number)
    happened: list[str] = []
    gone: list[Path] = []
    broken: list[Path] = []
    for load in range(1, loads + 1):
        history.write_day(load + 4)
        happened += [f"{load}: {what}" for what in _disturb(history, load + 4, chance, gone, broken)]
        kept.load()
        stopped = load % every and chance.random() < 0.2
        select = chance.sample(_STOPS, 1)[0] if stopped else []
        if select:
            happened.append(f"{load}: only {', '.join(select)} built")
        kept.build("build", *_WITHOUT_CHECKS, *(["--select", *select] if select else []))
        if chance.random() < 0.15:
            # A load that brings nothing and takes something away.
            happened.append(f"{load}: then only {_taken_away(history, chance, gone)} removed")
            kept.load()
            kept.build("build", *_WITHOUT_CHECKS)
        if load % every == 0:
            full = bench(folder / "full" / "greenery.duckdb", source)
            full.load()
            full.build("build", *_WITHOUT_CHECKS)
            rows = full.query("select count(*) from product.int_page_views")[0][0]
            yield Compared(load, differences(kept.warehouse, full.warehouse), rows, tuple(happened))
            shutil.rmtree(full.warehouse.parent)


# The planted faults would fail them.
_WITHOUT_CHECKS = ("--exclude-resource-type", "test")
# What a failed check may leave built, with all that comes before it.
_STOPS = [
    ["+dim_orders"],
    ["+dim_events"],
    ["+int_page_views"],
    ["+int_page_views", "+int_fact_orders"],
    ["+int_sessions", "+int_user_orders"],
    ["+fact_page_views", "+fact_orders"],
    ["staging"],
]


def _taken_away(history: History, chance: random.Random, gone: list[Path]) -> str:
    """The name of a file of events, not the last, that is not found from here on; it may come back."""
    path = chance.choice(sorted((history.folder / "events").glob("[0-9]*.parquet"))[:-1])
    path.rename(path.with_name(f"_{path.name}"))
    gone.append(path)
    return path.name


def _disturb(
    history: History, number: int, chance: random.Random, gone: list[Path], broken: list[Path]
) -> Iterator[str]:
    """What goes wrong at the source on a day, in words."""
    events = sorted((history.folder / "events").glob("[0-9]*.parquet"))
    for path in [path for path in broken if path.exists()]:
        history.write_events((date.fromisoformat(path.stem) - history.shop.first_day).days)
        broken.remove(path)
        yield f"events {path.name} fixed"
    if gone and chance.random() < 0.5:
        path = gone.pop()
        path.with_name(f"_{path.name}").rename(path)
        yield f"{path.name} came back"
    if chance.random() < 0.3:
        kind, change = chance.choice(list(_CHANGES.items()))
        path = chance.choice(events)
        history.rewrite(f"events/{path.name}", change)
        # As long as it is so, no run goes by day.
        broken += [path] if kind in ("regrouped", "aged") else []
        yield f"events {path.name} {kind}"
    if chance.random() < 0.15:
        yield f"events {_taken_away(history, chance, gone)} removed"
    if chance.random() < 0.2:
        old = chance.randrange(number)
        history.write_events(old)
        gone[:] = [path for path in gone if path.name != f"{history.shop.day(old)}.parquet"]
        yield f"events of {history.shop.day(old)} written anew"
    if chance.random() < 0.2:
        kind, change = chance.choice(list(_ORDER_CHANGES.items()))
        name = f"orders/{history.shop.day(chance.randrange(number))}.parquet"
        history.rewrite(name, change)
        yield f"{name} {kind}"
    if chance.random() < 0.2:
        kind, change = chance.choice(list(_ITEM_CHANGES.items()))
        name = f"order_items/{history.shop.day(chance.randrange(number))}.parquet"
        history.rewrite(name, change)
        yield f"{name} {kind}"
    if chance.random() < 0.1:
        history.rewrite("users/0000.parquet", "select * replace (first_name || '*' as first_name) from old")
        yield "users changed"
    if chance.random() < 0.1:
        history.rewrite("products.parquet", "select * replace (name || '*' as name) from old")
        yield "products changed"
