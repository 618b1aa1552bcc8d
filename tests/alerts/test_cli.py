"""The alerts on the command line: what is shown, what is steered, and every mistake in plain words."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from greenery_assets.__main__ import open_project
from greenery_assets.alerts import cli
from greenery_assets.alerts import slack as slack_module
from greenery_assets.alerts.cli import app
from greenery_assets.alerts.dispatch import Alerts
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop
from tests.job import ROOT
from tests.slack.fake import ANY_METHOD, FakeSlack, Fault, pings

CHANNEL = "data-alerts"
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
Command = Callable[..., Result]


@pytest.fixture
def command(shop: Shop, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, in the shop's home and with the fake Slack."""
    # They read the settings once for all tests of this process, which must not be those of one.
    from greenery_assets import definitions  # noqa: PLC0415

    monkeypatch.setattr(definitions, "defs", shop.definitions())
    for name, value in {
        "DAGSTER_HOME": str(shop.home),
        "GREENERY_WAREHOUSE_PATH": str(shop.home / "greenery.duckdb"),
        "GREENERY_REPORT_DIR": str(shop.home / "report"),
        "GREENERY_MAX_SESSION_SHARE": "0.2",
        "GREENERY_SLACK_TOKEN": slack.token,
        "GREENERY_SLACK_API_URL": slack.url,
        "COLUMNS": "160",
    }.items():
        monkeypatch.setenv(name, value)
    # The tables', which was read when the console was made.
    monkeypatch.setattr(cli.console, "width", 160)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments, obj=open_project)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert slack.token not in result.output
        return result

    return run


def plain(result: Result) -> str:
    """What a command that failed says."""
    assert result.exit_code == 1, result.output
    return result.output


def shown(result: Result) -> str:
    """What a command that did well says."""
    assert result.exit_code == 0, result.output
    return result.output


def rows(shop: Shop) -> list[str]:
    """Everything in the ledger."""
    with closing(sqlite3.connect(shop.home / "alerts.sqlite")) as connection:
        return list(connection.iterdump())


def replies(slack: FakeSlack) -> list[str]:
    """What is said in the first thread."""
    return [message.text for message in slack.thread(CHANNEL, slack.messages(CHANNEL)[0].ts)]


# status


def test_status_of_a_quiet_shop_says_so(command: Command, alerts: Alerts) -> None:
    alerts.run_pass()
    said = shown(command("status"))
    assert "No incident is open." in said
    assert "0 messages wait, 0 of the last day were refused. Messages are sent to Slack." in said


def test_status_shows_incidents_by_number_silences_and_why_messages_wait(
    command: Command, shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    record_run(shop, "staged=F3 users=f1234")
    alerts.run_pass()
    shown(command("silence", "--asset", "raw/*", "--reason", "The shop moves.", "--until", TOMORROW))
    slack.channels[CHANNEL].is_archived = True
    record_run(shop, "staged=F5 users=f1234")
    alerts.run_pass()
    said = shown(command("status"))
    lines = [line.strip() for line in said.splitlines()]
    assert "1  ERROR: 5 rows not as assumed in orders: The check staged holds" in lines
    assert "2  Warning: 1234 rows" in lines
    assert lines[lines.index("staging/orders staged") + 1].endswith(", notified: yes")
    said = command("status").output
    assert "raw/* * (The shop moves.)" in said
    assert "2 messages wait, 0 of the last day were refused." in said
    assert said.count("The Slack channel #data-alerts is archived. Restore it, or name another one") == 1
    assert "From a run's end to its message:" in said


def test_status_counts_what_slack_refused(command: Command, shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    slack.fault("chat.postMessage", Fault.error("msg_too_long"), times=2)
    record_run(shop, "staged=F3")
    alerts.run_pass()
    said = shown(command("status"))
    assert "0 messages wait, 1 of the last day were refused." in said
    assert "Slack does not take a message for #data-alerts as it is (msg_too_long)." in said


def test_status_without_a_token_says_where_messages_are(
    command: Command, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GREENERY_SLACK_TOKEN")
    assert f"Messages are written to {shop.home / 'report' / 'alerts.html'}." in shown(command("status"))


# replay


def test_replay_shows_what_would_have_been_sent_and_sends_nothing(
    command: Command, shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    for found in ("staged=F3", "staged=F5", ""):
        record_run(shop, found)
        alerts.run_pass()
    before, requests = rows(shop), list(slack.requests)
    said = shown(command("replay", "--since", TODAY))
    assert "UTC #data-alerts\n:octagonal_sign: ERROR: 3 rows not as assumed in orders" in said
    assert said.count("UTC #data-alerts, in a thread\n") == 2
    assert "3 → 5 rows" in said
    assert "Resolved after" in said
    assert f"3 messages would have been sent of the runs since {TODAY}. None was." in said
    assert (rows(shop), slack.requests) == (before, requests)


def test_replay_since_a_day_to_come_shows_nothing(command: Command, shop: Shop) -> None:
    record_run(shop, "staged=F3")
    assert "0 messages would have been sent" in shown(command("replay", "--since", TOMORROW))


# test


def test_a_good_setup_is_tested_by_posting_and_finding_again(command: Command, slack: FakeSlack) -> None:
    said = shown(command("test"))
    assert "The token is good: greenery in the workspace Greenery Test." in said
    assert "#data-alerts: a test message was posted and found again." in said
    assert "The daily message may carry its picture." in said
    assert "This is a test" in slack.messages(CHANNEL)[0].text
    assert len(replies(slack)) == 1


def _archive(slack: FakeSlack) -> None:
    slack.channels[CHANNEL].is_archived = True


def _leave(slack: FakeSlack) -> None:
    slack.channels[CHANNEL].is_member = False


def _remove(slack: FakeSlack) -> None:
    del slack.channels[CHANNEL]


def _hang(slack: FakeSlack) -> None:
    slack.fault(ANY_METHOD, Fault.dropped(after=2), times=None)


def _without(scope: str) -> Callable[[FakeSlack], None]:
    return lambda slack: slack.scopes.discard(scope)


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (_archive, "#data-alerts: The Slack channel #data-alerts is archived. Restore it"),
        (_leave, "#data-alerts: The Slack app is not in #data-alerts. Invite it there: /invite @Greenery data."),
        (
            _remove,
            "#data-alerts: Slack has no channel #data-alerts that the app can see. Create it or correct the name",
        ),
        (_without("chat:write"), "The Slack app lacks the scope chat:write. Add it under OAuth & Permissions"),
        (_without("channels:read"), "The Slack app lacks the scope channels:read."),
        (_without("channels:history"), "The Slack app lacks the scope channels:history."),
        (_without("files:write"), "The daily message goes without its picture: The Slack app lacks the scope files:"),
        (FakeSlack.stop_listening, "Slack cannot be reached ("),
        (_hang, "Slack did not answer within 0.5 s (auth.test)"),
    ],
)
def test_what_is_wrong_with_slack_is_said_in_plain_words(
    command: Command,
    slack: FakeSlack,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[FakeSlack], None],
    words: str,
) -> None:
    monkeypatch.setattr(slack_module, "TIMEOUT_S", 0.5)
    breaks(slack)
    assert words in plain(command("test"))


def test_a_wrong_token_is_said_in_plain_words_and_not_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "xoxb-of-somebody-else")
    said = plain(command("test"))
    assert "Slack does not know the token in GREENERY_SLACK_TOKEN. Copy the bot token" in said
    assert "xoxb-" not in said


def test_no_token_is_said_with_where_messages_go(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENERY_SLACK_TOKEN")
    assert "GREENERY_SLACK_TOKEN is not set: messages go to the log and to" in plain(command("test"))


def test_each_channel_is_tested_whatever_is_wrong_with_the_others(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "routing.yml"
    file.write_text('channels:\n  digest: "#data-daily"\n  by_mart: {product: "#nowhere"}\n')
    monkeypatch.setenv("GREENERY_ALERTS_FILE", str(file))
    said = plain(command("test"))
    assert "#data-alerts: a test message was posted" in said
    assert "#data-daily: a test message was posted" in said
    assert "#nowhere: Slack has no channel #nowhere" in said


# ack


def test_ack_is_told_in_the_thread_and_stops_reminders(
    command: Command, shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    record_run(shop, "staged=F3")
    alerts.run_pass()
    said = shown(command("ack", "1", "--by", "Ana <!channel>"))
    assert "staging/orders staged: acknowledged by Ana <!channel>. Its thread says so with the next pass." in said
    assert replies(slack) == []
    alerts.run_pass()
    (reply,) = slack.thread(CHANNEL, slack.messages(CHANNEL)[0].ts)
    assert reply.text.startswith("Ana &lt;!channel&gt; is working on this; reminders")
    assert "Ana <!channel>" in str(reply.blocks)
    assert slack.messages(CHANNEL)[0].text.startswith(":octagonal_sign: ERROR, acknowledged:")
    assert "<!channel>" not in [ping for message in slack.all_messages() for ping in pings(message)]
    assert "Ana <!channel> is working on it" in shown(command("status"))
    alerts.pass_time(datetime.now(UTC) + timedelta(hours=25))
    alerts.deliver()
    assert len(replies(slack)) == 1


def test_without_an_ack_there_is_a_reminder(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    record_run(shop, "staged=F3")
    alerts.run_pass()
    alerts.pass_time(datetime.now(UTC) + timedelta(hours=25))
    alerts.deliver()
    assert len(replies(slack)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("99", "--by", "Ana"), "No incident with the number 99 is open and was sent; status lists them."),
        (("1", "--by", " "), "--by must name who is working on it."),
    ],
)
def test_an_ack_that_cannot_be_is_refused(
    command: Command, shop: Shop, alerts: Alerts, arguments: tuple[str, ...], words: str
) -> None:
    record_run(shop, "staged=F3")
    alerts.run_pass()
    before = rows(shop)
    assert words in plain(command("ack", *arguments))
    assert rows(shop) == before


# silence


def test_a_silence_keeps_quiet_until_its_end(command: Command, shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    silence = ("silence", "--asset", "staging/*", "--reason", "The shop moves.", "--until", TOMORROW)
    said = shown(command(*silence))
    assert f"Silenced until {TOMORROW} 23:59 UTC: asset staging/*, check *. It covers 1 check." in said
    record_run(shop, "staged=F3")
    alerts.run_pass()
    assert slack.messages(CHANNEL) == []
    assert "not yet, or silenced" in shown(command("status"))
    alerts.pass_time(datetime.now(UTC) + timedelta(days=3))
    alerts.deliver()
    assert len(slack.messages(CHANNEL)) == 1


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [
        (("--asset", "raw/*"), "2 checks."),
        (("--check", "da*"), "1 check and the runs of daily_job."),
        (("--check", "daily_job"), "the runs of daily_job."),
    ],
)
def test_a_silence_says_what_it_covers_and_ends_at_the_minute_it_names(
    command: Command, patterns: tuple[str, ...], covered: str
) -> None:
    said = shown(command("silence", *patterns, "--reason", "The shop moves.", "--until", f"{TOMORROW} 00:00"))
    assert f"Silenced until {TOMORROW} 00:00 UTC" in said
    assert f"It covers {covered}" in said


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--reason", "Why not."), 1, "Name an asset or a check, or both, and a reason."),
        (("--asset", "raw/*", "--reason", " "), 1, "Name an asset or a check, or both, and a reason."),
        (("--asset", "raw/*", "--reason", "Past.", "--until", "2020-01-01"), 1, "--until 2020-01-01 23:59 UTC is over"),
        (
            ("--asset", "raw/*", "--reason", "Past.", "--until", f"{TODAY} 00:00"),
            1,
            f"{TODAY} 00:00 UTC is over",
        ),
        (("--asset", "raw/*", "--reason", "Vague.", "--until", "soon"), 2, "must be a day such as 2026-12-31"),
        (("--asset", "raw/*", "--reason", "Long.", "--until", "9999-12-31"), 2, "at most ten years from now"),
        (("--asset", "raw/ordres", "--reason", "Typo."), 1, "No check matches asset raw/ordres and check *."),
        (("--check", "anothr_job", "--reason", "Typo."), 1, "No check matches asset * and check anothr_job."),
        (("--asset", "raw/*"), 2, "Missing option '--reason'"),
    ],
)
@pytest.mark.usefixtures("alerts")
def test_a_silence_that_cannot_be_is_refused(
    command: Command, shop: Shop, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = rows(shop)
    until = () if "--until" in arguments else ("--until", TOMORROW)
    result = command("silence", *arguments, *until)
    assert (result.exit_code, words in result.output) == (code, True), result.output
    assert rows(shop) == before


# Settings that cannot be used


BAD_LEDGERS = [
    ("nonsense", "GREENERY_ALERTS_LEDGER is no database URL"),
    ("sqlite:////nowhere/alerts.sqlite", "The alert ledger /nowhere/alerts.sqlite cannot be opened"),
]
READING = [("status",), ("replay", "--since", TODAY), ("ack", "1", "--by", "Ana")]


@pytest.mark.parametrize("arguments", READING)
@pytest.mark.parametrize(("ledger", "words"), BAD_LEDGERS)
def test_a_ledger_that_cannot_be_used_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, ledger: str, words: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GREENERY_ALERTS_LEDGER", ledger)
    assert words in plain(command(*arguments))


@pytest.mark.parametrize("arguments", [*READING, ("test",)])
def test_an_alerts_file_that_cannot_be_used_is_named_with_line_and_field(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "routing.yml"
    file.write_text("channels:\n  default: data\n")
    monkeypatch.setenv("GREENERY_ALERTS_FILE", str(file))
    assert f"{file}:2: channels.default='data': must be" in plain(command(*arguments))


@pytest.mark.slow
@pytest.mark.usefixtures("command")
def test_an_alerts_file_that_stops_the_definitions_from_loading_is_told_as_plainly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GREENERY_ALERTS_FILE", str(tmp_path / "nowhere.yml"))
    process = subprocess.run(
        [sys.executable, "-m", "greenery_assets", "alerts", "status"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"The routing file {tmp_path / 'nowhere.yml'} cannot be read")
    assert "Traceback" not in process.stderr
