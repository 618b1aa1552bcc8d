"""Rebuilt by day against rebuilt in full: a random sequence of loads, after which every mart equals a full rebuild.

Belongs here: what goes wrong at a source over the weeks, and how runs end early. What a day's files hold is history.py.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.history import History, Shop
from bench.warehouse import Bench, Built, differences

# What an exporter may do to a file of events.
_CHANGES = {
    "lost": "from old where hash(event_id) % 20 > 0",
    "shifted": "select * replace (created_at + to_seconds(cast(hash(event_id) % 900 as bigint)) as created_at) "
    "from old",
    "tied": "select * replace (date_trunc('hour', created_at) as created_at) from old",
    "retyped": "select * replace (case when event_type = 'page_view' and hash(event_id) % 9 = 0 then 'add_to_cart' "
    "else event_type end as event_type) from old",
    "unordered": "select * replace (case when hash(event_id) % 5 = 0 then null else order_id end as order_id) from old",
}
# These break a guard: no run goes by day until the file is right again.
_BREAKING = {
    "regrouped": "select * replace (case when hash(event_id) % 30 = 0 then (select any_value(session_id) from old) "
    "else session_id end as session_id) from old",
    "aged": "select * replace (case when hash(event_id) % 50 = 0 then created_at - to_days(9) else created_at end as "
    "created_at) from old",
}
_ORDER_CHANGES = {
    "redated": "select * replace (created_at - to_days(cast(hash(order_id) % 2 as integer)) as created_at) from old",
    "lost": "from old where hash(order_id) % 10 > 0",
    "all lost": "from old where false",
    "handed over": "select * replace (case when hash(order_id) % 7 = 0 then (select any_value(user_id) from old) "
    "else user_id end as user_id) from old",
}
_ITEM_CHANGES = {
    "more": "select * replace (quantity + cast(hash(order_id) % 2 as bigint) as quantity) from old",
    "lost": "from old where hash(order_id, product_id) % 10 > 0",
}
_OF_NOBODY = "select * replace (case when hash(event_id) % 40 = 0 then uuid() else user_id end as user_id) from old"

# What is planted would fail most checks; a run that an ERROR shall hold back has them.
_WITHOUT_CHECKS = ("--exclude-resource-type", "test")
# What a run that was stopped may leave built, with all that comes before it.
_STOPS = [
    ["+dim_orders"],
    ["+dim_events"],
    ["+int_page_views"],
    ["+int_page_views", "+int_fact_orders"],
    ["+int_sessions", "+int_user_orders"],
    ["+fact_page_views", "+fact_orders"],
    ["staging"],
]


@dataclass(frozen=True)
class Compared:
    """A comparison after a load; `by_day` of its `runs` rebuilt days, and not everything.

    `different` has the rows that differ by mart, `rows` those of int_page_views, `happened` what had gone wrong so far.
    """

    load: int
    different: dict[str, int]
    rows: int
    happened: tuple[str, ...]
    runs: int
    by_day: int


def compare_over_loads(
    folder: Path,
    *,
    loads: int,
    every: int,
    seed: int,
    events_a_day: int = 400,
    bench: Callable[[Path, Path], Bench] = Bench,
) -> Iterator[Compared]:
    """Load and build day by day in `folder`, comparing with a full rebuild after every `every`-th load."""
    shop = Shop.of_events(events_a_day)
    shop = Shop(shop.sessions, shop.users // 20, late_permille=60, latest=8, seed=seed)
    source = Source(History(shop, folder / "source"), seed)
    kept = Kept(bench(folder / "kept" / "greenery.duckdb", source.history.folder))
    for load in range(1, loads + 1):
        source.next_day()
        chance = source.chance.random()
        if load % every == 0:
            kept.run(*_WITHOUT_CHECKS)
        elif source.is_held_back:
            held = [name.split(".")[2] for name in kept.run().skipped if name.startswith("model.")]
            source.note(f"ERRORs held back {', '.join(held) or 'nothing'}")
        elif chance < 0.3:
            select = source.chance.choice(_STOPS)
            kept.run(*_WITHOUT_CHECKS, "--select", *select)
            source.note(f"only {', '.join(select)} built")
        else:
            kept.run(*_WITHOUT_CHECKS)
            if chance > 0.7:
                # A load that brings nothing and takes something away.
                source.note(f"then only {source.remove_file()} removed")
                kept.run(*_WITHOUT_CHECKS)
        if load % every == 0:
            full = bench(folder / "full" / "greenery.duckdb", source.history.folder)
            full.load()
            full.build("build", *_WITHOUT_CHECKS)
            rows = full.query("select count(*) from product.int_page_views")[0][0]
            different = differences(kept.bench.warehouse, full.warehouse)
            yield Compared(load, different, rows, tuple(source.happened), kept.runs, kept.by_day)
            shutil.rmtree(full.warehouse.parent)


class Kept:
    """The warehouse that is rebuilt by day, and how many of its runs were."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.runs, self.by_day = bench, 0, 0

    def run(self, *arguments: str) -> Built:
        """Load and build."""
        self.bench.load()
        was_complete = self.runs and self.bench.query("from landing.complete_runs where what = 'built'")
        built = self.bench.build("build", *arguments)
        self.runs += 1
        self.by_day += bool(was_complete and not self.bench.query("from landing.broken_guards"))
        return built


class Source:
    """A source folder that grows by a day at a time, while things go wrong in it; `happened` says what."""

    def __init__(self, history: History, seed: int) -> None:
        self.history, self.chance = history, random.Random(seed)
        self.happened: list[str] = []
        self._gone: list[Path] = []
        # Days whose event files are to be written again, by the number of days there are by then.
        self._to_fix: dict[int, int] = {}
        self._held_until = 0
        history.write_basics()
        # Enough of a past that late and changed files have something to change.
        self.days = 5
        for number in range(self.days):
            history.write_day(number)

    @property
    def is_held_back(self) -> bool:
        """Whether events fail a check that holds back what is built from them, unless they are gone meanwhile."""
        return self.days < self._held_until

    def next_day(self) -> None:
        """The files of one more day, and what goes wrong with those of all days."""
        self.history.write_day(self.days)
        self.days += 1
        for number in [number for number, until in self._to_fix.items() if until <= self.days]:
            del self._to_fix[number]
            self._write_again(number)
        for share, happen in (
            (0.3, self._bring_back),
            (0.35, lambda: self._change("events", _CHANGES)),
            (0.07, lambda: self._change("events", _BREAKING, fixed_after=1)),
            (0.08, self._hold_back),
            (0.15, lambda: self.note(f"{self.remove_file()} removed")),
            (0.1, self._move_a_file),
            (0.1, self._empty_a_day),
            (0.2, lambda: self._write_again(self.chance.randrange(self.days))),
            (0.25, lambda: self._change("orders", _ORDER_CHANGES)),
            (0.2, lambda: self._change("order_items", _ITEM_CHANGES)),
            (0.1, lambda: self._rename_all("users/0000", "first_name")),
            (0.1, lambda: self._rename_all("products", "name")),
        ):
            if self.chance.random() < share:
                happen()

    def note(self, what: str) -> None:
        """Keep what happened on the day."""
        self.happened.append(f"day {self.days}: {what}")

    def remove_file(self) -> str:
        """The name of a file of events, not the newest, that is not found from here on; it may come back."""
        path = self.chance.choice(self._event_files()[:-1])
        path.rename(path.with_name(f"_{path.name}"))
        self._gone.append(path)
        return f"events/{path.name}"

    def _event_files(self) -> list[Path]:
        return sorted((self.history.folder / "events").glob("[0-9]*.parquet"))

    def _file_of(self, table: str, number: int) -> Path | None:
        """The file of a day, whatever its name is by now; None while it is away."""
        return next((self.history.folder / table).glob(f"{self.history.shop.day(number)}*.parquet"), None)

    def _write_again(self, number: int) -> None:
        """The events of a day as they were at first."""
        if path := self._file_of("events", number):
            path.unlink()
        self.history.write_events(number)
        day = str(self.history.shop.day(number))
        self._gone[:] = [path for path in self._gone if not path.name.startswith(day)]
        self.note(f"events of {day} written again")

    def _change(self, table: str, changes: Mapping[str, str], fixed_after: int | None = None) -> None:
        """A file of a table changes, in one of these ways; it is as before after so many days."""
        kind, change = self.chance.choice(list(changes.items()))
        path = None
        while path is None:
            number = self.chance.randrange(self.days)
            path = self._file_of(table, number)
        if table == "orders":
            # From what it was, or several changes of a date add up until a guard is broken for good.
            self.history.write_orders(number, as_of=self.days - 1)
        self.history.rewrite(f"{table}/{path.name}", change)
        self.note(f"{table}/{path.name} {kind}")
        if fixed_after:
            self._to_fix[number] = self.days + fixed_after

    def _hold_back(self) -> None:
        if not self.is_held_back:
            self._held_until = self.days + 2
            self._change("events", {"of nobody": _OF_NOBODY}, fixed_after=2)

    def _bring_back(self) -> None:
        if self._gone:
            path = self._gone.pop()
            path.with_name(f"_{path.name}").rename(path)
            self.note(f"events/{path.name} came back")

    def _move_a_file(self) -> None:
        path = self.chance.choice(self._event_files())
        path.rename(path.with_name(f"{path.stem}_moved.parquet"))
        self.note(f"events/{path.name} moved to another name")

    def _rename_all(self, table: str, column: str) -> None:
        self.history.rewrite(f"{table}.parquet", f"select * replace ({column} || '*' as {column}) from old")
        self.note(f"{table} changed")

    def _empty_a_day(self) -> None:
        """No file has events of a day any more."""
        day = self.history.shop.day(self.chance.randrange(self.days - 1))
        for path in self._event_files():
            self.history.rewrite(f"events/{path.name}", f"from old where cast(created_at as date) <> date '{day}'")
        self.note(f"no events of {day} any more")
