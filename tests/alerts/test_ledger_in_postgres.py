"""The ledger in PostgreSQL: in a schema of its own, so that it may share a database with Dagster's storage."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, make_url

from greenery_assets.alerts import schema
from greenery_assets.alerts.ledger import Ledger
from greenery_assets.alerts.schema import LedgerError
from tests.alerts.builders import Story, findings
from tests.alerts.projects import PROJECT, engine_at, ledger_at
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop, shop_in, transport_to
from tests.alerts.test_ledger import CHANNEL, FIRST_LEDGER, next_version, open_at_once
from tests.postgres import execute, new_database
from tests.slack.fake import FakeSlack

SCHEMA = PROJECT.schema

pytestmark = pytest.mark.slow


def test_postgres_keeps_a_ledger_as_well(shop: Shop, slack: FakeSlack, postgres_url: str) -> None:
    alerts = shop.alerts(transport_to(slack))
    alerts.ledger = ledger_at(postgres_url)
    alerts.begin()
    for found in ("orders=F3 users=f1", "orders=F3 users=f9", "orders=f1", ""):
        record_run(shop, found)
        assert alerts.run_pass().waiting == 0
    alerts.ledger.close()
    alerts.ledger = ledger_at(postgres_url)
    assert alerts.run_pass().runs == 0
    with alerts.ledger.transaction() as book:
        assert book.open_incidents() == {}
    (first,) = slack.messages(CHANNEL)
    assert first.text.startswith(":white_check_mark:")
    assert slack.thread(CHANNEL, first.ts)[-1].text.startswith(":white_check_mark: Resolved")
    engine = engine_at(postgres_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_several_processes_may_be_the_first_to_open_a_ledger_in_postgres(postgres_url: str) -> None:
    open_at_once([new_database(postgres_url, f"new_{number}") for number in range(3)])


def dagster_in(url: str) -> dict[str, Any]:
    """The storage of a dagster.yaml, as the deployment guide has it."""
    address = make_url(url)
    database = {
        "hostname": address.host,
        "port": address.port,
        "username": address.username,
        "password": "any",
        "db_name": address.database,
        "scheme": "postgresql+psycopg2",
    }
    return {"storage": {"postgres": {"postgres_db": database}}}


@pytest.mark.parametrize("first", ["dagster", "ledger"])
def test_ledger_and_dagster_share_a_database_whichever_is_there_first(
    postgres_url: str, tmp_path: Path, slack: FakeSlack, first: str
) -> None:
    url = new_database(postgres_url, f"{first}_first")
    if first == "ledger":
        ledger_at(url).close()
    with shop_in(tmp_path, **dagster_in(url)) as shop:
        alerts = shop.alerts(transport_to(slack))
        alerts.ledger.close()
        alerts.ledger = ledger_at(url)
        alerts.begin()
        record_run(shop, "orders=F3")
        assert alerts.run_pass().runs == 1
        alerts.ledger.close()
        assert len(shop.instance.get_runs()) == 1
    assert len(slack.messages(CHANNEL)) == 1
    assert execute(url, f"select count(*) from {SCHEMA}.runs") == [(1,)]
    assert execute(url, "select count(*) from public.runs") == [(1,)]
    assert execute(url, f"select version_num from {SCHEMA}.alembic_version") == [(schema_head(),)]
    assert execute(url, "select count(*) from public.alembic_version where version_num like '000%%'") == [(0,)]
    # Each starts again beside the other.
    ledger_at(url).close()
    with shop_in(tmp_path / "again", **dagster_in(url)) as shop:
        assert len(shop.instance.get_runs()) == 1


def schema_head() -> str:
    return max(file.stem.removeprefix("ledger_") for file in (schema.MIGRATIONS / "versions").glob("ledger_*.py"))


def ledger_without_schema(url: str, revision: str) -> dict[str, list[tuple[object, ...]]]:
    """A ledger as older versions made it, in public, with the rows of the first one; returns them by table."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    engine = create_engine(url)
    with sqlite3.connect(":memory:") as source, engine.begin() as connection:
        source.executescript(FIRST_LEDGER.read_text())
        config.attributes["connection"] = connection
        schema.metadata.create_all(connection)
        command.stamp(config, schema.START)
        if revision == schema.BEFORE_THE_START:
            connection.exec_driver_sql("alter table incidents drop column has_old_marts")
            connection.exec_driver_sql(f"update alembic_version set version_num = '{revision}'")
        names = {table.name for table in schema.metadata.sorted_tables}
        for table in names:
            found = source.execute(f"select * from {table}")
            columns = [f'"{column[0]}"' for column in found.description]
            flags = [n for n, name in enumerate(columns) if name.startswith('"is_')]
            for row in found:
                values = [bool(value) if n in flags else value for n, value in enumerate(row)]
                marks = ", ".join(["%s"] * len(values))
                connection.exec_driver_sql(
                    f"insert into {table} ({', '.join(columns)}) values ({marks})", tuple(values)
                )
            if '"id"' in columns:
                connection.exec_driver_sql(
                    f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))"
                )
    source.close()
    engine.dispose()
    return rows_in(url, "public") if "?" not in url else {}


def rows_in(url: str, place: str) -> dict[str, list[tuple[object, ...]]]:
    return {
        table.name: sorted(execute(url, f"select * from {place}.{table.name}"), key=str)
        for table in schema.metadata.sorted_tables
    }


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_ledger_of_before_the_schema_is_moved_into_it_with_every_row(postgres_url: str, revision: str) -> None:
    url = new_database(postgres_url, f"old_{revision}")
    before = ledger_without_schema(url, revision)
    assert before["incidents"]
    assert before["outbox"]
    ledger = ledger_at(url)
    after = rows_in(url, SCHEMA)
    for name, rows in before.items():
        assert [row[: len(rows[0])] for row in after[name] if rows] == rows or name == "incidents"
    assert [row[0] for row in after["incidents"]] == [row[0] for row in before["incidents"]]
    story = Story()
    story.see(findings("users=F1"))
    with ledger.transaction() as book:
        assert [incident.subject.name for incident in book.open_incidents().values()] == ["orders", "events"]
        # Numbers go on from there.
        book.save({}, story.state)
        assert list(book.open_incidents()) == [1, 2, 3]
    ledger.close()
    assert inspect_names(url, "public") == []


def test_two_ledgers_that_a_search_path_kept_apart_do_not_become_one(postgres_url: str) -> None:
    url = new_database(postgres_url, "kept_apart")
    addresses = [f"{url}?options=-csearch_path%3D{name}" for name in ("first_shop", "second_shop")]
    for name, address in zip(("first_shop", "second_shop"), addresses, strict=True):
        execute(url, f"create schema {name}")
        ledger_without_schema(address, "0002")
    ledger_at(addresses[0]).close()
    ledger_at(addresses[0]).close()
    with pytest.raises(LedgerError, match=r"holds two, .* in second_shop\. Name another database"):
        ledger_at(addresses[1])
    assert len(execute(url, "select * from second_shop.incidents")) > 0
    # A search path that leads to the schema itself finds the one.
    ledger_at(f"{url}?options=-csearch_path%3D{SCHEMA}").close()


def inspect_names(url: str, place: str) -> list[str]:
    engine = create_engine(url)
    names = inspect(engine).get_table_names(schema=place)
    engine.dispose()
    return names


def test_a_move_that_breaks_off_leaves_the_old_ledger_as_it_was(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database(postgres_url, "broken_off")
    before = ledger_without_schema(url, "0002")
    with monkeypatch.context() as patch:
        next_version(tmp_path / "migrations", patch, then='op.execute("no sql")')
        with pytest.raises(LedgerError):
            ledger_at(url)
    assert rows_in(url, "public") == before
    assert execute(url, f"select to_regnamespace('{SCHEMA}')") == [(None,)]
    assert execute(url, "select version_num from public.alembic_version") == [("0002",)]
    ledger_at(url).close()


def test_tables_of_another_program_of_the_same_names_are_left_alone(postgres_url: str) -> None:
    url = new_database(postgres_url, "neighbour")
    execute(
        url,
        "create table alembic_version (version_num text)",
        "insert into alembic_version values ('0001')",
        "create table runs (id int)",
    )
    ledger_at(url).close()
    assert execute(url, "select version_num from public.alembic_version") == [("0001",)]
    assert "runs" in inspect_names(url, "public")


def test_a_user_who_may_not_make_the_schema_is_told_what_the_owner_must_do(postgres_url: str) -> None:
    url = new_database(postgres_url, "guarded")
    execute(url, "create role modest login")
    modest = url.replace("greenery@", "modest@")
    with pytest.raises(LedgerError, match=f"create schema {SCHEMA} authorization modest"):
        ledger_at(modest)
    execute(url, f"create schema {SCHEMA} authorization modest")
    ledger_at(modest).close()


def test_what_keeps_a_ledger_in_postgres_from_being_opened_is_said_with_the_remedy(postgres_url: str) -> None:
    address = make_url(postgres_url)
    absent = [
        (address.set(database="nowhere"), "the server refuses the login. Correct user, password and database in"),
        (address.set(username="nobody"), "the server refuses the login. Correct user, password and database in"),
        (address.set(port=1), "no server answers there (Connection refused). Start the server, or correct host and"),
    ]
    for wrong, says in absent:
        with pytest.raises(LedgerError) as error:
            ledger_at(wrong.render_as_string())
        assert says in str(error.value)
    url = new_database(postgres_url, "standby")
    ledger = ledger_at(url)
    harm = [
        (f"alter schema {SCHEMA} rename to gone", "some of its tables are gone. Restore the schema"),
        (
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = 'standby' and pid <> pg_backend_pid()",
            "the connection broke. Start the server, or correct host and port",
        ),
        ("alter database standby set default_transaction_read_only to on", "the server takes no writes. Name a server"),
    ]
    for statement, says in harm:
        execute(url, statement)
        if "read_only" in statement:
            # It holds for new connections.
            ledger.close()
        with pytest.raises(LedgerError) as error:
            write(ledger)
        assert says in str(error.value)
        ledger.close()
        execute(postgres_url, "alter database standby reset all")
        if "gone" in statement:
            execute(url, f"alter schema gone rename to {SCHEMA}")
        write(ledger)
    ledger.close()


def write(ledger: Ledger) -> None:
    with ledger.transaction() as book:
        book.set_progress("x", "1")
