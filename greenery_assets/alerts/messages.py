"""Incidents, and what happened to them, as Slack messages for people who open neither Dagster nor a database.

Pure. When a message is posted is planning's business, the words that it shares with digest are wording's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from greenery_assets.alerts import blocks, wording
from greenery_assets.alerts.blocks import Block, Element, Entry, counted, duration_in_words, escaped, moment, text
from greenery_assets.alerts.incidents import Incident, Kind, Outcome, Severity, Subject, Transition

SAMPLE = "SAMPLE DATA"
SHOWN_IN_FULL = 5
SHOWN_CAUSES = 10
SHOWN_OWNERS = 20
LONGEST_LINE = 280
LONGEST_REMEDY = 800
LONGEST_REASON = blocks.LONGEST_REASON
LONGEST_PLAIN = 700
LONGEST_NAME = blocks.LONGEST_NAME
# After which people need to know what is the matter now, and which call for the owner.
TOLD_WITH_REASON = {Kind.RAISED, Kind.LOWERED, Kind.CHANGED, Kind.STEADY}
TOLD_TO_THE_OWNER = {Kind.RAISED, Kind.REMINDED}


@dataclass(frozen=True)
class Message:
    """What Slack shows: Block Kit `blocks`, and `text` for notifications and where blocks cannot be shown."""

    text: str
    blocks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Reader:
    """Whom messages speak to: their time zone, the web interface's address, who is mentioned for which owner.

    `is_sample` has each message say that it is about sample data.
    """

    timezone: ZoneInfo
    ui_url: str
    mentions: Mapping[str, str] = field(default_factory=dict)
    is_sample: bool = False


def incident_message(incident: Incident, reader: Reader) -> Message:
    """The root of an incident's own thread, in the incident's present state."""
    return _incident(incident, reader, _owner(incident, reader))


def group_message(incidents: Sequence[Incident], reader: Reader, *, is_first: bool = False) -> Message:
    """The root of the thread of several incidents that one run opened, in their present state.

    `is_first` is the very first message of an installation, of what failed before it began to watch; only there,
    and only where nothing fails, may be no incidents.
    """
    if not incidents:
        words = "*Alerts start here.* No check is known to fail. From now on, changes are told."
        return message(f":{blocks.RESOLVED}: No check fails", [words], [blocks.section(words)], reader=reader)
    ranked = rank(incidents)
    ongoing = [incident for incident in ranked if incident.is_open]
    title = _group_title(ranked, ongoing)
    lead = []
    if is_first:
        wrong = "This is wrong now" if ongoing else "This was wrong then"
        lead.append(f"*Alerts start here. {wrong},* some of it perhaps for long. From now on, changes are told.")
    marts = wording.figures_in_words(ranked, reader.timezone)
    causes = blocks.listed([_cause(incident) for incident in ranked], SHOWN_CAUSES, more="more in the thread")
    end = [*_owners(ongoing, reader), "*Details:* one by one in the thread"]
    runs = {incident.opened_by_run for incident in ranked}
    links = [_run_link(reader, run, "Open the run that found this") for run in runs if len(runs) == 1]
    return message(
        title,
        [*lead, causes, *marts, *end],
        [*_sections(lead), blocks.section(causes), *_sections(marts), *_sections(end)],
        links,
        reader=reader,
    )


def detail_messages(incidents: Sequence[Incident], reader: Reader) -> list[Message]:
    """The replies that tell each incident of a group, in ranked order: the first five in full, the rest by line."""
    ranked = rank(incidents)
    full = [
        _incident(each, reader, escaped(wording.owner_name(each.finding.owner)), f"{n} of {len(ranked):,} · ")
        for n, each in enumerate(ranked[:SHOWN_IN_FULL], 1)
    ]
    lines = [
        Entry((text(f"{n:,}. "), *line_elements(each)), f"{n:,}. {_plain_line(each)}")
        for n, each in enumerate(ranked[SHOWN_IN_FULL:], SHOWN_IN_FULL + 1)
    ]
    return full + paged(lines)


def change_messages(transitions: Sequence[Transition], reader: Reader) -> list[Message]:
    """The replies that tell what happened to incidents of a thread, in order; one short message for one.

    What starts a thread is not among it: incident_message and group_message tell that.
    """
    entries: list[Entry] = []
    for cause, group in groupby(transitions, key=_cause_of):
        if cause:
            name = blocks.literal(cause.name, LONGEST_NAME)
            title = f"Also fails, held to be caused by this ({name} of {wording.place(cause)}):"
            entries.append(Entry((text(title, bold=True),), escaped(title)))
        entries += [_told(transition, reader) for transition in group]
    if reader.is_sample and entries:
        entries[0] = Entry((text(f"{SAMPLE} · ", bold=True), *entries[0].elements), f"{SAMPLE} · {entries[0].plain}")
    return paged(entries)


def test_message(reader: Reader) -> Message:
    """What is posted to try the way to a channel."""
    words = "This is a test; no action needed. Failed data checks will be told in this channel."
    links = [blocks.link(reader.ui_url, "", "Open Dagster")]
    return message("Test of the data alerts", [words], [blocks.section(words)], links, reader=reader)


def rank(incidents: Iterable[Incident]) -> list[Incident]:
    """The gravest cause first: ERROR, then by marts not refreshed, checks held back and failing rows."""
    return sorted(
        incidents,
        key=lambda each: (
            each.finding.severity != Severity.ERROR,
            -wording.stopped(each),
            -each.held_back,
            -each.finding.failing_rows,
            each.subject,
        ),
    )


def message(
    title: str, lines: Sequence[str], shown: Sequence[Block], links: Sequence[str] = (), *, reader: Reader
) -> Message:
    """A message of a headline, blocks and links; `lines` say the same in mrkdwn, without any value from data."""
    title = f"{SAMPLE} · {title}" if reader.is_sample else title
    found = [link for link in links if link]
    return Message(
        blocks.listed([escaped(title, blocks.LONGEST_HEADER), *lines, *found], 1000, limit=blocks.LONGEST_TEXT),
        (blocks.header(title), *shown, *([blocks.context("  ·  ".join(found))] if found else [])),
    )


def paged(entries: Sequence[Entry]) -> list[Message]:
    """Entries in order, in as few messages as hold them."""
    return [
        Message(
            blocks.listed([entry.plain for entry in page.entries], len(entries), limit=blocks.LONGEST_TEXT),
            tuple(page.blocks),
        )
        for page in blocks.packed(entries)
    ]


def line_elements(incident: Incident) -> tuple[Element, ...]:
    """An incident in one paragraph of rich text: mark, state, assumption, extent."""
    partition = incident.subject.partition
    return (
        blocks.emoji(wording.mark(incident)),
        text(f" {wording.state_word(incident)}: ", bold=True),
        text(wording.line(incident)),
        *([text(f" · partition {blocks.literal(partition, blocks.LONGEST_CELL)}")] if partition else []),
    )


def mention_of(incident: Incident, reader: Reader) -> str:
    """The Slack id to notify: the owner's, where an ERROR is open."""
    if not incident.is_open or incident.finding.severity != Severity.ERROR:
        return ""
    return next((reader.mentions[one] for one in wording.owners(incident.finding.owner) if one in reader.mentions), "")


def _incident(incident: Incident, reader: Reader, owner: str, position: str = "") -> Message:
    finding = incident.finding
    title = f":{wording.mark(incident)}: {position}{wording.headline(incident)}"
    id_ = f" ({escaped(finding.assumption, LONGEST_NAME)})" if finding.assumption else ""
    assumed = [f"*Assumed:* {escaped(finding.statement, wording.LONGEST_STATEMENT)}{id_}"]
    if incident.episode > 1:
        assumed.append(f"*Again,* for the {wording.ordinal(incident.episode)} time")
    if incident.is_flapping:
        assumed.append("*Comes and goes:* it fails and holds in turns; not every turn is told")
    marts = wording.figures_in_words([incident], reader.timezone)
    if not incident.marts and not incident.subject.is_job:
        marts = ["*Figures affected:* none"]
    if incident.held_back and incident.is_open and not incident.subject.is_job:
        marts.append(f"*Not evaluated because of this:* {counted(incident.held_back, 'check')}")
    todo = [f"*Owner:* {owner}"] if owner else []
    if incident.is_open:
        todo += [
            f"*{label}:* {escaped(words, LONGEST_REMEDY)}"
            for label, words in (("What to do", finding.remedy), ("Why it matters", finding.why))
            if words
        ]
    found = ". ".join(filter(None, (escaped(wording.cause(finding)), wording.amount(finding))))
    numbers = [f"*Found:* {found}"] if found else []
    return message(
        title,
        [*assumed, *numbers, *marts, *todo],
        [*_sections(assumed), _found(incident, reader), *_sections(marts), *_sections(todo), *_rows(incident)],
        _links(incident, reader),
        reader=reader,
    )


def _found(incident: Incident, reader: Reader) -> Block:
    finding, subject = incident.finding, incident.subject
    reason = wording.reason(finding)
    found = [wording.amount(finding), blocks.literal(reason, LONGEST_REASON).rstrip(".") if reason else ""]
    if finding.outcome == Outcome.ERRORED:
        found += ["The check could not be evaluated" if not reason else "", "Whether this holds is not known"]
    found = [each for each in (reversed(found) if subject.is_job else found) if each]
    since = moment(incident.opened_at, reader.timezone)
    if incident.resolved_at:
        since += f" until {moment(incident.resolved_at, reader.timezone)}"
    on_it = incident.acknowledged_by if incident.is_open else ""
    facts = [
        ("Found" if incident.is_open else "Was found", ". ".join(found) + "." if found else ""),
        ("Partition", subject.partition and blocks.literal(subject.partition, LONGEST_NAME)),
        ("On it", on_it and blocks.literal(on_it, LONGEST_NAME)),
        ("Since" if incident.is_open else "From", since),
    ]
    lines = [(text(f"{label}: ", bold=True), text(words)) for label, words in facts if words]
    return blocks.lines(*lines)


def _rows(incident: Incident) -> list[Block]:
    sample, kept_in = incident.finding.sample, incident.finding.kept_in
    if not incident.is_open:
        return []
    shown = [blocks.table(sample.columns, sample.rows)] if sample.columns and sample.rows else []
    if kept_in:
        where = text(blocks.literal(kept_in, LONGEST_NAME), code=True)
        shown.append(blocks.lines((text("All failing rows: "), where)))
    return shown


def _cause_of(transition: Transition) -> Subject | None:
    return transition.incident.folded_under if transition.kind == Kind.FOLDED else None


def _told(transition: Transition, reader: Reader) -> Entry:
    incident, kind = transition.incident, transition.kind
    if kind == Kind.FOLDED:
        return Entry((text("•  "), *line_elements(incident)), f"• {_plain_line(incident)}")
    lead, words = _news(transition, reader)
    icon = wording.mark(incident) if kind in TOLD_WITH_REASON | {Kind.RESOLVED, Kind.RETIRED} else ""
    reason = wording.reason(incident.finding) if kind in TOLD_WITH_REASON else ""
    found = blocks.literal(reason, LONGEST_REASON) if reason else ""
    if kind == Kind.CHANGED and incident.subject.is_job:
        name = f"runs of {wording.place(incident.subject)}"
        told = " · ".join(filter(None, (found, name)))
    else:
        name = wording.named(incident)
        told = ": ".join(filter(None, (name, found)))
    # What a run's end is put down to quotes no row, as what a check found may.
    said = told if incident.subject.is_job else name
    plain = f"{'Somebody ' if kind == Kind.ACKNOWLEDGED else ''}{lead}{words} {said}"
    elements: list[Element] = [blocks.emoji(icon)] if icon else []
    if kind == Kind.ACKNOWLEDGED:
        elements.append(text(f"{blocks.literal(incident.acknowledged_by, LONGEST_NAME)} ", bold=True))
    elements += [text(f"{' ' if icon else ''}{lead}", bold=True), text(f"{words} {told}")]
    if incident.subject.partition:
        elements.append(text(f" · partition {blocks.literal(incident.subject.partition, blocks.LONGEST_CELL)}"))
    slack_id = mention_of(incident, reader) if kind in TOLD_TO_THE_OWNER else ""
    if mention := blocks.mention_element(slack_id):
        elements += [text(" · "), mention]
    return Entry(tuple(elements), f"{escaped(plain, LONGEST_PLAIN)} {blocks.mention(slack_id)}".rstrip())


def _news(transition: Transition, reader: Reader) -> tuple[str, str]:
    """What happened, as a few words to stress and the rest."""
    incident, before = transition.incident, transition.before
    now = wording.amount(incident.finding)
    extent = f" {now}." if now else ""
    step = f" {', '.join(filter(None, (wording.step(before, incident.finding), f'day {_day(transition, reader)}')))}."
    left = wording.left_old([incident])
    what = "job" if incident.subject.is_job else "check"
    lasted = duration_in_words((incident.resolved_at or transition.at) - incident.opened_at)
    if incident.subject.is_job:
        changed = ("Fails for another reason:", "")
    elif incident.finding.outcome == Outcome.ERRORED:
        changed = ("Could not be evaluated any more.", " Whether it holds now is not known.")
    else:
        changed = ("Can be evaluated again, and fails:", step)
    return {
        Kind.WORSE: ("Worse:", step),
        Kind.BETTER: ("Better:", step),
        Kind.RAISED: ("Now an ERROR, no longer a warning:", step),
        Kind.LOWERED: ("Now a warning, no longer an ERROR:", step),
        Kind.CHANGED: changed,
        Kind.STEADY: ("Comes and goes no more, fails each time:", step),
        Kind.RESOLVED: (f"Resolved after {lasted}.", f" {left}." if left else ""),
        Kind.RETIRED: ("No longer checked:", f" this {what} is not part of the project any more."),
        Kind.REMINDED: (f"Still open after {lasted}.", extent),
        Kind.ACKNOWLEDGED: ("is on it.", " No reminders unless it turns into an ERROR."),
    }[transition.kind]


def _day(transition: Transition, reader: Reader) -> int:
    """The day of the incident, from 1, by the reader's calendar."""
    first, last = (at.astimezone(reader.timezone).date() for at in (transition.incident.opened_at, transition.at))
    return (last - first).days + 1


def _owner(incident: Incident, reader: Reader) -> str:
    return blocks.mention(mention_of(incident, reader)) or escaped(wording.owner_name(incident.finding.owner))


def _owners(ongoing: Sequence[Incident], reader: Reader) -> list[str]:
    shown: dict[str, str] = {}
    # Those with an ERROR come first, and are mentioned where an owner has both.
    for incident in sorted(ongoing, key=lambda each: each.finding.severity != Severity.ERROR):
        shown.setdefault(incident.finding.owner, _owner(incident, reader))
    names = [owner for owner in shown.values() if owner]
    return [f"*Owners:* {blocks.listed(names, SHOWN_OWNERS, joint=', ')}"] if names else []


def _links(incident: Incident, reader: Reader) -> list[str]:
    subject = incident.subject
    path = f"/assets/{blocks.quoted(subject.asset)}?view=checks&checkDetail={blocks.quoted(subject.name)}"
    has_page = not subject.is_job and not wording.is_retired(incident)
    check = blocks.link(reader.ui_url, path, "Open the check") if has_page else ""
    if incident.is_open:
        return [check, _run_link(reader, incident.last_run, "Open the run")]
    opened = _run_link(reader, incident.opened_by_run, "The run that found it")
    return [check, opened, _run_link(reader, incident.resolved_by_run, "The run that resolved it")]


def _run_link(reader: Reader, run_id: str, words: str) -> str:
    return blocks.link(reader.ui_url, f"/runs/{blocks.quoted(run_id)}", words) if run_id else ""


def _group_title(ranked: Sequence[Incident], ongoing: Sequence[Incident]) -> str:
    is_checks = not any(incident.subject.is_job for incident in ranked)
    noun, plural = ("check", "checks") if is_checks else ("problem", "problems")
    if not ongoing:
        over = f"All {len(ranked):,} {plural} {'hold again' if is_checks else 'are solved'}"
        if any(wording.is_retired(incident) for incident in ranked):
            over = f"None of {len(ranked):,} {plural} {'fails' if is_checks else 'is open'} any more"
        elif len(ranked) == 1:
            over = f"The {noun} {'holds again' if is_checks else 'is solved'}"
        return f":{blocks.RESOLVED}: {', '.join(filter(None, (over, wording.left_old(ranked))))}"
    errors = sum(incident.finding.severity == Severity.ERROR for incident in ongoing)
    warnings = len(ongoing) - errors
    by_severity = [counted(errors, "ERROR") if errors else "", counted(warnings, "warning") if warnings else ""]
    if len(ongoing) < len(ranked):
        found = f"{len(ongoing):,} of {len(ranked):,} {plural} still {'fail' if is_checks else 'open'}"
    elif is_checks:
        found = f"{counted(len(ranked), noun)} fail{'s' if len(ranked) == 1 else ''}"
    else:
        found = counted(len(ranked), noun)
    mark = blocks.ERROR if errors else blocks.WARNING
    return f":{mark}: {found}: {', '.join(filter(None, by_severity))}"


def _cause(incident: Incident) -> str:
    state = f":{wording.mark(incident)}: *{wording.state_word(incident)}:* "
    return state + escaped(wording.line(incident), LONGEST_LINE - len(state))


def _plain_line(incident: Incident) -> str:
    return escaped(f"{wording.state_word(incident)}: {wording.line(incident)}", LONGEST_LINE)


def _sections(lines: Sequence[str]) -> list[Block]:
    return [blocks.section("\n".join(lines))] if lines else []
