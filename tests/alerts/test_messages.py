"""What people read in Slack of incidents: the facts in words, nothing from data that Slack could interpret."""

import re
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from greenery_assets.alerts import blocks, messages
from greenery_assets.alerts.incidents import (
    AD_HOC_JOB,
    Incident,
    MartState,
    Outcome,
    Sample,
    Severity,
    Subject,
    Transition,
)
from greenery_assets.alerts.messages import (
    change_messages,
    detail_messages,
    group_message,
    incident_message,
    rank,
)
from tests.alerts.told import (
    IN_THREADS,
    NASTY,
    OPENED_AT,
    OTHER_OWNER,
    OWNER,
    READER,
    STALE,
    YESTERDAY,
    assert_slack_takes,
    incident,
    job,
    mentions,
    resolved,
    retired,
    shown,
    texts,
    title,
)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (
            incident(),
            [
                ":octagonal_sign: ERROR: orders were checked out twice",
                "Figures: Core and marketing figures are frozen at 21 Nov 06:04 UTC.",
                "Assumed: An order has at most one checkout event. (A03)",
                "312 of 3,000 rows (10.4 %). Orders were checked out twice.",
                "Not refreshed, still with the data of 21 Nov 06:04 UTC: core: fact_orders; marketing: fact_repeat",
                "Not evaluated because of this: 41 checks",
                "Owner: <@U0DATA>",
                "What to do: Drop the copy at the source.",
                "Why it matters: Conversion would count the order twice.",
                "order_id  total\no1         7.50\no2        12.00",
                "quality.order_has_at_most_one_checkout",
                "<http://dagster.example/assets/staging/stg_events?view=checks&amp;checkDetail=order_has_at_most_one_checkout|",
                "<http://dagster.example/runs/run-1|",
            ],
        ),
        (
            incident(severity=Severity.WARN, marts=(MartState("core/fact_orders", True, OPENED_AT),), held_back=0),
            [
                ":warning: Warning: orders were checked out twice",
                "Figures: Core figures may be wrong.",
                "Owner: data-platform",
            ],
        ),
        (
            incident(severity=Severity.WARN, marts=(MartState("core/fact_orders", True, OPENED_AT), STALE[0])),
            ["Figures: Core and marketing figures may be wrong."],
        ),
        (
            incident(marts=(MartState("core/fact_orders", True, OPENED_AT), STALE[0])),
            ["Refreshed, may be wrong: core: fact_orders\nNot refreshed, still with the data of 21 Nov 06:04 UTC"],
        ),
        (
            incident(outcome=Outcome.ERRORED, failing_rows=0, reason="Its SQL failed."),
            ["ERROR: a check of stg_events could not be evaluated", "Its SQL failed. Whether this holds is not known."],
        ),
        (incident(outcome=Outcome.ERRORED, reason=""), ["The check could not be evaluated. Whether this holds"]),
        (incident(is_flapping=True), ["ERROR, comes and goes:", "fails and holds in turns"]),
        (incident(acknowledged_by="alex"), ["ERROR, acknowledged:", "Working on this:  alex"]),
        (incident(episode=3), ["ERROR again:", "Again, for the 3rd time"]),
        (incident(owner=OTHER_OWNER), ["Owner: <!subteam^S0MARKETING>"]),
        (incident(owner="nobody@known.example"), ["Owner: nobody"]),
        (incident(marts=(MartState("core/dim_users", False, None),)), ["Never built yet: core: dim_users"]),
        (
            incident(marts=(*STALE, MartState("snapshots/orders_snapshot", False, YESTERDAY, "core"))),
            ["of 21 Nov 06:04 UTC: core: fact_orders, orders_snapshot; marketing: fact_repeat_rate"],
        ),
        (incident(marts=()), ["Figures: No figure is affected."]),
        (
            incident(affects="conversion and funnel"),
            [
                "Figures: Conversion and funnel are frozen at 21 Nov 06:04 UTC.",
                "core: fact_orders; marketing: fact_repeat",
            ],
        ),
        (incident(severity=Severity.WARN, affects="revenue"), ["Figures: Revenue may be wrong."]),
        (incident(severity=Severity.WARN, affects="no figure"), ["Note: orders", "Figures: No figure is affected."]),
        (
            incident(reason=""),
            ["ERROR: 312 rows not as assumed in stg_events: An order has at most one checkout event"],
        ),
        (
            incident(found_at=OPENED_AT + timedelta(hours=25)),
            ["Found 23 Nov 07:05 UTC:  312 of 3,000 rows (10.4 %). Orders were"],
        ),
        (incident(reason="312 of 3,000 rows (10.4%)."), ["Found:  312 of 3,000 rows (10.4 %). Since"]),
        (incident(failing_rows=1, rows_checked=1), ["ERROR: orders were checked out twice", "Found:  Orders were"]),
        (incident(failing_rows=7, rows_checked=None), ["Found:  7 rows. "]),
        (incident(failing_rows=1, rows_checked=9000), ["1 of 9,000 rows (<0.1 %)"]),
        (incident(subject=Subject("core/a", "b", "2026-11-21")), ["Partition:  2026-11-21"]),
        (
            resolved(incident()),
            [
                ":white_check_mark: Resolved after 2 h 5 min: stg_events has recovered",
                "Was found:  312 of 3,000 rows",
                "22 Nov 06:05 UTC until 22 Nov 08:10 UTC",
                "Owner: data-platform",
                "/runs/run-2|",
            ],
        ),
        (
            retired(incident()),
            [
                ":white_check_mark: Closed: this check of stg_events is no longer part of the project",
                "/runs/run-1|The run that found it",
            ],
        ),
        (
            job(),
            [
                "ERROR: today's run failed: the folder has no orders.csv",
                "The folder has no orders.csv. 64 checks not evaluated.",
            ],
        ),
        (job(AD_HOC_JOB, severity=Severity.WARN), ["Warning: a run of chosen assets is incomplete"]),
        (job(severity=Severity.WARN), ["Not refreshed, still with the data of 21 Nov 06:04 UTC: core: fact_orders"]),
        (resolved(job()), ["Resolved after 2 h 5 min: the daily run has recovered"]),
    ],
)
def test_an_incident_says_what_its_readers_need(of: Incident, says: list[str]) -> None:
    message = incident_message(of, READER)
    assert_slack_takes(message)
    for part in says:
        assert part in shown(message)


def test_no_run_resolved_what_is_no_longer_checked() -> None:
    said = shown(incident_message(retired(incident()), READER))
    assert "esolved" not in said
    assert "recovered" not in said


def test_a_warning_does_not_claim_that_its_marts_are_old() -> None:
    assert "Not refreshed" not in shown(incident_message(incident(severity=Severity.WARN), READER))


@pytest.mark.parametrize(
    ("of", "notified"),
    [
        (incident(), ["U0DATA"]),
        (incident(owner=OTHER_OWNER), ["S0MARKETING"]),
        (incident(severity=Severity.WARN), []),
        (resolved(incident()), []),
    ],
)
def test_only_the_owner_of_an_open_error_is_notified(of: Incident, notified: list[str]) -> None:
    assert mentions(incident_message(of, READER)) == notified


def test_a_mention_that_is_no_slack_id_notifies_nobody() -> None:
    reader = replace(READER, mentions={OWNER: "channel> <!here"})
    message = incident_message(incident(), reader)
    assert_slack_takes(message)
    assert mentions(message) == []
    assert "Owner: data-platform" in shown(message)


@pytest.mark.parametrize("of", [job(), retired(incident())])
def test_there_is_no_link_to_a_check_that_is_none(of: Incident) -> None:
    assert "/assets/" not in shown(incident_message(of, READER))


def test_times_are_those_of_the_reader() -> None:
    message = incident_message(incident(), replace(READER, timezone=ZoneInfo("Europe/Berlin")))
    assert "21 Nov 07:04 CET" in shown(message)


@pytest.mark.parametrize("value", NASTY)
def test_what_data_says_is_shown_literally(value: str) -> None:
    of = incident(
        subject=Subject("staging/stg_events", "a_check", value),
        reason=value,
        sample=Sample(("order_id", value), (("o1", value),)),
        kept_in=value,
        acknowledged_by=value,
    )
    all_messages = [
        incident_message(of, READER),
        group_message([of, incident()], READER),
        *detail_messages([of] * 7, READER),
        *change_messages([Transition(kind, of, OPENED_AT, before=of.finding) for kind in IN_THREADS], READER),
    ]
    for message in all_messages:
        assert_slack_takes(message)
        assert set(mentions(message)) <= {"U0DATA"}
        if len(value.strip()) > 4:
            # What a phone shows is what was found: letters are letters there too.
            assert value[:40] not in message.text or value.isalpha()
            assert not any(value[:40] in text for text in texts(message, "mrkdwn"))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]", shown(message))


def test_what_is_cut_says_how_much() -> None:
    of = incident(reason="x" * 10_000, sample=Sample(("order_id",), (("y" * 10_000,),)))
    said = shown(incident_message(of, READER))
    assert "x" * 600 + "… (+9,400 characters)" in said
    assert "y" * 40 + "… (+9,960 characters)" in said


def test_columns_and_rows_that_do_not_fit_are_counted() -> None:
    wide = Sample(tuple(f"column_{n}" for n in range(9)), (("z" * 36,) * 9,) * 12)
    said = shown(incident_message(incident(sample=wide), READER))
    assert "(2 more rows)\n(7 more columns)" in said


def test_errors_come_first_then_what_they_stop_hold_back_and_break() -> None:
    ordered = [
        incident(name="a", marts=STALE),
        incident(name="b", marts=STALE[:1], held_back=9),
        incident(name="c", marts=STALE[:1], held_back=2, failing_rows=5),
        incident(name="d", marts=STALE[:1], held_back=2, failing_rows=4),
        incident(name="e", severity=Severity.WARN, failing_rows=9999),
    ]
    assert rank(ordered[::-1]) == ordered


@pytest.mark.parametrize(
    ("incidents", "says"),
    [
        (
            [incident(), incident(name="b", severity=Severity.WARN), incident(name="c", severity=Severity.WARN)],
            ":octagonal_sign: 1 ERROR, 2 warnings. Worst: orders were checked out twice; 2 tables frozen",
        ),
        (
            [
                resolved(incident()),
                incident(name="b", severity=Severity.WARN),
                incident(name="c", severity=Severity.WARN),
            ],
            ":warning: 2 of 3 still open: 2 warnings. Worst: orders were checked out twice",
        ),
        ([resolved(incident(name=name, marts=())) for name in "abc"], ":white_check_mark: All 3 problems are resolved"),
        ([resolved(incident(marts=()))], ":white_check_mark: The problem is resolved"),
        ([job(), incident()], ":octagonal_sign: 2 ERRORs. Worst: orders were checked out twice; 2 tables frozen"),
        ([resolved(job(marts=())), resolved(incident(marts=()))], ":white_check_mark: All 2 problems are resolved"),
        ([incident()], ":octagonal_sign: 1 ERROR. Worst: orders were checked out twice; 2 tables frozen"),
        (
            [retired(incident()), incident(name="b")],
            ":octagonal_sign: 1 of 2 still open: 1 ERROR. Worst: orders were checked out twice; 2 tables frozen",
        ),
        (
            [retired(incident(marts=())), resolved(incident(marts=()))],
            ":white_check_mark: All 2 problems are closed",
        ),
        (
            [resolved(job(marts=())), retired(incident(marts=()))],
            ":white_check_mark: All 2 problems are closed",
        ),
    ],
)
def test_a_groups_headline_counts_what_still_fails(incidents: list[Incident], says: str) -> None:
    message = group_message(incidents, READER)
    assert_slack_takes(message)
    assert title(message) == says


def test_a_group_names_causes_marts_and_each_owner_once() -> None:
    incidents = [
        *(incident(name=f"check_{n}") for n in range(6)),
        *(incident(name=f"warn_{n}", severity=Severity.WARN, owner=OTHER_OWNER) for n in range(494)),
    ]
    message = group_message(incidents, READER)
    assert_slack_takes(message)
    assert mentions(message) == ["U0DATA"]
    assert "Owners: <@U0DATA>, marketing-analytics" in shown(message)
    assert "490 more in the thread" in shown(message)
    assert "Core and marketing figures are frozen at 21 Nov 06:04 UTC." in shown(message)
    assert "/runs/run-1|" in shown(message)


def test_a_group_tells_what_is_old_apart_from_what_a_warning_makes_doubtful() -> None:
    warning = incident(name="b", severity=Severity.WARN, affects="conversion")
    again = incident(name="c", severity=Severity.WARN)
    said = group_message([incident(), warning, again], READER).text.split("\n")
    assert [line.partition("twice. ")[2].partition(" (")[0] for line in said if "twice. " in line] == [
        "Core and marketing figures are frozen at 21 Nov 06:04 UTC.",
        "Conversion may be wrong.",
        "Core and marketing figures may be wrong.",
    ]
    # Tables are named in the thread.
    assert "fact_orders" not in str(said)


def test_a_group_that_is_over_tells_which_checks_are_gone() -> None:
    said = shown(group_message([retired(incident()), resolved(incident(name="b"))], READER))
    assert "Closed:  An order" in said
    assert "Resolved:  An order" in said


def test_the_very_first_message_says_that_alerts_start_here() -> None:
    first = group_message([incident(), incident(name="b")], READER, is_first=True)
    assert "Alerts start here. This is wrong now" in shown(first)
    assert "Alerts start here" not in shown(group_message([incident(), incident(name="b")], READER))


def test_a_first_message_without_incidents_says_that_no_check_fails() -> None:
    message = group_message([], READER, is_first=True)
    assert_slack_takes(message)
    assert title(message) == ":white_check_mark: No check fails"
    assert "Alerts start here." in shown(message)


def test_500_failing_checks_are_told_in_order_in_few_messages() -> None:
    incidents = [incident(name=f"check_{n:03}", reason=f"Finding {n:03} was made. " * 4) for n in range(500)]
    details = detail_messages(incidents, READER)
    assert len(details) <= 30
    for message in details:
        assert_slack_takes(message)
        assert mentions(message) == []
    assert [title(message).split(" · ")[0] for message in details[:5]] == [
        f":octagonal_sign: {n} of 500" for n in range(1, 6)
    ]
    said = " ".join(shown(message) for message in details[5:])
    assert [int(number) for number in re.findall(r"(?:^| )(\d+)\.  ", said)] == list(range(6, 501))
    assert re.findall(r"\(A03, stg_events\)", said) == ["(A03, stg_events)"] * 495
    assert list(dict.fromkeys(re.findall(r"Finding (\d+)", said))) == [f"{n:03}" for n in range(5, 500)]


def test_the_test_message_asks_for_nothing() -> None:
    message = messages.test_message(READER)
    assert_slack_takes(message)
    assert "This is a test; no action needed." in shown(message)
    assert mentions(message) == []


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(seconds=20), "less than a minute"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=1, hours=2), "1 day 2 h"),
        (timedelta(days=3, hours=2), "3 days"),
        (timedelta(days=-1), "less than a minute"),
    ],
)
def test_durations_are_in_words(duration: timedelta, words: str) -> None:
    assert blocks.duration_in_words(duration) == words
