"""Checks that look at what is new and at what failed before find what the same checks find in all of the data."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from bench.history import History, Shop
from bench.warehouse import Bench
from tests.conftest import RunJob
from tests.dbt_here import BenchHere
from tests.job import Home, Outcome

pytestmark = [
    pytest.mark.slow,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

# What an exporter may do to the files of a day, by the checks that must see it.
WARNINGS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("page_url_names_its_product_or_order",): (
        "events",
        "select * replace (page_url || case when hash(event_id) % 9 = 0 then '0' else '' end as page_url) from old",
    ),
    ("order_id_is_on_checkouts_and_shipments_only", "order_status_agrees_with_its_facts"): (
        "events",
        "select * replace (case when event_type = 'package_shipped' and hash(event_id) % 2 = 0 then null else order_id "
        "end as order_id) from old",
    ),
    ("ordered_products_are_what_was_put_in_the_cart",): (
        "events",
        "from old where event_type <> 'add_to_cart' or hash(event_id) % 4 > 0",
    ),
    ("session_lasts_less_than_a_day",): (
        "events",
        # To the day after the session began, which no guard minds.
        "select * replace (case when event_type = 'package_shipped' and hour(created_at) >= 12 then created_at + "
        "to_days(1) else created_at end as created_at) from old",
    ),
    ("order_total_is_cost_plus_shipping_minus_discount",): (
        "orders",
        "select * replace (order_total + 1 as order_total) from old where hash(order_id) % 4 > 0",
    ),
    ("order_cost_is_the_sum_of_its_items",): (
        "order_items",
        "select * replace (quantity + 1 as quantity) from old where hash(order_id) % 2 = 0",
    ),
}
ERRORS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("event_belongs_to_a_known_user", "session_belongs_to_one_user", "checkout_belongs_to_its_order_and_user"): (
        "events",
        "select * replace (case when hash(event_id) % 9 = 0 then uuid() else user_id end as user_id) from old",
    ),
    ("events_product_exists",): (
        "events",
        "select * replace (case when hash(event_id) % 7 = 0 then uuid() else product_id end as product_id) from old",
    ),
    ("order_has_at_most_one_checkout", "order_has_at_most_one_shipment"): (
        "events",
        "from old union all select * replace (uuid() as event_id, created_at + to_seconds(1) as created_at) from old "
        "where order_id is not null and hash(event_id) % 4 = 0",
    ),
    ("events_key_is_unique_and_set",): ("events", "from old union all from old where hash(event_id) % 9 = 0"),
    ("order_items_order_exists",): ("orders", "from old where hash(order_id) % 4 > 0"),
    ("orders_key_is_unique_and_set",): ("orders", "from old union all from old where hash(order_id) % 3 = 0"),
    ("order_belongs_to_a_known_user",): (
        "orders",
        "select * replace (case when hash(order_id) % 5 = 0 then uuid() else user_id end as user_id) from old",
    ),
    ("order_has_its_checkout",): (
        "orders",
        "from old union all select * replace (uuid() as order_id) from old where hash(order_id) % 3 = 1",
    ),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, Bench]:
    """A shop after a few sound days, loaded and built."""
    folder = tmp_path_factory.mktemp("shop")
    history = History(Shop.of_events(300), folder / "source")
    history.write_past(4)
    bench = BenchHere(folder / "greenery.duckdb", folder / "source")
    bench.load()
    assert bench.build().failed == ()
    return history, bench


def failing_rows(bench: Bench, checks: str, *arguments: str) -> dict[str, int]:
    """Rows that each check keeps after it looked at `new` or `all`, of the checks that could be evaluated."""
    bench.environment["GREENERY_CHECKS"] = checks
    built = bench.build("build", *arguments)
    with duckdb.connect(str(bench.warehouse), read_only=True) as connection:
        return {
            name: connection.execute(f"select count(*) from quality.{name}").fetchall()[0][0]
            for unique_id, seconds in built.seconds.items()
            if unique_id.startswith("test.") and seconds > 0
            for name in [unique_id.split(".")[2]]
        }


def write_next_day(history: History, defects: Mapping[tuple[str, ...], tuple[str, str]]) -> int:
    """One day more, with defects; its number."""
    number = len(list((history.folder / "events").iterdir()))
    history.write_day(number)
    for table, change in defects.values():
        history.rewrite(f"{table}/{history.shop.day(number)}.parquet", change)
    return number


@pytest.mark.parametrize(
    "defects",
    [pytest.param(WARNINGS, id="warnings"), pytest.param(ERRORS, id="errors", marks=pytest.mark.slowest)],
)
def test_defects_of_a_new_day_are_found_kept_in_mind_and_forgotten(
    defects: Mapping[tuple[str, ...], tuple[str, str]], shop: tuple[History, Bench]
) -> None:
    history, bench = shop
    number = write_next_day(history, defects)
    bench.load()
    found = failing_rows(bench, "new")
    assert {name for names in defects for name in names if not found[name]} == set()
    in_all = failing_rows(bench, "all", "--select", "resource_type:test")
    assert found.items() <= in_all.items()
    # Nothing came: what failed still does.
    bench.load()
    assert failing_rows(bench, "new").items() <= in_all.items()
    history.write_day(number)
    bench.load()
    assert {name: rows for name, rows in failing_rows(bench, "new").items() if rows} == {}


@pytest.mark.slowest
def test_what_was_built_without_its_checks_is_looked_at_by_the_next(shop: tuple[History, Bench]) -> None:
    history, bench = shop
    number = write_next_day(history, WARNINGS)
    bench.load()
    bench.build("build", "--exclude-resource-type", "test")
    bench.load()
    found = failing_rows(bench, "new")
    assert {name for names in WARNINGS for name in names if not found[name]} == set()
    assert found.items() <= failing_rows(bench, "all", "--select", "resource_type:test").items()
    # As errors stopped some of the checks, all are to look at these days again.
    assert bench.query("select count(distinct load_id) from landing.complete_runs") == [(2,)]
    history.write_day(number)
    bench.load()
    assert {name: rows for name, rows in failing_rows(bench, "new").items() if rows} == {}
    assert bench.query("select count(distinct load_id) from landing.complete_runs") == [(1,)]


# What an exporter may do to files of an old day, by a check that must see it in what is old as well.
OF_AN_OLD_DAY: Mapping[str, tuple[str, str]] = {
    "order_items_order_exists": ("orders/{day}.parquet", "from old where hash(order_id) % 4 > 0"),
    "order_has_its_checkout": (
        "events/{day}.parquet",
        "from old where event_type <> 'checkout' or hash(event_id) % 4 > 0",
    ),
    "event_belongs_to_a_known_user": ("users/0000.parquet", "from old where hash(user_id) % 9 > 0"),
    "order_cost_is_the_sum_of_its_items": ("products.parquet", "select * replace (price + 1 as price) from old"),
    "order_status_agrees_with_its_facts": (
        "events/{day}.parquet",
        "select * replace (case when event_type = 'package_shipped' and hash(event_id) % 2 = 0 then 'page_view' "
        "else event_type end as event_type) from old",
    ),
    "order_is_shipped_after_checkout_and_delivered_after_shipping": (
        "events/{day}.parquet",
        "select * replace (created_at - to_days(case event_type when 'package_shipped' then 9 else 0 end) "
        "as created_at) from old",
    ),
}


@pytest.mark.slowest
@pytest.mark.parametrize("check", OF_AN_OLD_DAY)
def test_what_a_change_of_an_old_day_does_to_other_tables_is_found(check: str, shop: tuple[History, Bench]) -> None:
    history, bench = shop
    file, change = OF_AN_OLD_DAY[check]
    path = history.folder / file.format(day=history.shop.day(1))
    sound = path.read_bytes()
    history.rewrite(str(path.relative_to(history.folder)), change)
    bench.load()
    found = failing_rows(bench, "new")
    assert found[check] > 0
    assert found.items() <= failing_rows(bench, "all", "--select", "resource_type:test").items()
    path.write_bytes(sound)
    bench.load()
    assert {name: rows for name, rows in failing_rows(bench, "new").items() if rows} == {}


@pytest.mark.slowest
def test_a_second_checkout_and_shipment_are_found_days_after_the_first(shop: tuple[History, Bench]) -> None:
    history, bench = shop
    number = write_next_day(history, {})
    bench.load()
    assert failing_rows(bench, "new")["order_has_at_most_one_checkout"] == 0
    before = history.folder / "events" / f"{history.shop.day(number)}.parquet"
    again = (
        "from old union all select * replace (uuid() as event_id, created_at + to_days(1) as created_at) "
        f"from '{before}' where order_id is not null and hash(order_id) % 3 = 0"
    )
    number = write_next_day(history, {("order_has_at_most_one_checkout",): ("events", again)})
    bench.load()
    found = failing_rows(bench, "new")
    for check in ("order_has_at_most_one_checkout", "order_has_at_most_one_shipment"):
        assert found[check] > 0
        # The first of them is in a file that was looked at before.
        assert found[check] % 2 == 0
    assert found.items() <= failing_rows(bench, "all", "--select", "resource_type:test").items()
    history.write_day(number)
    bench.load()
    assert {name: rows for name, rows in failing_rows(bench, "new").items() if rows} == {}


def test_an_order_of_a_new_day_that_a_mart_lost_is_missed(shop: tuple[History, Bench]) -> None:
    history, bench = shop
    write_next_day(history, {})
    bench.load()
    bench.build("build", "--exclude-resource-type", "test")
    check = "fact_page_views_has_every_timed_order"
    with duckdb.connect(str(bench.warehouse)) as connection:
        connection.execute(
            "create temp table lost as select order_id from product.int_page_views "
            "where event_type = 'checkout' and stop_time is not null order by start_time desc limit 1"
        )
        lost = connection.execute("from product.fact_page_views where order_id in (from lost)").fetchall()
        connection.execute("delete from product.fact_page_views where order_id in (from lost)")
    assert failing_rows(bench, "new", "--select", check) == {check: 1}
    assert failing_rows(bench, "all", "--select", check) == {check: 1}
    with duckdb.connect(str(bench.warehouse)) as connection:
        connection.executemany("insert into product.fact_page_views values (?, ?, ?, ?, ?, ?)", lost)
    assert failing_rows(bench, "new", "--select", check) == {check: 0}


@pytest.mark.slowest
def test_what_is_old_is_looked_at_once_a_week(
    built: tuple[Home, Outcome], run_job: RunJob, sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("insert into product.fact_page_views from product.fact_page_views order by all limit 1")
    assert run_job(home, sample_dir).failing == {}
    assert run_job(home, sample_dir, "weekly_schedule").failing == {"fact_page_views_key_is_unique_and_set": 2}
