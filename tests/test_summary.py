"""The verdict of a run, worded: what each kind of outcome says and which exit code it gives."""

import pytest
from rich.console import Console

from greenery_assets.summary import CheckOutcome, RunFacts, group_line, render, render_next_steps


def outcome(passed: bool, is_error: bool = True, group: str = "staging", finding: str = "3 of 9 rows.") -> CheckOutcome:
    return CheckOutcome(
        group, f"{group}/stg_events", "a_check", passed, is_error, "A03", "It holds.", finding, "Mend it."
    )


def facts(*checks: CheckOutcome, planned: int | None = None, succeeded: bool = True) -> RunFacts:
    groups = ("raw", "staging", "core", "marketing", "product", "reporting")
    found = RunFacts(
        {group: [f"{group}/x"] for group in groups}, dict.fromkeys(groups, 0) | {"staging": planned or len(checks)}
    )
    found.checks.extend(checks)
    found.succeeded = succeeded
    for group in groups:
        found.rows[group][f"{group}/x"] = 1000
    return found


def shown(of: RunFacts) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render(of, "0.798 (99 of 124 buyers)"))
    return capture.get()


@pytest.mark.parametrize(
    ("found", "says", "exit_code"),
    [
        (facts(outcome(True)), "All 1 checks hold.", 0),
        (facts(outcome(True), outcome(False, is_error=False)), "Of 2 checks 1 warn.", 0),
        (
            facts(outcome(False), outcome(False, is_error=False), planned=5, succeeded=False),
            "Of 5 checks 1 fail and stopped what lies downstream, 1 warn, 3 were not evaluated.",
            1,
        ),
        (
            facts(outcome(True), planned=4, succeeded=False),
            "The run failed. Of 4 checks 3 were not evaluated.",
            1,
        ),
    ],
)
def test_the_verdict_is_one_sentence(found: RunFacts, says: str, exit_code: int) -> None:
    assert says in shown(found)
    assert found.exit_code == exit_code


def test_the_verdict_says_that_it_is_of_sample_data() -> None:
    found = facts(outcome(True))
    assert "SAMPLE DATA" not in shown(found)
    found.is_sample = True
    assert "SAMPLE DATA: All 1 checks hold." in shown(found)


def test_a_failing_check_is_explained_and_errors_come_first() -> None:
    text = shown(facts(outcome(False, is_error=False), outcome(False)))
    assert text.index("FAILED A03") < text.index("WARNED A03")
    for part in ("staging/stg_events: It holds.", "3 of 9 rows.", "Mend it.", "check a_check"):
        assert part in text


def test_text_from_a_source_is_not_read_as_markup() -> None:
    assert "[bold]x[/]" in shown(facts(outcome(False, finding="[bold]x[/]")))


def test_problems_of_the_run_are_shown() -> None:
    found = facts(outcome(True), succeeded=False)
    found.problems.append("The folder is empty.")
    assert "The folder is empty." in shown(found)


def test_a_group_is_announced_when_it_is_complete() -> None:
    found = facts(outcome(True), outcome(False))
    assert found.is_complete("staging")
    assert group_line(found, "staging").split() == [
        "staging",
        "1",
        "assets",
        "built,",
        "1",
        "of",
        "2",
        "checks",
        "fail",
    ]
    assert not facts(outcome(True), planned=2).is_complete("staging")


def test_next_steps_are_aligned_and_whole() -> None:
    address = "http://localhost:3000/runs/" + "x" * 60
    lines = render_next_steps([("Lineage", "make ui"), ("This run there", address)]).plain.splitlines()
    assert lines == ["Lineage         make ui", f"This run there  {address}"]


def test_what_was_not_refreshed_is_named() -> None:
    found = facts(outcome(False), succeeded=False)
    del found.rows["product"]["product/x"]
    assert "Not refreshed, as they were before: product/x" in shown(found)
