"""The life of an incident as a decision table: a history, one more step, what is told and what is remembered."""

from datetime import timedelta
from typing import Any

import pytest

from greenery_assets.alerts.incidents import Incident, Kind, MartState
from greenery_assets.alerts.lifecycle import time_passes
from tests.alerts.builders import HOUR, LINEAGE, SEEN_AFTER, START, SUBJECTS, Story, finding, findings, told

TABLE: dict[str, list[tuple[str, str, str]]] = {
    # history, separated by semicolons | one more step | what is told
    "opening and resolving": [
        ("", "orders=P", ""),
        ("", "orders=F3", "opened orders"),
        ("", "orders=f3", "opened orders"),
        ("", "orders=X", "opened orders"),
        ("orders=P; orders=P", "orders=F3", "opened orders"),
        ("orders=F3", "orders=P", "resolved orders"),
        ("orders=F3; orders=P", "orders=P", ""),
        ("orders=F3; orders=P", "orders=F3", "reopened orders"),
        ("orders=F3; orders=P; orders=F3; orders=P", "orders=P", ""),
        ("orders=F3", "events=F1", "opened events"),
        ("orders=F3 events=F1", "events=P", "resolved events"),
    ],
    "changes of an open one": [
        ("orders=F3", "orders=F3", ""),
        ("orders=F3", "orders=F9", "worse orders"),
        ("orders=F3; orders=F9", "orders=F9", ""),
        ("orders=F9", "orders=F3", "better orders"),
        ("orders=F9; orders=F3", "orders=F9", "worse orders"),
        ("orders=f3", "orders=F3", "raised orders"),
        ("orders=f9", "orders=F3", "raised orders"),
        ("orders=f3", "orders=X", "raised orders"),
        ("orders=F3", "orders=f3", "lowered orders"),
        ("orders=F3", "orders=f9", "lowered orders"),
        ("orders=F3", "orders=X", "changed orders"),
        ("orders=X", "orders=F3", "changed orders"),
    ],
    "unknown": [
        ("", "staged=? orders=F3", "opened orders"),
        ("orders=F3 staged=F1", "orders=F3 staged=?", ""),
        ("staged=F1", "orders=F1 staged=?", "opened orders"),
        ("staged=F1; orders=F1 staged=?", "orders=F1 staged=F1", ""),
        ("staged=F1; staged=P; orders=F3 staged=?", "orders=F3 staged=?", ""),
    ],
    "reminders": [
        ("orders=F3", "23h", ""),
        ("orders=F3", "24h", "reminded orders"),
        ("orders=F3; 24h", "23h", ""),
        ("orders=F3; 24h", "24h", "reminded orders"),
        ("orders=F3; 20h; orders=F9", "2h", ""),
        ("orders=F3; 20h; orders=F9", "3h", "reminded orders"),
        ("orders=F9; 20h; orders=F3", "3h", "reminded orders"),
        ("orders=F3; 20h; orders=F3", "3h", "reminded orders"),
        ("orders=F3; 20h; orders=X", "3h", "reminded orders"),
        # Worse daily, still recalled.
        ("orders=F1; 23h; orders=F2; 0h; 23h; orders=F3", "0h", "reminded orders"),
        ("orders=f1; 23h; " + "; 23h; ".join(f"orders=f{day}" for day in range(2, 9)), "0h", "reminded orders"),
        ("orders=f1; 23h; " + "; 23h; ".join(f"orders=f{day}" for day in range(2, 9)) + "; 0h", "167h", ""),
        ("orders=f3", "167h", ""),
        ("orders=f3", "168h", "reminded orders"),
        ("orders=F3; orders=P", "999h", ""),
        ("orders=F3; ack orders", "999h", ""),
        ("orders=f3; ack orders; orders=F3", "24h", "reminded orders"),
        ("orders=F3 staged=F1; 23h", "1h", "reminded orders"),
    ],
    "acknowledging": [
        ("", "ack orders", ""),
        ("orders=F3", "ack orders", "acknowledged orders"),
        ("orders=F3; ack orders", "ack orders", ""),
        ("orders=F3; orders=P", "ack orders", ""),
        ("orders=F3; ack orders", "orders=F9", "worse orders"),
        ("orders=F3; ack orders", "orders=P", "resolved orders"),
    ],
    "silences": [
        ("silence orders 30h", "orders=F3", ""),
        ("silence orders 30h; orders=F3", "orders=F9", ""),
        ("silence orders 30h; orders=F3", "28h", ""),
        ("silence orders 30h; orders=F3", "29h", "opened orders"),
        ("silence orders 30h; orders=F3; 28h", "orders=F3", "opened orders"),
        ("silence orders 30h; orders=F3; orders=P", "999h", ""),
        ("silence orders 30h; orders=F3", "orders=P", ""),
        ("orders=F3; silence orders 30h", "orders=F9", ""),
        ("orders=F3; silence orders 30h", "29h", ""),
        ("orders=F3; silence orders 30h", "30h", "reminded orders"),
        ("orders=F3; silence orders 30h; orders=F9", "30h", "worse orders, reminded orders"),
        ("orders=f3; silence orders 200h; orders=F9", "200h", "raised orders"),
        ("orders=F3; silence orders 30h", "orders=P", "resolved orders"),
        ("silence orders 30h", "events=F1", "opened events"),
        ("silence orders 30h", "orders=F3 staged=F1", "opened staged"),
    ],
    "folding": [
        ("", "orders=F3 staged=F1", "opened orders, inhibited staged"),
        ("", "staged=F1 orders=F3", "opened orders, inhibited staged"),
        ("", "users=f2 staged=F1 orders=F3", "opened orders, inhibited staged, inhibited users"),
        ("orders=F3", "orders=F3 users=F1", "inhibited users"),
        ("orders=F3", "users=F1", "inhibited users"),
        ("orders=X", "staged=F1", "inhibited staged"),
        ("orders=F3", "events=F1", "opened events"),
        ("orders=f3", "orders=f3 staged=F1", "opened staged"),
        ("staged=F1", "orders=F3 staged=F1", "opened orders"),
        ("staged=F1", "orders=F3 staged=F2", "opened orders, worse staged"),
        ("orders=F3 staged=F1", "orders=F3 staged=F2", ""),
        ("orders=F3 staged=f1", "orders=F3 staged=F1", "raised staged"),
        ("silence staged 2h; orders=F3 staged=F1; 3h", "orders=F3 staged=P", "resolved staged"),
        ("silence staged 2h; orders=F3 staged=F1", "3h", "inhibited staged"),
        ("orders=F3 staged=F1", "orders=F3 staged=P", "resolved staged"),
        ("orders=F3 staged=F1", "orders=P staged=P", "resolved orders, resolved staged"),
        ("orders=F3 staged=F1", "orders=P staged=F1", "resolved orders, opened staged"),
        ("orders=F3 staged=F1", "orders=f3 staged=F1", "lowered orders, opened staged"),
        ("orders=F3 staged=F1; orders=P", "1h", "opened staged"),
        ("orders=F3 staged=F1; orders=P; 1h", "1h", ""),
        ("orders=F3 staged=F1; orders=f3", "1h", "opened staged"),
        ("staged=F1; staged=P; orders=F3 staged=F1; orders=P", "1h", "reopened staged"),
        ("orders=F3 staged=F1; silence staged 30h; orders=P", "1h", ""),
    ],
    "flapping": [
        ("orders=F1; orders=P; orders=F1; orders=P", "orders=F1", "flapping orders"),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1", "orders=P", ""),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=P", "orders=F9", ""),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1", "orders=F9", ""),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=F1", "orders=F1", "steady orders"),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=P", "orders=P", ""),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=P; orders=P", "orders=P", "resolved orders"),
        ("orders=f1; orders=P; orders=f1; orders=P; orders=f1; orders=P", "orders=F1", "raised orders"),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=F1; orders=F1", "orders=P", "resolved orders"),
        ("orders=F1; orders=P; orders=P; orders=F1; orders=P; orders=P", "orders=F1", "reopened orders"),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1", "orders=P staged=F1", "opened staged"),
        ("orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=P", "999h", ""),
    ],
    "partitions": [
        ("", "monday=F1 tuesday=F2", "opened monday, opened tuesday"),
        ("monday=F1 tuesday=F2", "monday=P", "resolved monday"),
        ("monday=F1", "tuesday=P", ""),
        ("monday=F1", "tuesday=F2", "opened tuesday"),
    ],
}


def after(history: str) -> Story:
    story = Story()
    for step in filter(None, history.split("; ")):
        story.step(step)
    return story


def incident(story: Story, name: str) -> Incident:
    found = story.state[SUBJECTS[name]].incident
    assert found
    return found


@pytest.mark.parametrize(
    ("history", "step", "expected"),
    [
        pytest.param(*row, id=f"{topic}: {row[0]} | {row[1]}".replace("  ", " "))
        for topic, rows in TABLE.items()
        for row in rows
    ],
)
def test_after_a_history_one_more_step_tells(history: str, step: str, expected: str) -> None:
    assert ", ".join(told(after(history).step(step))) == expected


F3, F9, WARN3 = (finding(SUBJECTS["orders"], code) for code in ("F3", "F9", "f3"))


@pytest.mark.parametrize(
    ("history", "name", "fields"),
    [
        (
            "orders=F3",
            "orders",
            {
                "episode": 1,
                "opened_at": START + HOUR - SEEN_AFTER,
                "opened_by_run": "run-1",
                "announced": F3,
                "is_open": True,
            },
        ),
        ("orders=F3; orders=F9", "orders", {"opened_by_run": "run-1", "last_run": "run-2", "announced": F9}),
        (
            "orders=F3; orders=P",
            "orders",
            {"is_open": False, "resolved_at": START + 2 * HOUR - SEEN_AFTER, "resolved_by_run": "run-2", "finding": F3},
        ),
        ("orders=F3; orders=P; orders=F9", "orders", {"episode": 2, "opened_by_run": "run-3", "resolved_at": None}),
        ("orders=F3; ack orders; orders=F9", "orders", {"acknowledged_by": "Ana"}),
        ("orders=f3; ack orders; orders=F3", "orders", {"acknowledged_by": ""}),
        ("orders=F3; ack orders; orders=f3", "orders", {"acknowledged_by": "Ana", "announced": WARN3}),
        ("orders=F3; ack orders; orders=P; orders=F3", "orders", {"acknowledged_by": ""}),
        ("silence orders 9h; orders=F3", "orders", {"is_open": True, "announced": None, "notified_at": None}),
        ("orders=F3; silence orders 9h; orders=F9", "orders", {"finding": F9, "announced": F3}),
        ("orders=F3 staged=F1", "staged", {"inhibited_by": SUBJECTS["orders"], "announced": None}),
        ("orders=F3 staged=F1; orders=P staged=F1", "staged", {"inhibited_by": None, "episode": 1}),
        ("staged=F1; orders=F3 users=F1", "users", {"inhibited_by": SUBJECTS["orders"]}),
        ("events=F1; orders=F3 daily=F1", "daily", {"inhibited_by": SUBJECTS["events"]}),
        (
            "orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=P",
            "orders",
            {"is_flapping": True, "episode": 3},
        ),
        (
            "orders=F1; orders=P; orders=F1; orders=P; orders=F1; orders=F1; orders=F9",
            "orders",
            {"is_flapping": False, "announced": F9},
        ),
        ("orders=F3 staged=? users=? daily=? events=?", "orders", {"held_back": 4}),
    ],
)
def test_after_a_history_an_incident_remembers(history: str, name: str, fields: dict[str, Any]) -> None:
    found = incident(after(history), name)
    assert {field: getattr(found, field) for field in fields} == fields


def test_a_change_tells_what_people_knew_before() -> None:
    story = after("orders=F3; silence orders 5h; orders=F9")
    (happened,) = story.wait(9)
    assert (happened.kind, happened.before, happened.incident.last_run) == (Kind.WORSE, F3, "run-2")


def test_an_unknown_check_leaves_no_trace_of_its_own() -> None:
    story = after("orders=F3 staged=?")
    assert SUBJECTS["staged"] not in story.state


def test_an_incident_carries_the_marts_it_decides_over_as_its_run_left_them() -> None:
    story = Story()
    (happened,) = story.see(findings("orders=F3"), built=["marketing/users"], not_built=["product/daily"])
    assert happened.incident.marts == (
        MartState("marketing/users", True, START, "marketing"),
        MartState("product/daily", False, START, "product"),
    )


def test_what_is_long_open_is_recalled_in_one_order_whatever_the_order_of_the_state() -> None:
    story = after("orders=F1 events=F1")
    backwards = dict(reversed(list(story.state.items())))
    later = story.now + timedelta(hours=30)
    assert (
        time_passes(backwards, LINEAGE, story.policy, later)[1]
        == time_passes(story.state, LINEAGE, story.policy, later)[1]
    )


def test_the_given_state_is_left_as_it_was() -> None:
    story = after("orders=F1")
    before = story.state
    copy = dict(before)
    story.step("orders=P")
    story.step("30h")
    assert before == copy


FLAPS = "orders=F1; orders=P; orders=F1; orders=P"
ENDINGS: list[tuple[str, str, str, str]] = [
    # rule | history | one more step | what is told
    (
        "what got worse in a silence is told when it ends",
        "orders=F3; silence orders 9h; orders=F9",
        "8h",
        "worse orders",
    ),
    ("a silenced check is not told as folded", "silence staged 9h", "orders=F3 staged=F1", "opened orders"),
    (
        "a silenced folded check is not told as resolved",
        "silence staged 9h; orders=F3 staged=F1",
        "orders=F3 staged=P",
        "",
    ),
    (
        "a flapping check is told as such when its silence ends",
        f"{FLAPS}; silence orders 9h; orders=F1",
        "9h",
        "flapping orders",
    ),
    (
        "what a cause that is gone held back is folded under the next cause",
        "orders=F3 staged=F1 users=F1; orders=P",
        "1h",
        "opened staged, inhibited users",
    ),
    (
        "what moves under another cause is told there",
        "orders=F3 staged=F1 users=F1",
        "orders=P staged=F1 users=F1",
        "resolved orders, opened staged, inhibited users",
    ),
]


@pytest.mark.parametrize(
    ("history", "step", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in ENDINGS],
)
def test_when_silences_and_causes_end_this_is_told(history: str, step: str, expected: str) -> None:
    assert ", ".join(told(after(history).step(step))) == expected


def test_a_run_that_did_not_build_a_mart_did_not_refresh_it() -> None:
    (happened,) = Story().see(findings("orders=F3"))
    assert not any(mart.is_refreshed for mart in happened.incident.marts)


def test_a_resolved_incident_carries_the_marts_as_the_run_that_resolved_it_left_them() -> None:
    marts = ["marketing/users", "product/daily"]
    story = Story()
    story.see(findings("orders=F3"), not_built=marts)
    (happened,) = story.see(findings("orders=P"), built=marts)
    assert all(mart.is_refreshed for mart in happened.incident.marts)


def test_what_a_clock_ahead_told_is_recalled_once_and_then_in_its_time() -> None:
    story = Story(now=START + timedelta(days=30))
    story.step("orders=F1")
    story.now = START
    assert told(story.wait(1)) == ["reminded orders"]
    assert told(story.wait(23)) == []
    assert told(story.wait(1)) == ["reminded orders"]
