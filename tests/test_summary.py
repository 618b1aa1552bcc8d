"""The verdict of a run, worded: what each kind of outcome says and which exit code it gives."""

from dataclasses import replace

import pytest
from rich.console import Console

from greenery_assets.alerts.runs import Finding, Outcome, Severity, Subject
from greenery_assets.summary import RunFacts, group_line, render, render_end, render_next_steps

RUN_URL = "http://localhost:3000/runs/x"


def outcome(passed: bool, is_error: bool = True, found: str = "3 of 9 rows are late.", affects: str = "") -> Finding:
    return Finding(
        Subject("staging/stg_events", "a_check"),
        Outcome.PASSED if passed else Outcome.FAILED,
        Severity.ERROR if is_error else Severity.WARN,
        "It holds.",
        assumption="A03",
        remedy="Fix it.",
        affects=affects,
        reason=found,
    )


def facts(*outcomes: Finding, planned: int = 0, succeeded: bool = True) -> RunFacts:
    """Facts of these checks, each with a name of its own, and of as many that were planned in all."""
    checks = [replace(check, subject=replace(check.subject, name=f"check_{n}")) for n, check in enumerate(outcomes)]
    names = [(check.subject.asset, check.subject.name) for check in checks]
    names += [("staging/stg_events", f"check_{n}") for n in range(len(checks), planned)]
    groups = ("raw", "staging", "core", "marketing", "product", "reporting")
    found = RunFacts({group: [f"{group}/x"] for group in groups}, {group: [] for group in groups} | {"staging": names})
    for check in checks:
        found.add(check)
    found.succeeded = succeeded
    for group in groups:
        found.rows[group][f"{group}/x"] = 1000
    return found


def shown(of: RunFacts) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render(of, "0.798 (99 of 124 buyers)"))
        console.print(render_end(of, RUN_URL))
    return capture.get()


def end_of(of: RunFacts) -> list[str]:
    """The last lines on a terminal of 80 columns."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(render_end(of, RUN_URL))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize(
    ("found", "says", "exit_code"),
    [
        (facts(outcome(True)), "The check holds.", 0),
        (facts(outcome(True), outcome(False, is_error=False)), "All figures were refreshed: 1 warning.", 0),
        (
            facts(outcome(False), outcome(False, is_error=False), planned=5, succeeded=False),
            "Not all figures are current: 1 ERROR, 1 warning, 3 checks not evaluated.",
            1,
        ),
        (
            facts(outcome(True), planned=4, succeeded=False),
            "Today's run failed: 3 checks not evaluated.",
            1,
        ),
        # Absence is not success, also where Dagster says that the run ended well.
        (facts(outcome(True), planned=2), "Today's run is not complete: 1 check not evaluated.", 1),
        (facts(outcome(True), succeeded=False), "Today's run failed.", 1),
    ],
)
def test_the_verdict_is_one_sentence(found: RunFacts, says: str, exit_code: int) -> None:
    assert says in shown(found)
    assert found.exit_code == exit_code


def test_the_verdict_says_that_it_is_of_sample_data() -> None:
    found = facts(outcome(True))
    assert "SAMPLE DATA" not in shown(found)
    found.is_sample = True
    assert "SAMPLE DATA: The check holds." in shown(found)


def test_a_failing_check_is_explained_and_errors_come_first() -> None:
    text = shown(facts(outcome(False, is_error=False), outcome(False)))
    assert text.index("ERROR: 3 of 9") < text.index("Warning: 3 of 9")
    for part in ("3 of 9 rows are late. (A03, stg_events)", "Fix it.", "check check_0"):
        assert part in text


def test_text_from_a_source_is_not_read_as_markup() -> None:
    assert "[bold]x[/]" in shown(facts(outcome(False, found="[bold]x[/]")))


def test_problems_of_the_run_are_shown() -> None:
    found = facts(outcome(True), succeeded=False)
    found.problems.append("The folder is empty.")
    assert "The folder is empty." in shown(found)


def test_a_problem_beside_the_run_is_shown_and_makes_the_exit_code() -> None:
    found = facts(outcome(True))
    found.problems.append("Nobody was notified: the ledger cannot be opened.")
    assert found.exit_code == 1
    assert "Nobody was notified" in shown(found)


def test_a_group_is_announced_when_it_is_complete() -> None:
    found = facts(outcome(True), outcome(False))
    assert found.is_complete("staging")
    assert group_line(found, "staging").split() == [
        "staging",
        "1",
        "asset",
        "built,",
        "1",
        "ERROR",
    ]
    assert not facts(outcome(True), planned=2).is_complete("staging")


def test_next_steps_are_aligned_and_whole() -> None:
    address = "http://localhost:3000/runs/" + "x" * 60
    lines = render_next_steps([("Lineage", "make ui"), ("This run there", address)]).plain.splitlines()
    assert lines == ["Lineage         make ui", f"This run there  {address}"]


def test_what_was_not_refreshed_is_named() -> None:
    found = facts(outcome(False), succeeded=False)
    del found.rows["product"]["product/x"]
    assert "1 of 5 tables were not built and are as they were before this run: product/x." in shown(found)


def test_a_table_that_was_left_out_is_no_success() -> None:
    found = facts(outcome(True))
    del found.rows["product"]["product/x"]
    assert found.exit_code == 1
    lines = end_of(found)
    assert lines[1] == "Today's run is not complete."
    assert "product/x" in " ".join(lines)
    assert lines[-1] == RUN_URL


def test_a_check_that_a_second_attempt_evaluated_again_counts_once() -> None:
    found = facts(outcome(True), outcome(False, is_error=False))
    found.add(replace(next(iter(found.checks.values()))))
    assert len(found.checks) == 2
    assert found.not_evaluated == []


@pytest.mark.parametrize(
    ("found", "problem", "says"),
    [
        (
            facts(planned=120, succeeded=False),
            "The source folder /srv/export does not exist; name it in GREENERY_SOURCE_DIR.",
            ["Today's run failed: 120 checks not evaluated.", "/srv/export", "GREENERY_SOURCE_DIR"],
        ),
        (
            facts(*[outcome(False, found="3 of 9 rows. " * 80) for _ in range(40)], planned=120, succeeded=False),
            "",
            [
                "40 ERRORs, 80 checks not evaluated.",
                "ERROR: 3 of 9 rows.",
                "characters)",
                "check_1, check_10, check_11 and 36 more",
            ],
        ),
        (
            facts(planned=120, succeeded=False),
            "\n".join(f"Database Error in model number_{n}" for n in range(60)),
            ["Database Error in model number_0", "the run's log has the rest"],
        ),
        (facts(outcome(True), planned=120), "", ["119 checks not evaluated", "check_1, check_2, check_3", RUN_URL]),
    ],
    ids=["source", "checks", "dbt", "unevaluated"],
)
def test_what_failed_and_what_to_do_are_the_last_lines_and_fit_a_terminal(
    found: RunFacts, problem: str, says: list[str]
) -> None:
    found.problems.extend(filter(None, [problem]))
    for group in ("core", "marketing", "product"):
        found.rows[group].clear()
    lines = end_of(found)
    assert len(lines) <= 16, "a terminal has 24 lines, and what was typed must not hide it"
    text = " ".join(" ".join(lines).split())
    for part in [*says, "3 of 5 tables were not built"]:
        assert part in text


LOADED = "The source folder /srv/export does not exist. Name the folder of the seven tables in GREENERY_SOURCE_DIR."
DBT = "dbt could not build fact_daily. Look for the reason in dbt's own log, /srv/greenery/dbt_project/target/dbt.log."
LOCK = (
    "The warehouse /srv/greenery/data/greenery.duckdb.working is open in another program; close it there, or wait "
    "until it is done, and run again. The program is duckdb, PID 4711."
)
REMEDY = "Keep the true one at the source and export orders and events again."
LONG = "3 of 9 rows are late. " * 40


@pytest.mark.parametrize(
    ("checks", "problem", "says"),
    [
        ([outcome(True)], "", ["The check holds."]),
        (
            [outcome(False, is_error=False, found="7 orders do not add up."), *[outcome(False, is_error=False)] * 9],
            "",
            ["10 warnings", "Warning: 7 orders do not add up.", "Also failing", "and 6 more.", f"Next: {REMEDY}"],
        ),
        (
            [outcome(False, found="1 order has more than one checkout event."), outcome(False, is_error=False)],
            "",
            ["1 ERROR, 1 warning", "tables were not built", "ERROR: 1 order has", f"Next: {REMEDY}"],
        ),
        ([outcome(False, found=LONG)], "", ["1 ERROR", "ERROR: 3 of 9 rows", f"Next: {REMEDY}"]),
        ([], LOADED, ["Today's run failed", "No table was built", LOADED]),
        ([outcome(True)], DBT, ["Today's run failed", "tables were not built", DBT]),
        ([], LOCK, ["Today's run failed", "No table was built", LOCK]),
    ],
    ids=["all hold", "warnings", "ERROR", "long ERROR", "source", "dbt", "locked"],
)
def test_the_last_lines_of_the_terminal_are_the_status_the_cause_and_the_next_step(
    checks: list[Finding], problem: str, says: list[str]
) -> None:
    found = facts(*(replace(check, remedy=REMEDY) for check in checks), planned=120 if problem else 0)
    found.succeeded = not problem
    found.problems.extend(filter(None, [problem]))
    stops_all, stops_some = problem and not checks, problem or any(check.is_error for check in found.failing)
    for group in found.planned_assets:
        if stops_all or (stops_some and group == "product"):
            found.rows[group].clear()
    console = Console(width=80)
    with console.capture() as capture:
        console.print(render(found, "0.798 (99 of 124 buyers)"))
        console.print(render_next_steps([("This run there", RUN_URL + "x" * 60)] * 5), soft_wrap=True)
        console.print(render_end(found, RUN_URL))
    # One line is that of the shell's next prompt, and make adds one where the run failed.
    screen = "\n".join(capture.get().rstrip("\n").split("\n")[-22:])
    text = " ".join(screen.split())
    places = [text.rfind(part) for part in says]
    assert -1 not in places, text
    assert places == sorted(places), "in this order"
    assert text.endswith(says[-1])
