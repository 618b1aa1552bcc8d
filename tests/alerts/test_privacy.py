"""On a run of the real job: nothing of a person leaves the warehouse, nothing in a row does anything in Slack."""

import csv
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.incidents import Sample
from greenery_assets.alerts.messages import incident_message
from greenery_assets.dbt.project import SOURCES_YAML
from greenery_assets.landing import read_contract
from greenery_assets.sample import SampleSpec, generate
from tests.alerts.real import alerts_here
from tests.conftest import RunJob, yesterday
from tests.job import Home
from tests.slack.fake import FakeSlack, links, pings

pytestmark = pytest.mark.slow

PERSON = {
    "first_name": "Zqxanna",
    "last_name": "Zqxberg",
    "email": "zqx@person.example",
    "phone_number": "555-867-5309",
    "address": "77 Zqx Street",
}
KEPT = {"promo_id", "event_type", "page_url"}
# Longer than what a picture in text holds by chance.
TRACES = ("zqxanna", "zqxberg", "zqx@", "zqx street", "person.example", "867-5309")
# One word, as a code or a column's name may be.
NAME = f"{PERSON['first_name']}-{PERSON['last_name']}"
DEFECTS = (
    "second_checkout",
    "order_of_unknown_user",
    "order_total_wrong",
    "duplicate_user:2",
    "duplicate_address",
    "missing_user_id",
    "unknown_user_address",
    "page_url_of_another_product",
    "heavy_user",
    "unreadable_row:3",
)
HOSTILE = "<!channel> <@U123ABC> *b* `c` https://evil.example \U0001f525 \u202e\u05e9\u05dc\u05d5\u05dd " + "x" * 10_000


def rewrite(path: Path, **columns: str) -> None:
    """Give every row the same values in some columns."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, **{name: value for name, value in columns.items() if name in row}} for row in rows)


def add_column(path: Path, name: str) -> None:
    """Give a table one column more."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},{name}", *(f"{line},{name}" for line in lines[1:])]) + "\n")


def replace_values(path: Path, column: str, new: Callable[[str], str]) -> None:
    """Give every value of a column another in its place."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, column: new(row[column])} for row in rows)


def left_by(home: Home) -> dict[str, str]:
    """All that runs left but for the warehouse: Dagster's event log, what steps printed, the pages, the ledger."""
    files = [file for folder in (home.dagster_home, home.report) for file in folder.rglob("*") if file.is_file()]
    return {
        str(file.relative_to(home.dagster_home.parent)): file.read_bytes().decode(errors="replace") for file in files
    }


def traces_in(left: dict[str, str]) -> list[tuple[str, str, str]]:
    """Where something of the person can be read, what, and what stands around it."""
    found = []
    for name, content in left.items():
        for trace in TRACES:
            at = content.lower().find(trace)
            if at >= 0:
                found.append((name, trace, content[max(at - 150, 0) : at + 50]))
    return found


def post_each_in_full(alerts: Alerts, at_least: int = 11) -> None:
    """Of many failing checks only the first are told in full: here each is."""
    with alerts.ledger.transaction() as book:
        incidents = book.open_incidents()
    assert len(incidents) >= at_least
    for number, incident in incidents.items():
        message = incident_message(incident, alerts.reader)
        alerts.transport.post("#data-alerts", message, f"in-full-{number}", None, is_broadcast=False)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, run_job: RunJob) -> tuple[Home, Path]:
    """A run that fails many checks, on sources in which every person is the same unmistakable one."""
    folder = tmp_path_factory.mktemp("broken")
    source, home = folder / "source", Home.new(folder)
    generate(SampleSpec(until=yesterday().date(), defects=DEFECTS), source)
    for table in ("users", "addresses"):
        rewrite(source / f"{table}.csv", **PERSON)
    add_column(source / "products.csv", NAME)
    add_column(source / "order_items.csv", PERSON["email"])
    rewrite(source / "products.csv", name=NAME)
    # A file of a person, in the folder of a table, with rows that cannot be read.
    (source / "people").mkdir()
    (source / "users.csv").rename(source / "people" / f"{PERSON['email']}.csv")
    (source / "people").rename(source / "users")
    with (source / "users" / f"{PERSON['email']}.csv").open("a", newline="") as file:
        file.write(f"not an id,{','.join(PERSON.values())}\r\n")
    # What should be an enumeration, or a promotion's code, holds whatever an export put there.
    rewrite(source / "promos.csv", promo_id=NAME, status=PERSON["last_name"])
    rewrite(source / "events.csv", event_type=NAME, page_url=PERSON["email"])
    rewrite(source / "orders.csv", status=PERSON["last_name"], shipping_service=HOSTILE, promo_id=NAME)
    outcome = run_job(home, source)
    assert len(outcome.failing) > 10
    return home, source


def test_no_message_log_ledger_or_page_names_a_person(
    broken: tuple[Home, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home, source = broken
    with caplog.at_level(logging.DEBUG), FakeSlack() as slack:
        slack.add_channel("data-alerts")
        to_slack = home.copy(tmp_path / "slack")
        settings = {"GREENERY_SLACK_TOKEN": slack.token, "GREENERY_SLACK_API_URL": slack.url}
        with alerts_here(to_slack, source, **settings) as alerts:
            assert alerts.run_pass().waiting == 0
            post_each_in_full(alerts)
        to_page = home.copy(tmp_path / "page")
        with alerts_here(to_page, source) as alerts:
            alerts.run_pass()
        assert len(slack.all_messages()) > 5
        left = {
            "messages": "\n".join(map(str, slack.all_messages())),
            "log": caplog.text,
            **{f"slack/{name}": content for name, content in left_by(to_slack).items()},
            **{f"page/{name}": content for name, content in left_by(to_page).items()},
        }
    assert traces_in(left) == []
    assert [name for name, content in left.items() if slack.token in content] == []
    assert {"page/report/alerts.html", "slack/dagster_home/alerts.sqlite"} <= left.keys()
    assert any(name.endswith(".db") and "sample" in content for name, content in left.items())
    assert "[text]" in left["messages"]


@pytest.mark.slowest
def test_no_table_that_is_built_shows_a_person_either(tmp_path: Path, sample_dir: Path, run_job: RunJob) -> None:
    """A name in every text of every table, and nothing stops the run: previews of all tables, and all figures."""
    source, home = tmp_path / "source", Home.new(tmp_path / "home")
    shutil.copytree(sample_dir, source)
    for table, contract in read_contract(SOURCES_YAML).items():
        # What the marts are built by stays: without it there would be none.
        texts = [each.name for each in contract.columns if each.data_type == "text" and each.name not in KEPT]
        rewrite(source / f"{table}.csv", **dict.fromkeys(texts, NAME))
    for table in ("promos", "orders"):
        replace_values(source / f"{table}.csv", "promo_id", lambda code: code and f"{NAME}-{len(code)}{code[0]}")
    outcome = run_job(home, source)
    assert outcome.success
    assert {"orders_status_is_known", "promos_status_is_known", "orders_shipping_service_is_known"} <= set(
        outcome.failing
    )
    with alerts_here(home, source) as alerts:
        alerts.run_pass()
        post_each_in_full(alerts, at_least=3)
    left = left_by(home)
    # The page compares plants by name: the shop's catalogue is no secret, and is what the page is for.
    pages = [name for name in left if name.startswith("report/state_of_the_data") and name.endswith(".html")]
    page, of_the_day = map(left.pop, pages)
    assert traces_in(left) == []
    assert page == of_the_day
    assert page.lower().count("zqxanna") == page.count(NAME) > 0
    shown = "\n".join(content for name, content in left.items() if name.endswith(".db"))
    assert "[text]" in shown
    for known in ("page_view", "checked_out", "package_never_received", '"Y"'):
        assert known in shown


def test_what_rows_hold_pings_nobody_and_breaks_nothing(broken: tuple[Home, Path], tmp_path: Path) -> None:
    home, source = broken
    with FakeSlack() as slack:
        slack.add_channel("data-alerts")
        settings = {"GREENERY_SLACK_TOKEN": slack.token, "GREENERY_SLACK_API_URL": slack.url}
        with alerts_here(home.copy(tmp_path), source, **settings) as alerts:
            report = alerts.run_pass()
            post_each_in_full(alerts)
        assert (report.waiting, report.problems) == (0, [])
        for posted in slack.all_messages():
            assert posted.blocks, "it was refused and sent as plain text"
            assert pings(posted) == []
            assert all("localhost:3000" in link for link in links(posted))
        assert "evil.example" not in str(slack.all_messages())


def test_whatever_a_finding_says_pings_nobody_and_breaks_nothing(broken: tuple[Home, Path], tmp_path: Path) -> None:
    home, source = broken
    with FakeSlack() as slack:
        slack.add_channel("data-alerts")
        settings = {"GREENERY_SLACK_TOKEN": slack.token, "GREENERY_SLACK_API_URL": slack.url}
        with alerts_here(home.copy(tmp_path), source, **settings) as alerts:
            alerts.read_news(datetime.now(UTC))
            with alerts.ledger.transaction() as book:
                incident = next(found for found in book.open_incidents().values() if found.finding.sample.rows)
            finding = replace(incident.finding, reason=HOSTILE, sample=Sample(("status",), ((HOSTILE,),)))
            message = incident_message(replace(incident, finding=finding), alerts.reader)
            alerts.transport.post("#data-alerts", message, "hostile", None, is_broadcast=False)
        (posted,) = slack.all_messages()
        assert posted.blocks == list(message.blocks)
        assert pings(posted) == []
        assert all("localhost:3000" in link for link in links(posted))
        assert "<!channel> <@U123ABC>" in str(posted.blocks)


def _no_such_column(folder: Path) -> None:
    file = folder / "users.csv"
    file.write_text(file.read_text().replace("first_name", NAME, 1))


def _column_twice(folder: Path) -> None:
    add_column(folder / "users.csv", NAME)
    add_column(folder / "users.csv", NAME)


def _file_of_a_person(folder: Path) -> None:
    (folder / "users").mkdir()
    (folder / "users.csv").unlink()
    (folder / "users" / f"{PERSON['email']}.csv").write_text("user_id\n")


def _no_table_file(folder: Path) -> None:
    (folder / "users").mkdir()
    (folder / "users.csv").rename(folder / "users" / f"{NAME}.docx")


def _name_like_a_table(folder: Path) -> None:
    (folder / "users.csv").rename(folder / f"user-{NAME}.csv")
    (folder / f"users.{NAME}.csv").touch()


def _quote(folder: Path) -> None:
    (folder / "users").mkdir()
    (folder / "users.csv").rename(folder / "users" / f"{PERSON['email']}.csv")
    with (folder / "users" / f"{PERSON['email']}.csv").open("a") as file:
        file.write(f'"{NAME},{NAME}\n')


@pytest.mark.parametrize(
    "spoil", [_no_such_column, _column_twice, _file_of_a_person, _no_table_file, _name_like_a_table, _quote]
)
def test_no_refused_source_names_a_person(
    spoil: Callable[[Path], None], tmp_path: Path, sample_dir: Path, run_job: RunJob
) -> None:
    source, home = tmp_path / "source", Home.new(tmp_path / "home")
    shutil.copytree(sample_dir, source)
    spoil(source)
    assert not run_job(home, source).success
    with FakeSlack() as slack:
        slack.add_channel("data-alerts")
        settings = {"GREENERY_SLACK_TOKEN": slack.token, "GREENERY_SLACK_API_URL": slack.url}
        with alerts_here(home, source, **settings) as alerts:
            alerts.run_pass()
            post_each_in_full(alerts, at_least=1)
        left = {"messages": "\n".join(map(str, slack.all_messages())), **left_by(home)}
    assert "users" in left["messages"]
    assert traces_in(left) == []


def test_a_fault_of_the_surroundings_is_told_with_its_cause_and_remedy(
    tmp_path: Path, sample_dir: Path, run_job: RunJob, small_disk: Path
) -> None:
    """A full disk quotes no row: nobody need open a log for it."""
    home = replace(Home.new(tmp_path / "home"), published=small_disk / "greenery.duckdb")
    (small_disk / "filled").write_bytes(b"0" * 2_500_000)
    assert not run_job(home, sample_dir).success
    with alerts_here(home, sample_dir) as alerts:
        alerts.run_pass()
        with alerts.ledger.transaction() as book:
            reasons = [incident.finding.reason for incident in book.open_incidents().values()]
    assert [reason for reason in reasons if f"The disk of the warehouse {home.warehouse} is full; make room" in reason]
