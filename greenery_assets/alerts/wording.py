"""The words that messages and digest share: how an incident, its extent and its marts are called.

Everything here is our own and the project's text, as mrkdwn where the docstring says so; values from data are
not worded here but put as literals where they are shown.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

from greenery_assets.alerts import blocks
from greenery_assets.alerts.blocks import counted, duration_in_words, escaped, moment
from greenery_assets.alerts.incidents import AD_HOC_JOB, Finding, Incident, MartState, Outcome, Severity, Subject

LONGEST_STATEMENT = 300
LONGEST_CAUSE = 400
LONGEST_CAUSE_IN_LINE = 160
# Of the group and name of each mart on a line, so that five lines fit in one section.
LONGEST_NAMES = 480


def amount(finding: Finding) -> str:
    """How much is wrong: "312 of 3,000 rows (10.4 %)"; empty where rows say nothing."""
    failing, checked = finding.failing_rows, finding.rows_checked
    if finding.subject.is_job:
        return f"{counted(failing, 'check')} not evaluated" if failing else ""
    if finding.outcome == Outcome.ERRORED or not failing or checked == 1:
        return ""
    if checked is None or failing > checked:
        return counted(failing, "row")
    return f"{failing:,} of {counted(checked, 'row')} ({blocks.share_in_words(failing, checked)})"


def step(before: Finding | None, now: Finding) -> str:
    """How the extent changed: "312 → 400 rows"; the present one, if any, where nothing else is known."""
    # Of what could not be evaluated, no extent is known.
    if before is None or before.failing_rows == now.failing_rows or Outcome.ERRORED in {before.outcome, now.outcome}:
        return amount(now)
    after = counted(now.failing_rows, "check" if now.subject.is_job else "row")
    return f"{before.failing_rows:,} → {after}{' not evaluated' if now.subject.is_job else ''}"


def reason(finding: Finding) -> str:
    """What was found, as it stands in the data; empty where it says no more than the amount."""
    # A check without words of its own gives its numbers as the reason.
    is_amount = _bare(finding.reason) == _bare(amount(finding))
    return "" if is_amount else finding.reason


def cause(finding: Finding, limit: int = LONGEST_CAUSE) -> str:
    """Why a run failed, on one line that is not escaped: it quotes no row. Empty for a check."""
    return blocks.literal(finding.reason, limit).rstrip(".") if finding.subject.is_job and finding.reason else ""


def mark(incident: Incident) -> str:
    """The name of the emoji of an incident's state."""
    if not incident.is_open:
        return blocks.RESOLVED
    return blocks.ERROR if incident.finding.severity == Severity.ERROR else blocks.WARNING


def is_retired(incident: Incident) -> bool:
    """Whether it was closed because its check is gone: no run resolved it."""
    return not incident.is_open and not incident.resolved_by_run


def state_word(incident: Incident) -> str:
    """An incident's state, which no colour is needed for: "ERROR", "Warning, comes and goes", "Resolved"."""
    if not incident.is_open:
        return "Closed" if is_retired(incident) else "Resolved"
    return "".join(
        [
            "ERROR" if incident.finding.severity == Severity.ERROR else "Warning",
            " again" if incident.episode > 1 else "",
            ", comes and goes" if incident.is_flapping else "",
            ", acknowledged" if incident.acknowledged_by else "",
        ]
    )


def headline(incident: Incident) -> str:
    """State and extent in a few words: "ERROR: 312 rows not as assumed in orders"."""
    finding, where = incident.finding, place(incident.subject)
    if incident.resolved_at:
        now = f"runs of {where} end well again" if incident.subject.is_job else f"a check of {where} holds again"
        over = f"Resolved after {duration_in_words(incident.resolved_at - incident.opened_at)}: {now}"
        if is_retired(incident):
            what = f"the job {where}" if incident.subject.is_job else f"this check of {where}"
            over = f"Closed: {what} is no longer part of the project"
        return ", ".join(filter(None, (over, left_old([incident]))))
    if incident.subject.is_job:
        wrong = f"a run of {where} {'failed' if finding.severity == Severity.ERROR else 'is incomplete'}"
    elif finding.outcome == Outcome.ERRORED:
        wrong = f"a check of {where} could not be evaluated"
    elif 0 < finding.failing_rows <= (finding.rows_checked or 0) != 1:
        wrong = f"{counted(finding.failing_rows, 'row')} not as assumed in {where}"
    else:
        wrong = f"{where} is not as assumed"
    return f"{state_word(incident)}: {wrong}"


def line(incident: Incident) -> str:
    """An incident in one line that is not escaped, but for its state: assumption, place, extent."""
    return ": ".join(filter(None, (named(incident), extent(incident))))


def named(incident: Incident) -> str:
    """The assumption, its id, and where it was checked, in one line that is not escaped."""
    finding = incident.finding
    where = ", ".join(filter(None, (finding.assumption, place(incident.subject))))
    # In rich text a backtick would be shown as such.
    statement = finding.statement.replace("`", "").rstrip(".")
    return f"{blocks.literal(statement, LONGEST_STATEMENT)} ({blocks.literal(where, 2 * blocks.LONGEST_NAME)})"


def extent(incident: Incident) -> str:
    """What else a line on an incident says: a run's cause, amount, marts stopped or left old, checks held back."""
    if not incident.is_open:
        return left_old([incident])
    is_unclear = incident.finding.outcome == Outcome.ERRORED
    # Of a run they are its amount.
    holds_back = incident.held_back and not incident.subject.is_job
    parts = [
        cause(incident.finding, LONGEST_CAUSE_IN_LINE),
        "could not be evaluated" if is_unclear else amount(incident.finding),
        f"stops {counted(stopped(incident), 'table')}" if stopped(incident) else "",
        f"{counted(incident.held_back, 'check')} not evaluated" if holds_back else "",
    ]
    return "; ".join(filter(None, parts))


def stopped(incident: Incident) -> int:
    """How many marts the incident kept from being refreshed: a warning none."""
    return sum(not mart.is_refreshed for mart in incident.marts) if incident.finding.severity == Severity.ERROR else 0


def left_old(incidents: Iterable[Incident]) -> str:
    """How many marts resolved incidents left old: "13 tables not refreshed yet"; empty for none."""
    number = len({mart.asset for incident in incidents for mart in incident.old_marts})
    return f"{counted(number, 'table')} not refreshed yet" if number else ""


def place(subject: Subject) -> str:
    """The asset, or the job, in short."""
    if subject.is_job:
        return "chosen assets" if subject.name == AD_HOC_JOB else blocks.literal(subject.name, blocks.LONGEST_NAME)
    return blocks.literal(subject.asset.rsplit("/", 1)[-1], blocks.LONGEST_NAME)


def owners(owner: str) -> list[str]:
    """Each of the mail addresses that own something; Dagster allows several."""
    return [one.strip() for one in owner.split(",") if one.strip()]


def owner_name(owner: str) -> str:
    """The owners without the parts of their addresses behind the @, not escaped."""
    names = ", ".join(one.split("@", 1)[0] for one in owners(owner))
    return blocks.literal(names, blocks.LONGEST_NAME) if names else ""


def figures_in_words(incidents: Sequence[Incident], timezone: ZoneInfo) -> list[str]:
    """The marts that incidents touch while one of them is open, or touched: up to five lines of mrkdwn."""
    ongoing = [incident for incident in incidents if incident.is_open]
    if not ongoing:
        return marts_in_words(_united(mart for each in incidents for mart in each.marts), timezone, is_over=True)
    # Marts which are old are no warning's doing.
    stopped = [mart for each in ongoing if each.stops for mart in each.marts]
    stated = _united([*stopped, *(mart for each in incidents for mart in each.old_marts)])
    assets = {mart.asset for mart in stated}
    warned = _united(mart for each in ongoing if not each.stops for mart in each.marts)
    doubtful = [mart for mart in warned if mart.asset not in assets]
    lines = [f"*Figures that may be wrong:* {_names(doubtful)}"] if doubtful else []
    return [*marts_in_words(stated, timezone), *lines]


def marts_in_words(marts: Sequence[MartState], timezone: ZoneInfo, *, is_over: bool = False) -> list[str]:
    """Marts by whether they show new data, old data (of when) or none: up to four lines of mrkdwn.

    `is_over` is when what kept them from being right is resolved.
    """
    refreshed = [mart for mart in marts if mart.is_refreshed]
    never = [mart for mart in marts if not mart.is_refreshed and not mart.data_of]
    dated = {mart: mart.data_of.astimezone(timezone).date() for mart in marts if not mart.is_refreshed and mart.data_of}
    newest_day = max(dated.values(), default=None)
    by_age = [
        [mart for mart, day in dated.items() if day == newest_day],
        [mart for mart, day in dated.items() if day != newest_day],
    ]
    lines = [
        ("Figures that were affected, up to date again" if is_over else "Refreshed, may be wrong", refreshed),
        *(
            (f"Not refreshed{' yet' if is_over else ''}, still with the data of {data_of(some, timezone)}", some)
            for some in by_age
            if some
        ),
        ("Never built yet", never),
    ]
    return [f"*{label}:* {_names(some)}" for label, some in lines if some]


def data_of(marts: Iterable[MartState], timezone: ZoneInfo) -> str:
    """When the data of marts is of: a moment, or from the oldest to the newest."""
    times = sorted(mart.data_of for mart in marts if mart.data_of)
    first, last = moment(times[0], timezone), moment(times[-1], timezone)
    return first if first == last else f"{first} to {last}"


def ordinal(number: int) -> str:
    """ "2nd", "3rd", "11th"."""
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 % 10 != 1 else "th"
    return f"{number:,}{suffix}"


def _united(marts: Iterable[MartState]) -> list[MartState]:
    """Each mart once; one that some incident kept from being refreshed is not refreshed."""
    united: dict[str, MartState] = {}
    for mart in marts:
        if mart.asset not in united or not mart.is_refreshed:
            united[mart.asset] = mart
    return list(united.values())


def _bare(sentence: str) -> str:
    return sentence.replace(" ", "").rstrip(".")


def _names(marts: Iterable[MartState]) -> str:
    """As mrkdwn, by group: "oven: loaves; counter: sales, takings; 3 more"."""
    split = sorted((mart.mart, mart.asset.rpartition("/")[2]) for mart in marts)
    keys = [(escaped(group, blocks.LONGEST_NAME), escaped(name, blocks.LONGEST_NAME)) for group, name in split]
    kept = used = 0
    for n, (group, name) in enumerate(keys):
        used += len(f"{name}, ") + (len(f"{group}: ; ") if n == 0 or group != keys[n - 1][0] else 0)
        if used > LONGEST_NAMES:
            break
        kept += 1
    groups = [
        (f"{group}: " if group else "") + ", ".join(name for _, name in each)
        for group, each in groupby(keys[:kept], key=itemgetter(0))
    ]
    rest = [f"{len(keys) - kept:,} more"] if kept < len(keys) else []
    return "; ".join([*groups, *rest])
