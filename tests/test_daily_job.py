"""The daily job on good data: what it builds and shows. That a second run changes nothing: alerts/test_real_runs.py."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from tests.job import ALL_SCHEMAS, Home, Outcome, copy_of_project

pytestmark = pytest.mark.slow


def test_the_sample_builds_everything_and_every_assumption_holds(built: tuple[Home, Outcome]) -> None:
    home, outcome = built
    assert outcome.success
    assert outcome.failing == {}
    assert set(outcome.checks) == set(outcome.planned)
    # A plant is sold out, so that there is something to see.
    assert home.query("select product_name, is_out_of_stock from core.fact_stockouts") == home.query(
        "select name, true from raw.products where inventory = 0"
    )
    assert len(outcome.built) == len(set(outcome.built)) == 47


def test_materializations_show_rows_and_what_was_loaded(built: tuple[Home, Outcome]) -> None:
    home, outcome = built
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        for name in outcome.built:
            event = instance.get_latest_materialization_event(dg.AssetKey(name.split("/")))
            assert event is not None
            assert event.asset_materialization is not None
            metadata = event.asset_materialization.metadata
            schema, table = name.split("/")
            if schema == "reporting":
                continue
            assert metadata["dagster/row_count"].value == home.query(f"select count(*) from {schema}.{table}")[0][0]
            if schema == "raw":
                assert {"files", "bytes", "source", "source_folder", "rejected_rows"} <= metadata.keys()
                assert (
                    ("newest" in metadata) == ("hours_behind" in metadata) == (table in {"events", "orders", "users"})
                )
                assert ("affected_days" in metadata) == (table in {"events", "orders"})
            if table == "events":
                [(days, first, last)] = home.query(
                    "select count(distinct day), cast(min(day) as varchar), cast(max(day) as varchar) "
                    "from landing.days where source_table = 'events'"
                )
                shown = [metadata[name].value for name in ("affected_days", "first_affected_day", "last_affected_day")]
                assert shown == [days, first, last]


def test_a_few_rows_of_each_table_are_shown_without_anything_personal(built: tuple[Home, Outcome]) -> None:
    home, outcome = built
    people = {
        str(value)
        for row in home.query("select first_name, last_name, email, phone_number from raw.users")
        + home.query("select address, zipcode, state from raw.addresses")
        for value in row
    }
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        [run] = instance.get_runs()
        logged = "\n".join(entry.to_json() for entry in instance.all_logs(run.run_id))
        assert {mail for mail in people if "@" in mail and mail in logged} == set()
        for name in outcome.built:
            event = instance.get_latest_materialization_event(dg.AssetKey(name.split("/")))
            assert event
            assert event.asset_materialization
            preview = event.asset_materialization.metadata.get("preview")
            if name.startswith("reporting/"):
                continue
            assert isinstance(preview, dg.TableMetadataValue), name
            assert 1 <= len(preview.records) <= 5
            shown = {str(value) for record in preview.records for value in record.data.values()}
            assert shown & people == set(), name
            assert not {"first_name", "email", "phone_number", "address", "page_url"} & {
                column.name for column in preview.schema.columns
            }


@pytest.mark.slowest
def test_the_real_export_gives_the_analysts_numbers(real_built: tuple[Home, Outcome]) -> None:
    home, outcome = real_built
    assert outcome.success
    assert home.query("from marketing.fact_repeat_rate") == [(124, 99, pytest.approx(0.798, abs=0.0005))]
    assert home.query(
        "select count(*), count_if(is_first_order = 'Y'), count_if(is_last_order = 'Y') from core.fact_orders"
    ) == [(361, 124, 124)]
    assert home.query("select count(*), count(order_id) from product.int_page_views") == [(3553, 3003)]
    assert home.query("select count(*) from product.fact_page_views") == [(1057,)]
    means = home.query("select total_spent, number_of_orders, avg_spent_per_order from marketing.fact_user_orders")
    assert len(means) == 124
    for total, orders, mean in means:
        assert mean == (total / orders).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert Decimal("286.22") in {mean for *_, mean in means}, (
        "it lies half a cent above 286.21, which a double does not"
    )
    assert outcome.failing == {
        "events_are_fresh": 1,
        "orders_are_fresh": 1,
        "no_user_makes_most_of_the_sessions": 1,
    }
    assert {outcome.checks[name].assumption for name in outcome.failing} == {"A20", "A22"}
    assert outcome.failing_errors == {}
    assert set(outcome.checks) == set(outcome.planned)
    assert "SAMPLE DATA" not in (home.report / "state_of_the_data.html").read_text()


@pytest.mark.slowest
def test_more_of_the_shop_is_on_the_real_export_what_its_files_say(
    real_built: tuple[Home, Outcome], real_export: Path
) -> None:
    home, _ = real_built
    with duckdb.connect() as connection:
        for table in ("addresses", "events", "order_items", "orders", "products", "users"):
            columns = "* replace (created_at::timestamp as created_at)" if table in ("events", "orders") else "*"
            rows = f"read_csv('{real_export}/{table}.csv', all_varchar = true)"
            connection.execute(f"create view {table} as select {columns} from {rows}")

        def files(sql: str) -> list[tuple[object, ...]]:
            return connection.execute(sql).fetchall()

        [(one, two, more, orders, share)] = files("""
            select count_if(n = 1), count_if(n = 2), count_if(n > 2), sum(case when n > 2 then n end), avg((n > 2)::int)
            from (select count(*) as n from orders group by user_id)
        """)
        by_purchases = home.query("from marketing.fact_users_by_purchases order by least_orders")
        assert [users for _, _, users, *_ in by_purchases] == [one, two, more]
        assert by_purchases[2] == ("three_or_more", 3, more, orders, pytest.approx(share))
        assert home.query("""
            select strftime(first_order_month, '%Y-%m-%d'), users_purchased, users_repeat, repeat_rate
            from marketing.fact_repeat_rate_by_month order by 1
        """) == files("""
            select strftime(began, '%Y-%m-01'), count(*), count_if(n > 1), avg((n > 1)::int)
            from (select min(created_at) as began, count(*) as n from orders group by user_id) group by 1 order by 1
        """)
        assert home.query("""
            select day + to_hours(hour_of_day), orders, sessions from product.fact_hourly order by 1
        """) == files("""
            with happened as (
                select created_at as moment, 1 as is_order from orders
                union all select min(created_at), 0 from events group by session_id
            ),
            hours as (
                select unnest(generate_series(date_trunc('hour', min(moment)), max(moment), interval 1 hour)) as hour
                from happened
            )
            select hour::timestamp, count_if(is_order = 1), count_if(is_order = 0)
            from hours left join happened on moment >= hour and moment < hour + interval 1 hour group by 1 order by 1
        """)
        assert home.query("""
            select state, users, products_viewed, products_not_bought
            from product.fact_viewed_not_bought_by_state order by 1
        """) == files("""
            with viewed as (select distinct session_id, user_id, product_id from events where event_type = 'page_view'),
            left_behind as (
                select session_id, product_id from viewed
                except select session_id, items.product_id
                from events join order_items as items using (order_id) where event_type = 'checkout'
            )
            select state, count(distinct user_id), count(*), count(left_behind.product_id)
            from viewed left join left_behind using (session_id, product_id)
            join users using (user_id) join addresses using (address_id) group by 1 order by 1
        """)
        assert home.query("""
            select product_id::varchar, inventory from snapshots.inventory_snapshot
            where dbt_valid_to is null order by 1
        """) == files("select product_id, inventory::bigint from products order by 1")
        assert home.query("select product_name from core.fact_stockouts where is_out_of_stock order by 1") == files(
            "select name from products where inventory::bigint = 0 order by 1"
        )


def test_make_run_on_a_clean_copy_shows_its_progress_and_the_verdict_on_a_terminal(tmp_path: Path) -> None:
    project = copy_of_project(tmp_path / "project")
    environment = {**os.environ, **Home.new(tmp_path).environment(Path()), "PYTHONPATH": str(project)}
    # Sample data is for those who name no source at all.
    del environment["GREENERY_SOURCE_DIR"]
    # A virtual environment is not always activated: dbt is not on this PATH.
    environment["PATH"] = "/usr/bin:/bin"
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "greenery_assets", "run"],
        cwd=project,
        env={**environment, "COLUMNS": "120", "TERM": "xterm"},
        stdout=its_end,
        stderr=its_end,
    )
    os.close(its_end)
    shown = b""
    # Reading a terminal whose other end is closed is an error on Linux.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65_536):
            shown += part
    os.close(terminal)
    text = shown.decode()
    assert process.wait() == 0, text
    for expected in (
        "of 192 assets and checks",
        "SAMPLE DATA: ",
        "All 145 checks hold.",
        "Repeat rate: ",
        "make ui",
        "/runs/",
    ):
        assert expected in text
    assert "START" not in text, "dbt's log is on the terminal"
    assert (project / "data" / "sample" / "events.csv").exists()
    assert "All 145 checks hold." in (tmp_path / "report" / "alerts.html").read_text()


def test_make_run_without_a_usable_source_says_so_and_keeps_the_tables(
    built: tuple[Home, Outcome], tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    before = home.fingerprints(ALL_SCHEMAS)
    # Somebody said so, and yet nothing is taken away for a source that is not there.
    done = home.command(tmp_path / "nowhere", "run", "--new-source")
    assert done.returncode == 1
    assert "nowhere" in done.stdout
    assert "GREENERY_SOURCE_DIR" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "from an earlier run" in done.stdout
    page = tmp_path / "report" / "alerts.html"
    assert re.search(r"alerts\.html and .*alerts\.log, as GREENERY_SLACK_TOKEN is not set", done.stdout)
    assert "nowhere does not exist" in page.read_text()
    assert "state_of_the_data.html, in any browser" in done.stdout
    report = (home.report / "state_of_the_data.html").read_text()
    assert "Today&#39;s run failed" in report
    assert "nowhere does not exist" in report
    assert home.fingerprints(ALL_SCHEMAS) == before


def test_make_run_with_a_bad_setting_names_it(tmp_path: Path) -> None:
    done = Home.new(tmp_path).command(tmp_path, "run", GREENERY_MAX_AGE_HOURS="soon")
    assert done.returncode == 1
    assert "GREENERY_MAX_AGE_HOURS='soon'" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
