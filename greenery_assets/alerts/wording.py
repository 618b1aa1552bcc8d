"""The words for findings, incidents and the state of the data, which messages, digest, page and terminal share.

Everything here is plain text, but for what says that it is mrkdwn. Values from data are cleaned where they are shown.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from greenery_assets.alerts import blocks
from greenery_assets.alerts.blocks import counted, duration_in_words, escaped
from greenery_assets.alerts.incidents import AD_HOC_JOB, NO_FIGURE, Finding, Incident, MartState, Outcome, Subject

LONGEST_STATEMENT = 300
LONGEST_FOUND = 400
SHOWN_FIGURES = 6
# Of the group and name of each mart on a line, so that five lines fit in one section.
LONGEST_NAMES = 480
# Tables that were built within so long of one another are of one age.
ONE_AGE = timedelta(minutes=10)
NO_FIGURE_IS_AFFECTED = "No figure is affected."


@dataclass(frozen=True)
class Reader:
    """Whom messages speak to: their time zone, the web interface's address, who is mentioned for which owner.

    `is_sample` has each message say that it is about sample data. `figures` are what the tables of marts are known as,
    by asset, and `daily_job` is the job whose run is called today's.
    """

    timezone: ZoneInfo
    ui_url: str
    mentions: Mapping[str, str] = field(default_factory=dict)
    is_sample: bool = False
    figures: Mapping[str, str] = field(default_factory=dict)
    daily_job: str = ""

    def moment(self, at: datetime) -> str:
        """A time as their clock shows it: "21 Nov 06:04 UTC"."""
        local = at.astimezone(self.timezone)
        return f"{local.day} {local:%b %H:%M %Z}"


# Findings


def severity_word(finding: Finding) -> str:
    """How bad a finding is: ERROR stops tables or is not known to hold, a note makes no figure wrong."""
    return "ERROR" if finding.is_error else "Note" if finding.is_note else "Warning"


def counts(findings: Iterable[Finding]) -> Counter[str]:
    """How many findings there are of each severity_word."""
    return Counter(map(severity_word, findings))


def tally(counted_so: Mapping[str, int]) -> str:
    """Counts by severity_word: "1 ERROR, 5 warnings, 1 note"; terminal, page and every message count so."""
    words = (("ERROR", "ERROR"), ("Warning", "warning"), ("Note", "note"))
    return ", ".join(counted(counted_so[word], noun) for word, noun in words if counted_so.get(word))


def found(finding: Finding, daily_job: str = "", limit: int = LONGEST_FOUND) -> str:
    """What was found, in one line that goes on in a sentence: what every place says of a finding first.

    It is what the check says itself; where that is only numbers, it is the numbers and the assumption.
    """
    if finding.subject.is_job:
        name = "today's run" if finding.subject.name == daily_job else f"a run of {place(finding.subject)}"
        how = f"{name} {'failed' if finding.is_error else 'is incomplete'}"
        # The remedy, which may follow, has its place below the headline.
        cause = (
            _inside(blocks.literal(re.split(r"\n|\. (?=[A-Z])", finding.reason)[0], limit)) if finding.reason else ""
        )
        return ": ".join(filter(None, (how, cause)))
    where, statement = place(finding.subject), blocks.literal(_statement(finding), limit)
    if finding.outcome == Outcome.ERRORED:
        return f"a check of {where} could not be evaluated: {statement}"
    if said := reason(finding):
        return _inside(blocks.literal(said, limit))
    is_counted = 0 < finding.failing_rows <= (finding.rows_checked or 0) != 1
    rows = f"{counted(finding.failing_rows, 'row')} not as assumed in {where}" if is_counted else ""
    return f"{rows or f'{where} is not as assumed'}: {statement}"


def meaning(finding: Finding, frozen: Sequence[str] = ()) -> str:
    """Whether figures can be used, where it is known at most which ones an ERROR froze; empty where nothing is."""
    if finding.use:
        return finding.use
    if finding.affects == NO_FIGURE:
        return NO_FIGURE_IS_AFFECTED
    words = _in_words(frozen) or finding.affects
    how = f"{_are(words)} frozen" if finding.is_error else "may be wrong"
    return f"{_sentence(words)} {how}." if words else ""


def in_one_line(finding: Finding, frozen: Sequence[str] = ()) -> str:
    """A finding with what it means: "Warning: 2 loaves are burnt. Takings may be wrong." """
    return " ".join(filter(None, (f"{severity_word(finding)}: {found(finding)}.", meaning(finding, frozen))))


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


def reference(finding: Finding) -> str:
    """By what one finds a check: the assumption's id, and where it was checked."""
    where = ", ".join(filter(None, (finding.assumption, place(finding.subject))))
    return blocks.literal(where, 2 * blocks.LONGEST_NAME)


# Incidents


def mark(incident: Incident) -> str:
    """The name of the emoji of an incident's state."""
    if not incident.is_open:
        return blocks.RESOLVED
    return blocks.ERROR if incident.finding.is_error else blocks.WARNING


def is_retired(incident: Incident) -> bool:
    """Whether it was closed because its check is gone: no run resolved it."""
    return not incident.is_open and not incident.resolved_by_run


def state_word(incident: Incident) -> str:
    """An incident's state, which no colour is needed for: "ERROR", "Warning, comes and goes", "Note", "Resolved"."""
    if not incident.is_open:
        return "Closed" if is_retired(incident) else "Resolved"
    more = (
        " again" if incident.episode > 1 else "",
        ", comes and goes" if incident.is_flapping else "",
        ", acknowledged" if incident.acknowledged_by else "",
    )
    return severity_word(incident.finding) + "".join(more)


def headline(incident: Incident, reader: Reader) -> str:
    """State and finding: "ERROR: 4 loaves are sold twice", or "Resolved after 2 h: sales has recovered"."""
    subject = incident.subject
    where = "the daily run" if subject.is_job and subject.name == reader.daily_job else place(subject)
    if incident.resolved_at is None:
        return f"{state_word(incident)}: {found(incident.finding, reader.daily_job)}"
    if is_retired(incident):
        what = f"the job {where}" if subject.is_job else f"this check of {where}"
        over = f"Closed: {what} is no longer part of the project"
    else:
        lasted = duration_in_words(incident.resolved_at - incident.opened_at)
        over = f"Resolved after {lasted}: {where} has recovered"
    return ", ".join(filter(None, (over, left_stale([incident]))))


def line(incident: Incident, reader: Reader) -> str:
    """An incident in one line, but for its state: what was found, what it means, by what it is found."""
    if not incident.is_open:
        return ": ".join(filter(None, (named(incident), left_stale([incident]))))
    parts = f"{found(incident.finding, reader.daily_job)}.", consequence(incident, reader)
    return " ".join(filter(None, (*parts, f"({reference(incident.finding)})")))


def named(incident: Incident) -> str:
    """The assumption, its id, and where it was checked."""
    return f"{blocks.literal(_statement(incident.finding), LONGEST_STATEMENT)} ({reference(incident.finding)})"


def consequence(incident: Incident, reader: Reader) -> str:
    """Whether figures can be used while an incident is open, in a sentence; empty where that is not known."""
    if not incident.is_open:
        return ""
    finding, known = incident.finding, reader.figures
    stale = [mart for mart in incident.marts if not mart.is_refreshed]
    if not (incident.stops and stale):
        if finding.use or finding.affects == NO_FIGURE:
            return meaning(finding)
        affected = finding.affects or _in_words(_figures(incident.marts, known))
        return f"{_sentence(affected)} may be wrong." if affected else ""
    frozen = _figures(stale, known)
    current = _in_words([word for word in _figures(incident.current, known) if word not in frozen] if known else [])
    # Where only groups are known to be stale, the check may say more of it.
    words = _in_words(frozen) if known else finding.affects or _in_words(frozen)
    if _is_all(stale, known):
        words = "all figures"
    if _is_all(stale, known) and not any(mart.data_of for mart in stale):
        return "No figure is there yet."
    how = "not there yet"
    if any(mart.data_of for mart in stale):
        how = f"{'from' if incident.subject.is_job else 'frozen at'} {_data_of(stale, reader)}"
    rest = f"; {current} {_are(current)} current" if current else ""
    return f"{_sentence(words)} {_are(words)} {how}{rest}."


def stopped(incidents: Iterable[Incident]) -> int:
    """How many marts incidents kept from being refreshed: a warning none."""
    stopping = [each for each in incidents if each.finding.is_error]
    return len({mart.asset for each in stopping for mart in each.marts if not mart.is_refreshed})


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
    """The owners without the parts of their addresses behind the @."""
    names = ", ".join(one.split("@", 1)[0] for one in owners(owner))
    return blocks.literal(names, blocks.LONGEST_NAME) if names else ""


def ordinal(number: int) -> str:
    """ "2nd", "3rd", "11th"."""
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 % 10 != 1 else "th"
    return f"{number:,}{suffix}"


# The state of the data


def status(
    failing: Mapping[str, int], checks: int, *, unknown: int = 0, not_built: int = 0, failed: str = "", ages: str = ""
) -> str:
    """The state of the data in a sentence or two, as terminal, page, picture and digest say it.

    `failing` counts what fails of so many `checks` by severity_word, `unknown` how many were not evaluated,
    `not_built` how many tables were not; `failed` says how the run ended where its checks do not, `ages` which figures
    are old (figures_by_age).

    "All 105 checks hold." "Not all figures are current: 1 ERROR, 5 warnings. Takings are from 21 Nov 06:04 UTC."
    """
    # Of a run that failed by itself, what its checks found before is not its result.
    parts = ["" if failed else tally(failing), f"{counted(unknown, 'check')} not evaluated" if unknown else ""]
    is_old = ages or not_built or failing.get("ERROR")
    if not_built and not any(parts):
        parts.append(f"{counted(not_built, 'table')} not built")
    said = ", ".join(filter(None, parts))
    if failed or is_old or said:
        state = "Not all checks were evaluated" if unknown else "All figures were refreshed"
        head = failed or ("Not all figures are current" if is_old else state)
        # How a run failed may be a sentence with its cause; counts then follow as one of their own.
        joint = ". " if failed and ": " in failed else ": "
        head = f"{head.rstrip('.')}{joint if said else ''}{said}"
    elif checks:
        head = f"All {checks:,} checks hold" if checks > 1 else "The check holds"
    else:
        head = "No check was evaluated"
    return " ".join(filter(None, (f"{head}.", ages)))


def figures_by_age(stale: Iterable[MartState], figures: Mapping[str, str], when: Callable[[datetime], str]) -> str:
    """Which figures are old, and of when: "Takings are from 07:34; loaves are from 07:45." """
    stale = sorted(stale, key=lambda mart: (mart.data_of is not None, mart.data_of and mart.data_of.timestamp()))
    ages: list[tuple[datetime | None, list[MartState]]] = []
    newest: datetime | None = None
    for mart in stale:
        at = mart.data_of
        if not ages or (at is None) != (newest is None) or (at and newest and at - newest > ONE_AGE):
            ages.append((at, []))
        ages[-1][1].append(mart)
        newest = at
    sentences, seen = [], set[str]()
    for at, some in ages:
        marts = sorted(some, key=lambda mart: mart.asset)
        # The oldest table of a figure is what it is as old as.
        words = [word for word in _figures(marts, figures) if word not in seen]
        seen.update(words)
        how = f"from {when(at)}" if at else "not there yet"
        if len(ages) == 1 and _is_all(marts, figures):
            sentences = [f"all figures are {how}" if at else "no figure is there yet"]
        elif words:
            sentences.append(f"{_in_words(words)} {_are(_in_words(words))} {how}")
    said = blocks.listed(sentences, SHOWN_FIGURES, joint="; ", more="more ages")
    return f"{_sentence(said)}." if said else ""


def marts_in_words(marts: Sequence[MartState], reader: Reader, *, is_over: bool = False) -> list[str]:
    """Marts by whether they show new data, old data (of when) or none: up to four lines of mrkdwn.

    `is_over` is when what kept them from being right is resolved.
    """
    refreshed = [mart for mart in marts if mart.is_refreshed]
    never = [mart for mart in marts if not mart.is_refreshed and not mart.data_of]
    dated = {m: m.data_of.astimezone(reader.timezone).date() for m in marts if not m.is_refreshed and m.data_of}
    newest_day = max(dated.values(), default=None)
    by_age = [[mart for mart, day in dated.items() if (day == newest_day) == is_newest] for is_newest in (True, False)]
    lines = [
        ("Figures that were affected, up to date again" if is_over else "Refreshed, may be wrong", refreshed),
        *(
            (f"Not refreshed{' yet' if is_over else ''}, still with the data of {_data_of(some, reader)}", some)
            for some in by_age
            if some
        ),
        ("Never built yet", never),
    ]
    return [f"*{label}:* {_names(some)}" for label, some in lines if some]


def figures_of(assets: Iterable[str], figures: Mapping[str, str]) -> list[str]:
    """What tables are known as, each word once."""
    return list(dict.fromkeys(word for name in assets if name in figures for word in figures[name].split(", ")))


def _figures(marts: Iterable[MartState], figures: Mapping[str, str]) -> list[str]:
    """What marts are known as, each word once; where none of them has a word, "oven and counter figures"."""
    marts = list(marts)
    words = figures_of((mart.asset for mart in marts), figures)
    if not words and (groups := sorted({blocks.literal(mart.mart, blocks.LONGEST_NAME) for mart in marts})):
        words = [f"{_in_words(groups[:SHOWN_FIGURES])} figures"]
    return words


def _is_all(marts: Iterable[MartState], figures: Mapping[str, str]) -> bool:
    return bool(figures) and figures.keys() <= {mart.asset for mart in marts}


def _data_of(marts: Iterable[MartState], reader: Reader) -> str:
    """When the data of marts is of: a moment, or from the oldest to the newest."""
    times = sorted(mart.data_of for mart in marts if mart.data_of)
    first, last = reader.moment(times[0]), reader.moment(times[-1])
    return first if times[-1] - times[0] <= ONE_AGE else f"{first} to {last}"


def _statement(finding: Finding) -> str:
    # In rich text a backtick would be shown as such.
    return finding.statement.replace("`", "").rstrip(".")


def _inside(sentence: str) -> str:
    """A sentence as it goes on after a colon; a name in it stays as it is."""
    first = re.match(r"[A-Z]?[a-z]*(?=[ ,])", sentence)
    return (sentence[:1].lower() + sentence[1:] if first else sentence).rstrip(".")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _are(words: str) -> str:
    is_one = words.startswith("every ") or not (" and " in words or "figures" in words or words.endswith("s"))
    return "is" if is_one else "are"


def _in_words(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _bare(sentence: str) -> str:
    return sentence.replace(" ", "").rstrip(".")


def _names(marts: Iterable[MartState]) -> str:
    """As mrkdwn, by group: "oven: loaves; counter: sales, takings; 3 more"."""
    split = sorted((mart.mart, mart.asset.rpartition("/")[2]) for mart in marts)
    names: list[str] = []
    group_before = None
    for group, name in split:
        new_group = f"{escaped(group, blocks.LONGEST_NAME)}: " if group else ""
        joint = ", " if group == group_before else f"; {new_group}" if names else new_group
        names.append(joint + escaped(name, blocks.LONGEST_NAME))
        group_before = group
    kept = sum(used <= LONGEST_NAMES for used in accumulate(map(len, names)))
    return "".join(names[:kept]) + (f"; {len(names) - kept:,} more" if kept < len(names) else "")
