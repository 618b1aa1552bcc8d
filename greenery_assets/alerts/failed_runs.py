"""What is wrong with a run itself, and which of its checks stopped it.

Pure. What becomes of such a run as an incident is lifecycle's business.
"""

from collections.abc import Collection

from greenery_assets.alerts.observations import RETRIED, Finding, Outcome, RunObservation, Severity, Subject

SHOWN_NAMES = 3


def unevaluated(run: RunObservation) -> list[Subject]:
    """The checks that a run planned and did not evaluate."""
    return [found.subject for found in run.findings if found.outcome == Outcome.UNKNOWN]


def stopping(run: RunObservation) -> list[Finding]:
    """The checks that made a run fail: ERRORs that do not hold, and those that could not be evaluated."""
    if run.status != "FAILURE":
        return []
    return [
        found
        for found in run.findings
        if found.outcome == Outcome.ERRORED or (found.outcome == Outcome.FAILED and found.severity == Severity.ERROR)
    ]


def failed_run(run: RunObservation) -> Finding | None:
    """What is wrong with the run itself, where its checks do not say it."""
    unknown = unevaluated(run)
    is_complete = run.succeeded and not unknown and not run.not_built
    if run.status == RETRIED or is_complete or (stopping(run) and not run.problem):
        return None
    if run.status == "CANCELED":
        reason = "The run was canceled before it was through."
    elif run.succeeded:
        reason = _left_out(run.not_built, unknown)
    else:
        reason = run.problem or "The run failed; its log says why."
    return Finding(
        subject=Subject("", run.job),
        outcome=Outcome.FAILED,
        owner=run.owner,
        severity=Severity.ERROR if run.status == "FAILURE" else Severity.WARN,
        statement="Every run ends well, and builds and evaluates all that it planned.",
        reason=reason,
        remedy="Open the run and read its last lines. Fix the cause, then run the job again.",
        failing_rows=len(unknown),
    )


def _left_out(not_built: Collection[str], unknown: Collection[Subject]) -> str:
    """What a run left out that reports success, in a sentence that names the first few."""
    tables = f"build {_some(not_built)}" if not_built else ""
    checks = f"evaluate {_some([subject.id for subject in unknown])}" if unknown else ""
    return f"The run reports success, but did not {' and did not '.join(filter(None, (tables, checks)))}."


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:SHOWN_NAMES]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")
