"""Runs as incidents: those that no failing check explains, and what makes them good."""

from dataclasses import replace
from typing import Any

import pytest

from greenery_assets.alerts.incidents import AD_HOC_JOB, RETRIED, Kind, MartState, Severity
from greenery_assets.alerts.lifecycle import observe, retire
from tests.alerts.builders import JOB, LINEAGE, START, SUBJECTS, Story, findings, run, told

JOB_RUNS: list[tuple[str, dict[str, Any], Severity | None]] = [
    ("failed, and no check says why", {"status": "FAILURE", "problem": "No folder."}, Severity.ERROR),
    ("failed with checks left unknown", {"found": findings("orders=?"), "status": "FAILURE"}, Severity.ERROR),
    ("failed with a WARN check failing", {"found": findings("orders=f3"), "status": "FAILURE"}, Severity.ERROR),
    ("failed by a blocking check", {"found": findings("orders=F3 staged=?")}, None),
    ("failed by a check that errored", {"found": findings("orders=x"), "status": "FAILURE"}, None),
    ("failed by more than a check", {"found": findings("orders=F3"), "problem": "No disk."}, Severity.ERROR),
    ("canceled after a blocking check failed", {"found": findings("orders=F3"), "status": "CANCELED"}, Severity.WARN),
    ("succeeded, one check errored, one left unknown", {"found": findings("orders=x users=?")}, Severity.WARN),
    ("canceled", {"status": "CANCELED"}, Severity.WARN),
    ("succeeded with a check left unknown", {"found": findings("orders=?")}, Severity.WARN),
    ("succeeded", {"found": findings("orders=P")}, None),
    ("failed and is tried again", {"status": RETRIED, "problem": "No disk."}, None),
    ("succeeded with a WARN check failing", {"found": findings("orders=f3")}, None),
]


@pytest.mark.parametrize(("run", "severity"), [pytest.param(*row[1:], id=row[0]) for row in JOB_RUNS])
def test_a_run_is_an_incident_itself_where_no_check_explains_it(run: dict[str, Any], severity: Severity | None) -> None:
    jobs = [happened.incident for happened in Story().see(**run) if happened.incident.subject.is_job]
    assert [(job.subject, job.finding.severity) for job in jobs] == ([(SUBJECTS["job"], severity)] if severity else [])


HELD_BACK: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("what lies downstream", {"found": findings("orders=F3 staged=? users=?")}, {"orders": 2}),
    ("what lies elsewhere, as the run stopped before it", {"found": findings("events=F3 orders=?")}, {"events": 1}),
    (
        "what lies downstream of one is not the other's doing, what lies elsewhere may be either's",
        {"found": findings("orders=F3 daily=F1 users=? events=?")},
        {"orders": 2, "daily": 1},
    ),
    (
        "a run that failed for another reason too has what lies elsewhere",
        {"found": findings("events=F3 daily=? orders=? users=?"), "problem": "No disk."},
        {"events": 1, "job": 3},
    ),
    (
        "a check that errored and so stopped the run",
        {"found": findings("events=x orders=?"), "status": "FAILURE"},
        {"events": 1},
    ),
    ("a warning none", {"found": findings("events=f3 orders=F1 users=?")}, {"events": 0, "orders": 1}),
]


@pytest.mark.parametrize(("run", "held_back"), [pytest.param(*row[1:], id=row[0]) for row in HELD_BACK])
def test_each_check_that_was_not_evaluated_is_counted_as_held_back_by(
    run: dict[str, Any], held_back: dict[str, int]
) -> None:
    story = Story()
    story.see(**run)
    incidents = {name: story.state[SUBJECTS[name]].incident for name in held_back}
    assert {name: found.held_back for name, found in incidents.items() if found} == held_back


LEFT = {"status": "FAILURE", "not_built": ["staging/orders", "marketing/users"], "found": findings("users=?")}
MADE_GOOD: list[tuple[str, dict[str, Any], list[dict[str, Any]], bool]] = [
    (
        "the same job succeeds",
        LEFT,
        [{"built": ["staging/orders", "marketing/users"], "found": findings("users=P")}],
        True,
    ),
    ("the same job succeeds in a part", LEFT, [{"built": ["staging/orders"]}], False),
    ("the same job succeeds, of which nothing was planned before", {"status": "FAILURE"}, [{}], True),
    ("the same job is canceled", LEFT, [{"status": "CANCELED"}], False),
    ("the same job fails by a check", LEFT, [{"found": findings("orders=F1")}], False),
    ("another job succeeds", LEFT, [{"job": "hourly_job"}], False),
    ("one run builds a part", LEFT, [{"job": AD_HOC_JOB, "built": ["staging/orders"]}], False),
    (
        "others together build and evaluate all",
        LEFT,
        [
            {"job": AD_HOC_JOB, "built": ["staging/orders"]},
            {"job": "hourly_job", "built": ["marketing/users"]},
            {"job": AD_HOC_JOB, "found": findings("users=P")},
        ],
        True,
    ),
    (
        "others build all and leave the check unknown",
        LEFT,
        [{"job": "hourly_job", "built": ["staging/orders", "marketing/users"], "found": findings("users=?")}],
        False,
    ),
    (
        "a second failure is awaited too",
        LEFT,
        [
            {"status": "FAILURE", "not_built": ["product/daily"], "built": ["staging/orders", "marketing/users"]},
            {"job": AD_HOC_JOB, "found": findings("users=P")},
        ],
        False,
    ),
    (
        "what an earlier failure left is still awaited",
        LEFT,
        [
            {"status": "FAILURE", "not_built": ["product/daily"]},
            {"job": AD_HOC_JOB, "built": ["product/daily"]},
        ],
        False,
    ),
    (
        "of chosen assets, another choice succeeds",
        {**LEFT, "job": AD_HOC_JOB},
        [{"job": AD_HOC_JOB, "built": ["raw/events"]}],
        False,
    ),
    (
        "of chosen assets, the same choice succeeds",
        {**LEFT, "job": AD_HOC_JOB},
        [{"job": AD_HOC_JOB, "built": LEFT["not_built"], "found": findings("users=P")}],
        True,
    ),
    (
        "of chosen assets nothing is awaited and another run succeeds",
        {"status": "FAILURE", "job": AD_HOC_JOB},
        [{"job": AD_HOC_JOB}],
        True,
    ),
]


@pytest.mark.parametrize(("failure", "later", "is_made_good"), [pytest.param(*row[1:], id=row[0]) for row in MADE_GOOD])
def test_a_failed_run_is_made_good_when(
    failure: dict[str, Any], later: list[dict[str, Any]], is_made_good: bool
) -> None:
    story = Story()
    (opened,) = story.see(**failure)
    kinds = [happened.kind for run in later for happened in story.see(**run) if happened.incident.subject.is_job]
    track = story.state[opened.incident.subject]
    assert (Kind.RESOLVED in kinds) == is_made_good
    assert (track.open_incident is None) == is_made_good


def test_a_job_that_fails_again_is_one_incident_and_its_severity_may_rise() -> None:
    story = Story()
    assert told(story.see(status="CANCELED")) == ["opened job"]
    assert told(story.see(status="CANCELED")) == []
    assert told(story.see(status="FAILURE")) == ["raised job"]
    assert told(story.see()) == ["resolved job"]
    assert told(story.see(status="FAILURE")) == ["reopened job"]


def test_a_failed_run_names_the_marts_that_it_left_as_they_were() -> None:
    (happened,) = Story().see(status="FAILURE", not_built=["raw/orders", "product/daily"])
    assert MartState("product/daily", False, START, "product") in happened.incident.marts
    assert "marketing/users" not in {mart.asset for mart in happened.incident.marts}


def test_checks_are_not_inhibited_by_a_failed_run() -> None:
    story = Story()
    story.see(status="FAILURE")
    assert told(story.see(findings("staged=F1"))) == ["opened staged"]


def test_a_job_that_fails_again_for_another_reason_says_so() -> None:
    story = Story()
    story.see(status="FAILURE", problem="No folder.")
    assert told(story.see(status="FAILURE", problem="No folder.")) == []
    (happened,) = story.see(status="FAILURE", problem="No disk.")
    assert (happened.kind, happened.incident.finding.reason) == (Kind.CHANGED, "No disk.")


def test_a_warning_names_the_marts_made_from_it_and_holds_no_check_back() -> None:
    story = Story()
    (happened,) = story.see(findings("orders=f3 users=?"), built=["marketing/users"], not_built=["product/daily"])[:1]
    assert [mart.is_refreshed for mart in happened.incident.marts] == [True, False]
    assert happened.incident.held_back == 0


def test_marts_that_are_built_later_count_as_refreshed_from_then_on() -> None:
    story = Story()
    story.see(findings("staged=F3"), not_built=["marketing/users", "product/daily"])
    story.see(built=["marketing/users"], job=AD_HOC_JOB)
    incident = story.state[SUBJECTS["staged"]].incident
    assert incident
    assert [(mart.asset, mart.is_refreshed) for mart in incident.marts] == [
        ("marketing/users", True),
        ("product/daily", False),
    ]


def test_a_failed_run_names_only_the_marts_that_nobody_built_since() -> None:
    story = Story()
    story.see(status="FAILURE", not_built=["marketing/users", "product/daily"])
    story.see(findings("events=F2"), built=["marketing/users"])
    incident = story.state[SUBJECTS["job"]].incident
    assert incident
    assert [mart.asset for mart in incident.marts] == ["product/daily"]
    assert incident.awaiting == {"product/daily"}


def test_a_failed_run_calls_the_owner_of_what_it_left() -> None:
    story = Story()
    failed = replace(run(1, status="FAILURE", problem="No folder."), owner="data-platform@greenery.example")
    state, (happened,) = observe(story.state, failed, LINEAGE, story.policy, START)
    assert happened.incident.finding.owner == "data-platform@greenery.example"
    assert state


def test_what_is_gone_from_the_project_is_closed_and_frees_what_was_inhibited_by_it() -> None:
    story = Story()
    story.see(findings("orders=F3 users=F1"))
    checks = {SUBJECTS["users"]}
    story.state, happened = retire(story.state, LINEAGE, checks, {JOB}, story.now)
    assert told(happened) == ["retired orders"]
    assert told(story.wait(0)) == ["opened users"]
    assert retire(story.state, LINEAGE, checks, {JOB}, story.now)[1] == []


def test_a_failed_run_does_not_wait_for_what_is_gone() -> None:
    story = Story()
    story.see(status="FAILURE", not_built=["staging/removed"])
    story.state, _ = retire(story.state, LINEAGE, set(), {JOB}, story.now)
    assert told(story.see()) == ["resolved job"]


def test_what_an_error_left_current_is_so_until_a_run_leaves_it_out() -> None:
    story = Story()
    story.see(findings("events=F1"), built=["marketing/users"], not_built=["product/daily"])
    incident = story.state[SUBJECTS["events"]].incident
    assert incident
    assert [mart.asset for mart in incident.current] == ["marketing/users"]
    story.see((), status="FAILURE", not_built=["marketing/users", "product/daily"], problem="The source is missing.")
    incident = story.state[SUBJECTS["events"]].incident
    assert incident
    assert incident.current == ()
