"""One line for a finding and one for the state of the data: terminal, page, picture and every message use them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenery_assets.alerts import wording
from greenery_assets.alerts.digest import digest_message
from greenery_assets.alerts.incidents import Finding, Incident, Kind, MartState, Outcome, Severity, Subject
from greenery_assets.alerts.messages import change_messages, detail_messages, group_message, incident_message, rank
from tests.alerts.test_digest import day
from tests.alerts.told import OPENED_AT, READER, YESTERDAY, happened, incident, job, shown, title

FIGURES = {
    "core/fact_orders": "orders, revenue",
    "marketing/fact_repeat_rate": "repeat rate",
    "product/fact_conversion": "conversion",
    "product/fact_funnel": "funnel",
}
KNOWING = replace(READER, figures=FIGURES)


def marts(*names: str, at: datetime | None = YESTERDAY, refreshed: bool = False) -> tuple[MartState, ...]:
    return tuple(MartState(name, refreshed, at) for name in names)


ALL = marts(*FIGURES)
PRODUCT = marts("product/fact_conversion", "product/fact_funnel", "product/int_sessions")
REST = marts("core/fact_orders", "marketing/fact_repeat_rate", refreshed=True)


def warn(**changed: Any) -> Incident:
    """A warning about a mart that was refreshed."""
    of = {"severity": Severity.WARN, "marts": marts("product/fact_conversion", refreshed=True), "held_back": 0}
    return incident(**{**of, **changed})


@pytest.mark.parametrize(
    ("of", "headline", "consequence"),
    [
        (
            incident(reason="3 orders have two checkout events.", marts=PRODUCT, current=REST, affects="conversion"),
            "ERROR: 3 orders have two checkout events",
            "Conversion and funnel are frozen at 21 Nov 06:04 UTC; orders, revenue and repeat rate are current.",
        ),
        (
            warn(
                reason="events are 51 h old (limit 36 h).",
                use="Yesterday is missing from every traffic figure.",
            ),
            "Warning: events are 51 h old (limit 36 h)",
            "Yesterday is missing from every traffic figure.",
        ),
        (
            warn(reason="only 25 events on 25 Nov (111 to 184 expected).", use="Do not use that day."),
            "Warning: only 25 events on 25 Nov (111 to 184 expected)",
            "Do not use that day.",
        ),
        (
            warn(reason="New column in events, ignored: column 9 of events.csv.", affects="no figure"),
            "Note: new column in events, ignored: column 9 of events.csv",
            "No figure is affected.",
        ),
        (
            warn(reason="2 of 389 order totals do not add up (off by $2.00 in all).", affects="revenue"),
            "Warning: 2 of 389 order totals do not add up (off by $2.00 in all)",
            "Revenue may be wrong.",
        ),
        (
            warn(reason="One user made 219 of 578 sessions (38 %).", use="Use conversion without that user."),
            "Warning: one user made 219 of 578 sessions (38 %)",
            "Use conversion without that user.",
        ),
        (
            job(reason="The source folder is missing. Put it back.", marts=ALL),
            "ERROR: today's run failed: the source folder is missing",
            "All figures are from 21 Nov 06:04 UTC.",
        ),
        (
            incident(marts=marts(*FIGURES, at=None)),
            "ERROR: orders were checked out twice",
            "No figure is there yet.",
        ),
        (
            warn(outcome=Outcome.ERRORED, affects="revenue"),
            "ERROR: a check of stg_events could not be evaluated: An order has at most one checkout event",
            "Revenue may be wrong.",
        ),
    ],
)
def test_a_finding_is_a_headline_and_what_it_means_for_figures(of: Incident, headline: str, consequence: str) -> None:
    assert wording.headline(of, KNOWING) == headline
    assert wording.consequence(of, KNOWING) == consequence
    found = headline.partition(": ")[2]
    # Every message says so: as its title, in its list, in its thread, and on the phone.
    alone, listed = incident_message(of, KNOWING), group_message([of, warn(name="b")], KNOWING)
    assert headline in title(alone)
    assert headline in alone.text.split("\n")[0]
    assert consequence in alone.text.split("\n")[1]
    digest = digest_message(day(open_incidents=(of,)), KNOWING)
    for message in (listed, digest, detail_messages([of] * 7, KNOWING)[-1]):
        assert f"{headline}. {consequence}" in message.text
    assert f"{found} (" in change_messages([happened(Kind.REMINDED, **_fields(of))], KNOWING)[0].text


def _fields(of: Incident) -> dict[str, Any]:
    finding = {
        name: getattr(of.finding, name) for name in ("severity", "outcome", "reason", "use", "affects", "subject")
    }
    return {**finding, "marts": of.marts}


def test_who_works_on_it_is_said_with_what_was_found() -> None:
    [message] = change_messages([happened(Kind.ACKNOWLEDGED, acknowledged_by="Robin")], READER)
    assert message.text.startswith(
        "Robin is working on this; reminders are off until it gets worse: orders were checked"
    )


def test_a_group_says_how_many_and_the_worst() -> None:
    some = [
        warn(name="b"),
        warn(name="c"),
        incident(marts=PRODUCT, reason="3 orders have two."),
    ]
    assert title(group_message(some, KNOWING)).endswith(
        "1 ERROR, 2 warnings. Worst: 3 orders have two; 3 tables frozen"
    )


def test_a_note_is_listed_behind_warnings_and_an_error_before_them() -> None:
    note, warning, error = (
        warn(affects="no figure", failing_rows=900),
        warn(name="b"),
        incident(),
    )
    assert rank([note, warning, error]) == [error, warning, note]


def of_kind(word: str) -> Finding:
    severity = Severity.ERROR if word == "ERROR" else Severity.WARN
    affects = "no figure" if word == "Note" else ""
    return Finding(Subject("a", "b"), Outcome.FAILED, severity, "It holds.", affects=affects)


@pytest.mark.parametrize(
    ("failing", "more", "says"),
    [
        ({}, {}, "All 105 checks hold."),
        ({"Warning": 5, "Note": 1}, {}, "All figures were refreshed: 5 warnings, 1 note."),
        ({"ERROR": 1, "Warning": 5}, {}, "Not all figures are current: 1 ERROR, 5 warnings."),
        ({}, {"unknown": 1}, "Not all checks were evaluated: 1 check not evaluated."),
        ({}, {"not_built": 2}, "Not all figures are current: 2 tables not built."),
        ({}, {"failed": "Today's run failed"}, "Today's run failed."),
        ({"Warning": 1}, {"failed": "Today's run failed", "unknown": 2}, "Today's run failed: 2 checks not evaluated."),
        (
            {},
            {"failed": "Today's run failed: the source folder is missing", "ages": "All figures are from 07:34."},
            "Today's run failed: the source folder is missing. All figures are from 07:34.",
        ),
    ],
)
def test_the_status_is_a_sentence_or_two(failing: dict[str, int], more: dict[str, Any], says: str) -> None:
    assert wording.status(failing, 105, **more) == says


@given(st.lists(st.sampled_from(["ERROR", "Warning", "Note"])), st.integers(0, 9))
def test_the_status_counts_each_finding_once_by_its_own_word(words: list[str], unknown: int) -> None:
    said = wording.status(wording.counts(map(of_kind, words)), 105, unknown=unknown)
    for word, shown_as in (("ERROR", "ERROR"), ("Warning", "warning"), ("Note", "note")):
        number = words.count(word)
        assert (f"{number} {shown_as}{'s' if number > 1 else ''}" in said) is (number > 0)
    assert said.startswith("Not all figures are current") is ("ERROR" in words)
    assert said.startswith("All 105 checks hold") is (not words and not unknown)


@pytest.mark.parametrize(
    ("stale", "says"),
    [
        ((), ""),
        (ALL, "All figures are from 21 Nov 06:04 UTC."),
        (PRODUCT, "Conversion and funnel are from 21 Nov 06:04 UTC."),
        (
            (*PRODUCT, *marts("marketing/fact_repeat_rate", at=OPENED_AT)),
            "Conversion and funnel are from 21 Nov 06:04 UTC; repeat rate is from 22 Nov 06:05 UTC.",
        ),
        # Tables of one run are minutes apart.
        (
            (*marts("product/fact_funnel", at=YESTERDAY + timedelta(minutes=4)), *marts("product/fact_conversion")),
            "Conversion and funnel are from 21 Nov 06:04 UTC.",
        ),
        (marts("product/fact_funnel", at=None), "Funnel is not there yet."),
        # What is known as nothing is called by its group.
        (marts("product/int_sessions"), "Product figures are from 21 Nov 06:04 UTC."),
    ],
)
def test_what_is_old_is_said_by_age(stale: tuple[MartState, ...], says: str) -> None:
    assert wording.figures_by_age(stale, FIGURES, READER.moment) == says


def test_the_digest_says_the_status_and_names_a_failed_run_once() -> None:
    at = datetime(2026, 11, 22, 6, 1, tzinfo=UTC)
    failed = job(reason="The source folder is missing.", marts=ALL)
    said = shown(digest_message(day(finished_at=None, failed_at=at, open_incidents=(failed,), stale=ALL), KNOWING))
    assert (
        ":octagonal_sign: Today's run failed: the source folder is missing. All figures are from 21 Nov 06:04 UTC.\n"
        ":octagonal_sign: The daily run failed at 06:01 UTC." in said
    )
    bad = day(open_incidents=(incident(marts=PRODUCT), warn(name="b")), stale=PRODUCT)
    ages = "Conversion and funnel are from 21 Nov 06:04 UTC."
    assert f"Not all figures are current: 1 ERROR, 1 warning. {ages}" in shown(digest_message(bad, KNOWING))
