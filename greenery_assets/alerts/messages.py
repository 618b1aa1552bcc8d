"""Incidents, and what happened to them, as Slack messages for people who open neither Dagster nor a database.

Pure. When a message is posted is dispatch's business, the words that it shares with digest are wording's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from greenery_assets.alerts import blocks, wording
from greenery_assets.alerts.blocks import LONGEST_NAME, Block, Element, counted, duration_in_words, escaped, text
from greenery_assets.alerts.incidents import Incident, Kind, Outcome, Transition
from greenery_assets.alerts.wording import Reader

SAMPLE = "SAMPLE DATA"
SHOWN_IN_FULL = 5
SHOWN_CAUSES = 10
ROOM_FOR_CAUSES = 5_000
SHOWN_OWNERS = 20
# What blocks.literal adds to a text that it cuts.
LONGEST_REST = 22
LONGEST_REMEDY = 800
# After which people need to know what is the matter now, and which call for the owner.
SHOWN_WITH_MARK = {Kind.RAISED, Kind.LOWERED, Kind.CHANGED, Kind.STEADY, Kind.RESOLVED, Kind.RETIRED}
SHOWN_TO_THE_OWNER = {Kind.RAISED, Kind.REMINDED}


@dataclass(frozen=True)
class Message:
    """What Slack shows: Block Kit `blocks`, and `text` for notifications and where blocks cannot be shown."""

    text: str
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, shown: Sequence[Block]) -> "Message":
        return cls(blocks.as_text(shown), tuple(shown))


def incident_message(incident: Incident, reader: Reader) -> Message:
    """The root of an incident's own thread, in the incident's present state."""
    return _incident(incident, reader, _owner(incident, reader))


def group_message(incidents: Sequence[Incident], reader: Reader, *, is_first: bool = False) -> Message:
    """The root of the thread of several incidents that one run opened, in their present state.

    `is_first` is the very first message of an installation, of what failed before it began to watch; only there,
    and only where nothing fails, may be no incidents.
    """
    if not incidents:
        words = "*Alerts start here.* No check is known to fail. You are notified of changes."
        return message(f":{blocks.RESOLVED}: No check fails", [blocks.section(words)], reader=reader)
    ranked = rank(incidents)
    ongoing = [incident for incident in ranked if incident.is_open]
    lead = []
    if is_first:
        wrong = "This is wrong now" if ongoing else "This was wrong then"
        lead.append(f"*Alerts start here. {wrong},* some of it perhaps for long. You are notified of changes.")
    # What those that are over left as it was before, each table once.
    left_stale = {mart.asset: mart for each in ranked for mart in each.stale_marts}
    stale = wording.marts_in_words(list(left_stale.values()), reader, is_over=not ongoing)
    causes, left = blocks.fitting([line_elements(each, reader) for each in ranked], ROOM_FOR_CAUSES, SHOWN_CAUSES)
    end = [*([f"{left:,} more in the thread"] if left else []), "*Details:* one by one in the thread"]
    runs = {incident.opened_by_run for incident in ranked}
    links = [run_link(reader, run, "Open the run that found this") for run in runs if len(runs) == 1]
    shown = [
        *blocks.paragraph(lead),
        *blocks.paragraph([*stale, *_owners(ongoing, reader)]),
        *causes,
        *blocks.paragraph(end),
    ]
    return message(_group_title(ranked, ongoing, reader), shown, links, reader=reader)


def detail_messages(incidents: Sequence[Incident], reader: Reader) -> list[Message]:
    """The replies about each incident of a group, in ranked order: the first five in full, the rest by line."""
    ranked = rank(incidents)
    full = [
        _incident(each, reader, escaped(wording.owner_name(each.finding.owner)), f"{n} of {len(ranked):,} · ")
        for n, each in enumerate(ranked[:SHOWN_IN_FULL], 1)
    ]
    rest = enumerate(ranked[SHOWN_IN_FULL:], SHOWN_IN_FULL + 1)
    return full + paged([(text(f"{n:,}. "), *line_elements(each, reader)) for n, each in rest])


def change_messages(transitions: Sequence[Transition], reader: Reader) -> list[Message]:
    """The replies about what happened to incidents of a thread, in order; one short message for one.

    What starts a thread is not among it: that is for incident_message and group_message.
    """
    lines: list[tuple[Element, ...]] = []
    for cause, group in groupby(
        transitions, key=lambda each: each.kind == Kind.INHIBITED and each.incident.inhibited_by
    ):
        if cause:
            name = blocks.literal(cause.name, LONGEST_NAME)
            lines.append((text(f"Also failing because of this ({name} of {wording.place(cause)}):", bold=True),))
        lines += [_change(transition, reader) for transition in group]
    if reader.is_sample and lines:
        lines[0] = (text(f"{SAMPLE} · ", bold=True), *lines[0])
    return paged(lines)


def test_message(reader: Reader) -> Message:
    words = "This is a test; no action needed. Failed data checks will be reported in this channel."
    links = [blocks.link(reader.ui_url, "", "Open Dagster")]
    return message("Test of the data alerts", [blocks.section(words)], links, reader=reader)


def rank(incidents: Iterable[Incident]) -> list[Incident]:
    """The gravest cause first: ERROR, warning, note, then by marts not refreshed, checks held back and failing rows."""
    return sorted(
        incidents,
        key=lambda each: (
            not each.finding.is_error,
            each.finding.is_note,
            -wording.stopped([each]),
            -each.held_back,
            -each.finding.failing_rows,
            each.subject,
        ),
    )


def message(title: str, shown: Sequence[Block], links: Sequence[str] = (), *, reader: Reader) -> Message:
    """A message of a headline, blocks and links."""
    found = "  ·  ".join(filter(None, links))
    head = blocks.header(f"{SAMPLE} · {title}" if reader.is_sample else title)
    return Message.of([head, *shown, *([blocks.context(found)] if found else [])])


def paged(lines: Sequence[tuple[Element, ...]]) -> list[Message]:
    """Lines in order, in as few messages as hold them."""
    return [Message.of(page) for page in blocks.packed(lines)]


def line_elements(incident: Incident, reader: Reader) -> tuple[Element, ...]:
    """An incident in one paragraph of rich text: mark, state, what was found, what it means."""
    partition = incident.subject.partition
    return (
        blocks.emoji(wording.mark(incident)),
        text(f" {wording.state_word(incident)}: ", bold=True),
        text(wording.line(incident, reader)),
        *([text(f" · partition {blocks.literal(partition, blocks.LONGEST_CELL)}")] if partition else []),
    )


def mention_of(incident: Incident, reader: Reader) -> str:
    """The Slack id to notify: the owner's, where an ERROR is open."""
    if not incident.is_open or not incident.finding.is_error:
        return ""
    return next((reader.mentions[one] for one in wording.owners(incident.finding.owner) if one in reader.mentions), "")


def _incident(incident: Incident, reader: Reader, owner: str, position: str = "") -> Message:
    finding = incident.finding
    id_ = f" ({escaped(finding.assumption, LONGEST_NAME)})" if finding.assumption else ""
    assumed = [f"*Assumed:* {escaped(finding.statement, wording.LONGEST_STATEMENT)}{id_}"]
    if incident.subject.is_job:
        assumed = []
    if incident.episode > 1:
        assumed.append(f"*Again,* for the {wording.ordinal(incident.episode)} time")
    if incident.is_flapping:
        assumed.append("*Comes and goes:* it fails and holds in turns; not every turn is reported")
    # What was found is the headline; whether figures can be used, and who acts, come next.
    meaning = wording.consequence(incident, reader)
    if not incident.marts and not meaning and not incident.subject.is_job:
        meaning = wording.NO_FIGURE_IS_AFFECTED
    label = "" if meaning.startswith("Figures") else "*Figures:* "
    lead = [f"{label}{escaped(meaning)}"] if meaning else []
    lead += [f"*Owner:* {owner}"] if owner else []
    # Marts which are old are no warning's doing.
    held = incident.marts if incident.stops or not incident.is_open else ()
    marts = wording.marts_in_words(held, reader, is_over=not incident.is_open)
    if incident.held_back and incident.is_open and not incident.subject.is_job:
        marts.append(f"*Not evaluated because of this:* {counted(incident.held_back, 'check')}")
    todo = [
        f"*{label}:* {escaped(words, LONGEST_REMEDY)}"
        for label, words in (("What to do", finding.remedy), ("Why it matters", finding.why))
        if words and incident.is_open
    ]
    return message(
        f":{wording.mark(incident)}: {position}{wording.headline(incident, reader)}",
        [
            *blocks.paragraph(lead),
            *blocks.paragraph(assumed),
            _found(incident, reader),
            *blocks.paragraph(marts),
            *blocks.paragraph(todo),
            *_rows(incident),
        ],
        _links(incident, reader),
        reader=reader,
    )


def _found(incident: Incident, reader: Reader) -> Block:
    finding, subject = incident.finding, incident.subject
    reason = wording.reason(finding)
    found = [
        wording.amount(finding) if f"{finding.failing_rows:,} of " not in reason else "",
        blocks.literal(reason, blocks.LONGEST_REASON).rstrip(".") if reason else "",
    ]
    if finding.outcome == Outcome.ERRORED:
        found += ["The check could not be evaluated" if not reason else "", "Whether this holds is not known"]
    found = [each for each in (reversed(found) if subject.is_job else found) if each]
    since = reader.moment(incident.opened_at)
    if incident.resolved_at:
        since += f" until {reader.moment(incident.resolved_at)}"
    on_it = incident.acknowledged_by if incident.is_open else ""
    # A later run may have said nothing about it: its age shows how far it can still be true.
    is_later = incident.found_at and incident.found_at != incident.opened_at
    when = f" {reader.moment(incident.found_at)}" if incident.found_at and is_later else ""
    facts = [
        (f"Found{when}" if incident.is_open else "Was found", ". ".join(found) + "." if found else ""),
        ("Partition", subject.partition and blocks.literal(subject.partition, LONGEST_NAME)),
        ("Working on this", on_it and blocks.literal(on_it, LONGEST_NAME)),
        ("Since" if incident.is_open else "From", since),
    ]
    return blocks.lines(*[(text(f"{label}: ", bold=True), text(words)) for label, words in facts if words])


def _rows(incident: Incident) -> list[Block]:
    sample, kept_in = incident.finding.sample, incident.finding.kept_in
    if not incident.is_open:
        return []
    shown = [blocks.table(sample.columns, sample.rows)] if sample.columns and sample.rows else []
    if kept_in:
        where = text(blocks.literal(kept_in, LONGEST_NAME), code=True)
        shown.append(blocks.lines((text("All failing rows: "), where)))
    return shown


def _change(transition: Transition, reader: Reader) -> tuple[Element, ...]:
    incident, kind = transition.incident, transition.kind
    if kind == Kind.INHIBITED:
        return (text("•  "), *line_elements(incident, reader))
    lead, words = _news(transition, reader)
    is_over = kind in {Kind.RESOLVED, Kind.RETIRED}
    found = wording.found(incident.finding, reader.daily_job)
    what = wording.named(incident) if is_over else f"{found} ({wording.reference(incident.finding)})"
    elements: list[Element] = [blocks.emoji(wording.mark(incident))] if kind in SHOWN_WITH_MARK else []
    if kind == Kind.ACKNOWLEDGED:
        elements.append(text(blocks.literal(incident.acknowledged_by, LONGEST_NAME), bold=True))
    elements += [text(f" {lead}" if elements else lead, bold=True), text(f"{words} {what}")]
    if incident.subject.partition:
        elements.append(text(f" · partition {blocks.literal(incident.subject.partition, blocks.LONGEST_CELL)}"))
    mention = blocks.mention_element(mention_of(incident, reader)) if kind in SHOWN_TO_THE_OWNER else None
    return (*elements, text(" · "), mention) if mention else tuple(elements)


def _news(transition: Transition, reader: Reader) -> tuple[str, str]:
    """What happened, as a few words to stress and the rest."""
    incident, before = transition.incident, transition.before
    now = wording.amount(incident.finding)
    extent = f" {now}:" if now else ""
    first, last = (at.astimezone(reader.timezone).date() for at in (incident.opened_at, transition.at))
    day = f"day {(last - first).days + 1}"
    step = f" {', '.join(filter(None, (wording.step(before, incident.finding), day)))}:"
    left = wording.left_stale([incident])
    what = "job" if incident.subject.is_job else "check"
    lasted = duration_in_words((incident.resolved_at or transition.at) - incident.opened_at)
    if incident.subject.is_job:
        changed = ("Fails for another reason:", "")
    elif incident.finding.outcome == Outcome.ERRORED:
        changed = ("Could not be evaluated any more.", " Whether it holds now is not known:")
    else:
        changed = ("Can be evaluated again, and fails.", step)
    return {
        Kind.WORSE: ("Worse.", step),
        Kind.BETTER: ("Better.", step),
        Kind.RAISED: ("Now an ERROR, no longer a warning.", step),
        Kind.LOWERED: ("Now a warning, no longer an ERROR.", step),
        Kind.CHANGED: changed,
        Kind.STEADY: ("Comes and goes no more, fails each time.", step),
        Kind.RESOLVED: (f"Resolved after {lasted}.", f" {left}." if left else ""),
        Kind.RETIRED: ("No longer checked:", f" this {what} is not part of the project any more."),
        Kind.REMINDED: (f"Still open after {lasted}.", extent),
        Kind.ACKNOWLEDGED: ("is working on this;", " reminders are off until it gets worse:"),
    }[transition.kind]


def _owner(incident: Incident, reader: Reader) -> str:
    return blocks.mention(mention_of(incident, reader)) or escaped(wording.owner_name(incident.finding.owner))


def _owners(ongoing: Sequence[Incident], reader: Reader) -> list[str]:
    shown: dict[str, str] = {}
    # Those with an ERROR come first, and are mentioned where an owner has both.
    for incident in sorted(ongoing, key=lambda each: not each.finding.is_error):
        shown.setdefault(incident.finding.owner, _owner(incident, reader))
    names = [owner for owner in shown.values() if owner]
    return [f"*Owners:* {blocks.listed(names, SHOWN_OWNERS, joint=', ')}"] if names else []


def _links(incident: Incident, reader: Reader) -> list[str]:
    subject = incident.subject
    path = f"/assets/{blocks.quoted(subject.asset)}?view=checks&checkDetail={blocks.quoted(subject.name)}"
    has_page = not subject.is_job and not wording.is_retired(incident)
    check = blocks.link(reader.ui_url, path, "Open the check") if has_page else ""
    if incident.is_open:
        return [check, run_link(reader, incident.last_run, "Open the run")]
    opened = run_link(reader, incident.opened_by_run, "The run that found it")
    return [check, opened, run_link(reader, incident.resolved_by_run, "The run that resolved it")]


def run_link(reader: Reader, run_id: str, words: str) -> str:
    """The mrkdwn of a link to a run in the web interface; empty without a run."""
    return blocks.link(reader.ui_url, f"/runs/{blocks.quoted(run_id)}", words) if run_id else ""


def _group_title(ranked: Sequence[Incident], ongoing: Sequence[Incident], reader: Reader) -> str:
    if not ongoing:
        all_of_them = f"All {len(ranked):,} problems are" if len(ranked) > 1 else "The problem is"
        over = f"{all_of_them} {'closed' if any(map(wording.is_retired, ranked)) else 'resolved'}"
        return f":{blocks.RESOLVED}: {', '.join(filter(None, (over, wording.left_stale(ranked))))}"
    still = f"{len(ongoing):,} of {len(ranked):,} still open: " if len(ongoing) < len(ranked) else ""
    tally = wording.tally(wording.counts(incident.finding for incident in ongoing))
    frozen = wording.stopped(ongoing)
    end = f"; {counted(frozen, 'table')} frozen" if frozen else ""
    title = f":{wording.mark(ongoing[0])}: {still}{tally}. Worst: "
    room = blocks.LONGEST_HEADER - len(title) - len(end) - LONGEST_REST
    return f"{title}{wording.found(ongoing[0].finding, reader.daily_job, max(room, 0))}{end}"
