"""What is wrong with a run itself, and which of its checks stopped it.

Pure. What becomes of such a run as an incident is lifecycle's business.
"""

from greenery_assets.alerts.observations import RETRIED, Finding, Outcome, RunObservation, Severity, Subject


def ends_by_itself(run: RunObservation) -> bool:
    """Whether a run came to its end: well, or stopped by its checks."""
    return run.succeeded or (run.status == "FAILURE" and failed_run(run) is None)


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
    if run.status == RETRIED or (stopping(run) and not run.problem) or (run.succeeded and not unknown):
        return None
    if run.status == "CANCELED":
        reason = "The run was canceled before it was through."
    elif run.succeeded:
        reason = "The run ended well, but not all of its checks were evaluated."
    else:
        reason = run.problem or "The run failed; its log says why."
    return Finding(
        subject=Subject("", run.job),
        outcome=Outcome.FAILED,
        owner=run.owner,
        severity=Severity.ERROR if run.status == "FAILURE" else Severity.WARN,
        statement="Every run ends well and evaluates all of its checks.",
        reason=reason,
        remedy="Open the run and read its last lines. Mend the cause, then run the job again.",
        failing_rows=len(unknown),
    )
