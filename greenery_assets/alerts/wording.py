"""The words that messages and digest share: how an incident, its extent and its marts are called.

Everything here is our own and the project's text, as mrkdwn where the docstring says so; values from data are
not worded here but put as literals where they are shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

from greenery_assets.alerts import blocks
from greenery_assets.alerts.blocks import counted, duration_in_words, escaped, moment
from greenery_assets.alerts.incidents import AD_HOC_JOB, Finding, Incident, MartState, Outcome, Severity, Subject

LONGEST_STATEMENT = 300
LONGEST_FOUND = 400
SHOWN_FIGURES = 6
LONGEST_CAUSE = 400
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
    numbers = {_bare(amount(finding)), _bare(counted(finding.failing_rows, "row"))}
    return "" if _bare(finding.reason) in numbers else finding.reason


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
    """An incident's state, which no colour is needed for: "ERROR", "Warning, comes and goes", "Note", "Resolved"."""
    if not incident.is_open:
        return "Closed" if is_retired(incident) else "Resolved"
    return "".join(
        [
            severity_word(incident.finding),
            " again" if incident.episode > 1 else "",
            ", comes and goes" if incident.is_flapping else "",
            ", acknowledged" if incident.acknowledged_by else "",
        ]
    )


def severity_word(finding: Finding) -> str:
    """How bad a finding is: ERROR stops tables, a warning does not, a note makes no figure wrong."""
    return "ERROR" if finding.severity == Severity.ERROR else "Note" if finding.is_note else "Warning"


def tally(incidents: Iterable[Incident]) -> str:
    """How many of each there are: "1 ERROR, 5 warnings, 1 note"; every message counts so."""
    counts = Counter(severity_word(incident.finding) for incident in incidents)
    words = (("ERROR", "ERROR"), ("Warning", "warning"), ("Note", "note"))
    return ", ".join(counted(counts[word], noun) for word, noun in words if counts[word])


def headline(incident: Incident, *, quotes: bool = True) -> str:
    """State and finding: "ERROR: 4 loaves are sold twice", or "Resolved after 2 h: sales has recovered"."""
    where = place(incident.subject)
    if incident.resolved_at is None:
        return f"{state_word(incident)}: {found(incident.finding, quotes=quotes)}"
    if is_retired(incident):
        what = f"the job {where}" if incident.subject.is_job else f"this check of {where}"
        over = f"Closed: {what} is no longer part of the project"
    else:
        lasted = duration_in_words(incident.resolved_at - incident.opened_at)
        over = f"Resolved after {lasted}: {where} has recovered"
    return ", ".join(filter(None, (over, left_stale([incident]))))


def found(finding: Finding, limit: int = LONGEST_FOUND, *, quotes: bool = True) -> str:
    """What was found, in one line that is not escaped: what every message says of a finding first.

    It is what the check says itself. Where that is only numbers, or `quotes` is false, as it may hold values from data,
    it is the numbers and the assumption.
    """
    where = place(finding.subject)
    # In rich text a backtick would be shown as such.
    statement = blocks.literal(finding.statement.replace("`", "").rstrip("."), limit)
    if finding.subject.is_job:
        how = f"a run of {where} {'failed' if finding.severity == Severity.ERROR else 'is incomplete'}"
        return ": ".join(filter(None, (how, cause(finding, limit))))
    if finding.outcome == Outcome.ERRORED:
        return f"a check of {where} could not be evaluated: {statement}"
    said = reason(finding) if quotes else ""
    if said:
        return blocks.literal(said, limit).rstrip(".")
    is_counted = 0 < finding.failing_rows <= (finding.rows_checked or 0) != 1
    rows = (
        f"{counted(finding.failing_rows, 'row')} not as assumed in {where}"
        if is_counted
        else f"{where} is not as assumed"
    )
    return f"{rows}: {statement}"


def affected(incident: Incident) -> str:
    """Which figures are wrong, in the words of their readers, not escaped: what the check says, or the marts' names."""
    if incident.finding.affects:
        return incident.finding.affects
    marts = sorted({mart.mart for mart in incident.marts})
    return f"{enumerated(marts)} figures" if marts else ""


def enumerated(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def consequence(incident: Incident, timezone: ZoneInfo) -> str:
    """Whether figures can be used while an incident is open, in a sentence that is not escaped; empty where unknown."""
    figures, stale = affected(incident), [mart for mart in incident.marts if not mart.is_refreshed]
    if not incident.is_open or not figures:
        return ""
    figures = figures[0].upper() + figures[1:]
    if incident.finding.is_note:
        return "No figure is affected."
    if not (incident.stops and stale):
        return f"{figures} may be wrong."
    if not any(mart.data_of for mart in stale):
        return f"{figures}: not there yet."
    return f"{figures}: frozen at {data_of(stale, timezone)}."


def line(incident: Incident, timezone: ZoneInfo, *, quotes: bool = True) -> str:
    """An incident in one line that is not escaped, but for its state: what was found where, how far, what it means."""
    if not incident.is_open:
        return ": ".join(filter(None, (named(incident), left_stale([incident]))))
    parts = [f"{found(incident.finding, quotes=quotes)} ({reference(incident)})", extent(incident)]
    return " ".join(filter(None, (f"{'; '.join(filter(None, parts))}.", consequence(incident, timezone))))


def named(incident: Incident) -> str:
    """The assumption, its id, and where it was checked, in one line that is not escaped."""
    finding = incident.finding
    # In rich text a backtick would be shown as such.
    statement = finding.statement.replace("`", "").rstrip(".")
    return f"{blocks.literal(statement, LONGEST_STATEMENT)} ({reference(incident)})"


def reference(incident: Incident) -> str:
    """By what one finds an incident's check: the assumption's id, and where it was checked."""
    where = ", ".join(filter(None, (incident.finding.assumption, place(incident.subject))))
    return blocks.literal(where, 2 * blocks.LONGEST_NAME)


def extent(incident: Incident) -> str:
    """How far it reaches: share of rows, tables it stops, checks that were not evaluated because of it."""
    # Of a run they are its amount.
    holds_back = incident.held_back and not incident.subject.is_job
    parts = [
        amount(incident.finding),
        f"stops {counted(stopped(incident), 'table')}" if stopped(incident) else "",
        f"{counted(incident.held_back, 'check')} not evaluated" if holds_back else "",
    ]
    return "; ".join(filter(None, parts))


def stopped(incident: Incident) -> int:
    """How many marts the incident kept from being refreshed: a warning none."""
    return sum(not mart.is_refreshed for mart in incident.marts) if incident.finding.severity == Severity.ERROR else 0


def left_stale(incidents: Iterable[Incident]) -> str:
    """How many marts resolved incidents left stale: "13 tables not refreshed yet"; empty for none."""
    number = len({mart.asset for incident in incidents for mart in incident.stale_marts})
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


def tables_in_words(incidents: Sequence[Incident], timezone: ZoneInfo) -> list[str]:
    """The tables that incidents keep from being refreshed, or kept, by age: up to four lines of mrkdwn."""
    ongoing = [incident for incident in incidents if incident.is_open]
    if not ongoing:
        return marts_in_words(_united(mart for each in incidents for mart in each.marts), timezone, is_over=True)
    # Marts which are old are no warning's doing.
    stopped = [mart for each in ongoing if each.stops for mart in each.marts]
    return marts_in_words(_united([*stopped, *(mart for each in incidents for mart in each.stale_marts)]), timezone)


def figures_in_words(incidents: Sequence[Incident], timezone: ZoneInfo) -> list[str]:
    """The figures that open incidents affect, each under the worst that is true of it: lines of mrkdwn."""
    by_label: dict[str, dict[str, None]] = {}
    seen: set[str] = set()
    # What one stops another one need not doubt.
    for incident in sorted(incidents, key=lambda each: not each.stops):
        figures, stale = affected(incident), [mart for mart in incident.marts if not mart.is_refreshed]
        if not incident.is_open or not figures or incident.finding.is_note or figures in seen:
            continue
        seen.add(figures)
        label = "May be wrong"
        if incident.stops and stale:
            is_dated = any(mart.data_of for mart in stale)
            label = f"Frozen at {data_of(stale, timezone)}" if is_dated else "Not there yet"
        by_label.setdefault(label, {})[escaped(figures, LONGEST_NAMES)] = None
    return [f"*{label}:* {blocks.listed(list(some), SHOWN_FIGURES, joint='; ')}" for label, some in by_label.items()]


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
