"""What is told in a thread of what happened to its incidents."""

import json
import re
from datetime import timedelta

import pytest

from greenery_assets.alerts import wording
from greenery_assets.alerts.incidents import AD_HOC_JOB, Incident, Kind, Outcome, Severity, Subject, Transition
from greenery_assets.alerts.messages import (
    change_messages,
)
from tests.alerts.told import OPENED_AT, READER, assert_slack_takes, happened, incident, job, mentions, retired, shown


@pytest.mark.parametrize(
    ("transition", "says", "notified"),
    [
        (happened(Kind.WORSE), "Worse.  312 → 400 rows, day 3: orders were", []),
        (happened(Kind.BETTER, 400, 18), "Better.  400 → 18 rows, day 3: orders were", []),
        (happened(Kind.RAISED), "Now an ERROR, no longer a warning.  312 → 400 rows, day 3: orders were", ["U0DATA"]),
        (happened(Kind.LOWERED, severity=Severity.WARN), "Now a warning, no longer an ERROR.", []),
        (happened(Kind.CHANGED, outcome=Outcome.ERRORED), "Could not be evaluated any more.  Whether it holds now", []),
        (
            happened(Kind.CHANGED, 400),
            "Can be evaluated again, and fails.  400 of 3,000 rows (13.3 %), day 3: orders were",
            [],
        ),
        (
            happened(Kind.STEADY, 400),
            "Comes and goes no more, fails each time.  400 of 3,000 rows (13.3 %), day 3: orders were",
            [],
        ),
        (happened(Kind.REMINDED), "Still open after 2 days.  400 of 3,000 rows", ["U0DATA"]),
        (happened(Kind.REMINDED, severity=Severity.WARN), "Still open after 2 days.", []),
        (
            happened(Kind.ACKNOWLEDGED, acknowledged_by="alex"),
            "alex  is working on this;  reminders are off until it gets worse: orders were",
            [],
        ),
        (happened(Kind.RAISED, inhibited_by=Subject("raw/events", "a_cause")), "Now an ERROR", ["U0DATA"]),
        (
            happened(Kind.RESOLVED, resolved_at=OPENED_AT + timedelta(hours=2, minutes=5), resolved_by_run="run-2"),
            "Resolved after 2 h 5 min.",
            [],
        ),
        (
            happened(Kind.RETIRED, resolved_at=OPENED_AT + timedelta(days=2)),
            "No longer checked:  this check is not part of the project any more. An order has",
            [],
        ),
    ],
)
def test_a_change_is_one_short_message(transition: Transition, says: str, notified: list[str]) -> None:
    [message] = change_messages([transition], READER)
    assert_slack_takes(message)
    assert says in shown(message)
    # What is over is called by what holds again, all else by what was found.
    statement = "An order has at most one checkout event" if not transition.incident.is_open else "checked out twice"
    is_errored = transition.incident.finding.outcome == Outcome.ERRORED
    assert f"{'An order has at most one checkout event' if is_errored else statement} (A03, stg_events)" in shown(
        message
    )
    assert mentions(message) == notified
    assert len(shown(message)) < 300


@pytest.mark.parametrize("kind", [Kind.RESOLVED, Kind.RETIRED])
def test_what_is_over_has_the_mark_of_it(kind: Kind) -> None:
    [message] = change_messages([Transition(kind, retired(incident()), OPENED_AT)], READER)
    assert '"name": "white_check_mark"' in json.dumps(message.blocks)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (job(), "Fails for another reason:  today's run failed: the folder has no orders.csv (A03, daily_job)"),
        (job(AD_HOC_JOB), "a run of chosen assets failed: the folder has no orders.csv (A03, chosen assets)"),
    ],
)
def test_a_job_that_fails_otherwise_says_why(of: Incident, says: str) -> None:
    [message] = change_messages([Transition(Kind.CHANGED, of, OPENED_AT, before=of.finding)], READER)
    assert_slack_takes(message)
    assert says in shown(message)
    assert "orders.csv" in message.text
    assert "evaluated again" not in shown(message)


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (incident(), incident(failing_rows=313), "312 → 313 rows"),
        (job(), job(failing_rows=1), "64 → 1 check not evaluated"),
        (job(), job(failing_rows=0), "64 → 0 checks not evaluated"),
        (job(failing_rows=0), job(failing_rows=0), ""),
        (incident(outcome=Outcome.ERRORED, failing_rows=0), incident(), "312 of 3,000 rows (10.4 %)"),
        (incident(), incident(outcome=Outcome.ERRORED, failing_rows=0), ""),
    ],
)
def test_a_step_is_from_one_known_extent_to_another(before: Incident, now: Incident, says: str) -> None:
    assert wording.step(before.finding, now.finding) == says


def test_a_change_without_any_extent_tells_the_day() -> None:
    now = job(failing_rows=0)
    raised = Transition(Kind.RAISED, now, OPENED_AT, before=now.finding)
    [message] = change_messages([raised], READER)
    assert "Now an ERROR, no longer a warning.  day 1: today's run failed: the folder" in shown(message)


def test_what_is_held_to_follow_is_listed_under_its_cause() -> None:
    cause = Subject("staging/stg_events", "a_cause")
    folded = [happened(Kind.INHIBITED, asset=f"core/mart_{n}", inhibited_by=cause) for n in range(3)]
    [message] = change_messages([*folded, happened(Kind.WORSE)], READER)
    said = shown(message)
    assert said.count("Also failing because of this (a_cause of stg_events):") == 1
    assert [said.index(part) for part in ("mart_0", "mart_1", "mart_2", "Worse")] == sorted(
        said.index(part) for part in ("mart_0", "mart_1", "mart_2", "Worse")
    )


def test_many_changes_are_all_told_in_order() -> None:
    many = [happened(Kind.RESOLVED, statement=f"Statement {n:03}.") for n in range(500)]
    told = change_messages(many, READER)
    for message in told:
        assert_slack_takes(message)
    said = " ".join(shown(message) for message in told)
    assert re.findall(r"Statement (\d+)", said) == [f"{n:03}" for n in range(500)]
    assert len(told) < 10
