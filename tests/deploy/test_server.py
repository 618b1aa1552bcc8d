"""The processes of the units, started by hand on a PostgreSQL, behind nginx: what people can do there, and what not.

All tests share one server.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from greenery_assets.sample import SampleSpec, generate
from tests import postgres
from tests.conftest import yesterday
from tests.deploy.server import COMMON, NAME, READ_ONLY_NAME, SERVICES, Server, values, wait_until
from tests.slack.fake import FakeSlack
from tests.slack.reading import Posted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slowest,
    pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="nginx is not installed here"),
    pytest.mark.skipif(not postgres.is_here(), reason="no PostgreSQL is installed here"),
]

CHANNEL = "data-alerts"
SECRET = "s3cret-of-the-database"
DAILY_JOB = """{repositoryLocationName: "greenery_assets.definitions", repositoryName: "__repository__",
    pipelineName: "daily_job"}"""
DAILY_SCHEDULE = """{repositoryLocationName: "greenery_assets.definitions", repositoryName: "__repository__",
    scheduleName: "daily_schedule"}"""
LAUNCH = f"""mutation {{ launchRun(executionParams: {{selector: {DAILY_JOB}, runConfigData: {{}}}}) {{
    __typename ... on LaunchRunSuccess {{ run {{ runId }} }} ... on PythonError {{ message }}
}} }}"""
RUNS = "{ runsOrError { ... on Runs { results { runId status jobName } } } }"
SWITCH = """mutation { %s { __typename
    ... on ScheduleStateResult { scheduleState { id status } } ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        fake.add_channel(CHANNEL)
        yield fake


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, slack: FakeSlack) -> Iterator[Server]:
    """A server with everything that docs/deployment.md has one start."""
    folder = tmp_path_factory.mktemp("server")
    # A warning stops nothing: the run goes through, and people are notified.
    generate(SampleSpec(until=yesterday().date(), defects=("order_total_wrong",)), folder / "source")
    database = postgres.new_database(postgres_url, "server").replace("greenery@", f"greenery:{SECRET}@")
    server = Server(
        folder,
        database,
        {
            "GREENERY_SOURCE_DIR": str(folder / "source"),
            "GREENERY_SLACK_TOKEN": slack.token,
            "GREENERY_SLACK_API_URL": slack.url,
        },
    )
    try:
        assert not server.is_healthy()
        server.command("/opt/greenery/.venv/bin/dagster", "instance", "migrate")
        for service in SERVICES:
            server.start(service)
        server.start_proxy()
        wait_until(server.is_healthy, server.log("code"))
        yield server
    finally:
        server.close()


def runs(server: Server) -> list[dict[str, str]]:
    found: list[dict[str, str]] = server.graphql(RUNS)["runsOrError"]["results"]
    return found


def status_of(server: Server, run: str) -> str:
    (status,) = (found["status"] for found in runs(server) if found["runId"] == run)
    return status


def about_totals(slack: FakeSlack) -> list[Posted]:
    """Messages about the planted defect, and not about the day."""
    found = [message for message in slack.messages(CHANNEL) if "Warning: 1 of" in message.text]
    return [message for message in found if "State of the data" not in str(message.blocks)]


@pytest.mark.parametrize("host", [NAME, READ_ONLY_NAME])
def test_the_web_interface_asks_for_a_password(server: Server, host: str) -> None:
    assert server.send("GET", "/", host=host, user="")[0] == 401
    assert server.send("POST", "/graphql", {"query": RUNS}, host=host, user="")[0] == 401
    assert server.send("GET", "/", host=host, user="somebody")[0] == 401
    status, page = server.send("GET", "/", host=host)
    assert status == 200
    assert "Dagster" in page


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/graphql", "//graphql", "/graphql/", "/%67raphql", "/x/../graphql"])
def test_graphql_is_refused_by_what_an_image_or_a_link_can_send(server: Server, method: str, path: str) -> None:
    status, _ = server.send(method, f"{path}?query={quote(LAUNCH)}")
    assert status == 405
    assert runs(server) == []


def test_a_mutation_that_asks_for_a_websocket_and_opens_none_is_refused(server: Server) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    status, _ = server.send("GET", f"/graphql?query={quote(LAUNCH)}", **headers)
    assert 400 <= status < 500
    assert runs(server) == []


FOREIGN = [
    "https://elsewhere.example",
    "null",
    f"http://{NAME}",
    f"https://{NAME}.elsewhere.example",
    f"https://{NAME}",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_site_can_send_nothing(server: Server, origin: str) -> None:
    assert server.send("POST", "/graphql", {"query": LAUNCH}, Origin=origin)[0] == 403
    # Without a body of JSON, Dagster takes the query from the address: a form can send that.
    assert server.send("POST", f"/graphql?query={quote(LAUNCH)}", Origin=origin)[0] == 403
    assert server.send("POST", "/report_asset_materialization/raw/events", {}, Origin=origin)[0] == 403
    assert runs(server) == []


def test_a_websocket_is_opened_by_our_own_page_alone(server: Server) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Protocol": "graphql-ws",
    }
    assert server.send("GET", "/graphql", Origin=server.origin(), **headers)[0] == 101
    assert server.send("GET", "/graphql", Origin="https://elsewhere.example", **headers)[0] == 403


def test_another_host_is_refused(server: Server) -> None:
    assert server.send("POST", "/graphql", {"query": LAUNCH}, host="elsewhere.example")[0] == 421
    assert runs(server) == []


def test_the_read_only_web_interface_changes_nothing(server: Server) -> None:
    answer = server.graphql(LAUNCH, host=READ_ONLY_NAME)["launchRun"]["__typename"]
    assert answer == "UnauthorizedError"
    path = "/report_asset_materialization/raw/events"
    assert server.send("POST", path, {}, host=READ_ONLY_NAME, Origin=server.origin(READ_ONLY_NAME))[0] == 401
    assert runs(server) == []


def test_the_daily_schedule_is_on_and_can_be_switched(server: Server) -> None:
    asked = f"scheduleOrError(scheduleSelector: {DAILY_SCHEDULE})"
    schedule = server.graphql(f"{{ {asked} {{ ... on Schedule {{ scheduleState {{ id status }} }} }} }}")[
        "scheduleOrError"
    ]["scheduleState"]
    assert schedule["status"] == "RUNNING"
    stop = f'stopRunningSchedule(id: "{schedule["id"]}")'
    assert server.graphql(SWITCH % stop)["stopRunningSchedule"]["scheduleState"]["status"] == "STOPPED"
    start = f"startSchedule(scheduleSelector: {DAILY_SCHEDULE})"
    assert server.graphql(SWITCH % start)["startSchedule"]["scheduleState"]["status"] == "RUNNING"


def test_a_stop_ends_every_process_within_the_limit_and_it_starts_again(server: Server) -> None:
    # What SIGTERM has not ended by then is killed, as systemd does it: how fast that is depends on the machine.
    assert values(COMMON, "TimeoutStopSec") == ["10"]
    for service in reversed(SERVICES):
        server.stop(service)
    assert server.send("GET", "/")[0] == 502
    for service in SERVICES:
        server.start(service)
    wait_until(server.is_healthy, server.log("code"))


def test_a_run_that_a_stop_ends_is_done_again_and_its_alert_reaches_slack_once(
    server: Server, slack: FakeSlack
) -> None:
    run = server.graphql(LAUNCH)["launchRun"]["run"]["runId"]
    wait_until(lambda: status_of(server, run) == "STARTED", server.log("code"))
    server.stop("code")
    assert not server.is_healthy()
    assert status_of(server, run) == "STARTED"
    server.start("code")

    def is_done_again() -> bool:
        daily = {found["runId"]: found["status"] for found in runs(server) if found["jobName"] == "daily_job"}
        return list(daily.values()).count("SUCCESS") == 1 and daily[run] == "FAILURE"

    wait_until(is_done_again, server.log("daemon"))
    wait_until(lambda: about_totals(slack), server.log("daemon"))
    assert len(about_totals(slack)) == 1
    assert server.is_healthy()


def test_the_secrets_are_in_no_log_and_on_no_page(server: Server, slack: FakeSlack) -> None:
    info = server.graphql("{ instance { info } }")["instance"]["info"]
    assert "retention" in info
    for text in (info, *(path.read_text() for path in server.folder.glob("*.log"))):
        assert SECRET not in text
        assert slack.token not in text
