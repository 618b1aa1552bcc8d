"""The day's one message on the state of the data: what it is made of, when it is due, when it is edited.

`digest_message` is pure, and without any wording that is true only for a while: the message is edited when its facts
change, not when time passes. `facts_of_today` collects the facts, `keep_current` writes the message.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from hashlib import sha256

from greenery_assets.alerts import blocks, wording
from greenery_assets.alerts.blocks import Block, Element, counted, escaped, text
from greenery_assets.alerts.incidents import Finding, Incident, MartState, Outcome
from greenery_assets.alerts.ledger import FIRST_PASS, Book, Outgoing
from greenery_assets.alerts.messages import Message, line_elements, message, rank
from greenery_assets.alerts.project import Catalogue, Project, in_order, subject_of
from greenery_assets.alerts.routing import Routing
from greenery_assets.alerts.silence import Silence
from greenery_assets.alerts.wording import Reader

SHOWN_OPEN = 10
SHOWN_SILENCED = 5
LONGEST_SILENCE_REASON = 200
LONGEST_STATUS = 1_000
LONGEST_FIGURES, LONGEST_CHANGES, LINES_OF_CHANGES = 800, 800, 2
# How a check may stand, and what its column is called.
COLUMNS = {
    Outcome.PASSED.value: "hold",
    "ERROR": "ERROR",
    "Warning": "warning",
    "Note": "note",
    Outcome.UNKNOWN.value: "not evaluated",
}
PICTURED = "The state of the data in one picture."
# Characters for each list of incidents, so that both and the tables fit in one message.
ROOM_FOR_OPEN = 2_700
ROOM_FOR_SILENCED = 1_100


@dataclass(frozen=True, kw_only=True)
class DigestFacts:
    """What is known of a day, once its daily run ended or is late.

    `marts` has, of each mart or other group of assets, how many checks stand how: by the keys of COLUMNS.
    `picture` is the name of the report's picture, `changes` what moved since an earlier day; both empty where they are
    of before the day's last run began. `figures` are the key figures by name, as shares from 0 to 1.
    `expected_by` is on the reader's clock, `is_late` that the run had not finished by then. The day's last one ended
    either at `finished_at` (UTC), or at `failed_at` (UTC) without finishing: for another reason than its checks. One
    that is not `is_complete` reports success, but left planned tables or checks out.
    """

    day: date
    finished_at: datetime | None
    failed_at: datetime | None = None
    is_complete: bool = True
    expected_by: time
    is_late: bool
    marts: Mapping[str, Mapping[str, int]]
    open_incidents: tuple[Incident, ...]
    silenced: tuple[tuple[Incident, Silence], ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    stale: tuple[MartState, ...]
    picture: str = ""
    changes: str = ""

    @property
    def checks(self) -> Counter[str]:
        """How many checks stand how, in all."""
        return sum(map(Counter[str], self.marts.values()), Counter[str]())


def digest_message(facts: DigestFacts, reader: Reader) -> Message:
    """The message of one day, in the present state of its facts."""
    title = f"State of the data, {facts.day:%A} {facts.day.day} {facts.day:%B}"
    said = [f":{_mark(facts)}: *{escaped(sentence, LONGEST_STATUS)}*" for sentence in _status(facts, reader)]
    if facts.finished_at:
        said.append(f"*Daily run finished:* {reader.moment(facts.finished_at)}.")
    open_ones = rank(facts.open_incidents)
    # Tables are named in the threads; here they are where no thread is open any more.
    stale = [] if open_ones else wording.marts_in_words(facts.stale, reader)
    silenced = []
    for each, silence in facts.silenced:
        why = blocks.literal(silence.reason, LONGEST_SILENCE_REASON)
        silenced.append((*line_elements(each, reader), text(f" · until {reader.moment(silence.until)}: {why}")))
    return message(
        title,
        [
            *blocks.paragraph(said),
            *blocks.paragraph(stale),
            *([blocks.picture(facts.picture, PICTURED)] if facts.picture else []),
            *_list("Open", [_open(incident, facts.day, reader) for incident in open_ones], SHOWN_OPEN, ROOM_FOR_OPEN),
            *_figures(facts),
            *_counts(facts.marts),
            *_list("Silenced", silenced, SHOWN_SILENCED, ROOM_FOR_SILENCED),
        ],
        [blocks.link(reader.ui_url, "", "Open Dagster")],
        reader=reader,
    )


def _mark(facts: DigestFacts) -> str:
    if facts.failed_at or any(incident.finding.is_error for incident in facts.open_incidents):
        return blocks.ERROR
    if facts.finished_at is None:
        return blocks.LATE
    all_hold = facts.checks.keys() == {Outcome.PASSED.value}
    is_well = facts.is_complete and all_hold and not facts.open_incidents and not facts.stale
    return blocks.RESOLVED if is_well else blocks.WARNING


def _status(facts: DigestFacts, reader: Reader) -> list[str]:
    """The state of the data, then what the daily run did otherwise than expected: a sentence or two each."""
    by = datetime.combine(facts.day, facts.expected_by, reader.timezone)
    deadline = f"{by:%H:%M %Z}"
    findings = [incident.finding for incident in facts.open_incidents]
    # Silenced ones fail as well: only nobody is notified of them.
    findings += [incident.finding for incident, _ in facts.silenced]
    failed = next((each for each in findings if each.subject.name == reader.daily_job and each.subject.is_job), None)
    ended = ""
    if facts.finished_at is None:
        how = f"failed at {facts.failed_at.astimezone(reader.timezone):%H:%M %Z}" if facts.failed_at else ""
        late = "" if how and not facts.is_late else f"did not finish by {deadline}"
        ended = f"The daily run {' and '.join(filter(None, (how, late)))}"
    elif not facts.is_complete:
        ended = "The daily run did not build all of its tables and evaluate all of its checks"
    is_said = ended and failed and failed.is_error
    failing = wording.counts(finding for finding in findings if not (is_said and finding is failed))
    said = wording.status(
        # Nobody is to be notified of those that come and go.
        failing or facts.checks,
        facts.checks.total(),
        unknown=facts.checks[Outcome.UNKNOWN.value],
        failed=wording.found(failed, reader.daily_job) if failed and is_said else ended,
        ages=wording.figures_by_age(facts.stale, reader.figures, reader.moment),
    )
    more = f"{ended}." if is_said else f"The daily run finished later than {deadline}." if facts.is_late else ""
    return [said[:1].upper() + said[1:], *([more] if more and (is_said or facts.finished_at) else [])]


def _open(incident: Incident, day: date, reader: Reader) -> tuple[Element, ...]:
    days = (day - incident.opened_at.astimezone(reader.timezone).date()).days
    age = f"for {counted(days, 'day')}" if days > 0 else "new"
    words = [f"{age}, since {reader.moment(incident.opened_at)}"]
    if incident.acknowledged_by:
        words.append(f"working on it: {blocks.literal(incident.acknowledged_by, blocks.LONGEST_NAME)}")
    if incident.finding.owner:
        words.append(f"owner: {wording.owner_name(incident.finding.owner)}")
    return (*line_elements(incident, reader), text(f" · {' · '.join(words)}"))


def _list(title: str, lines: Sequence[tuple[Element, ...]], most: int, room: int) -> list[Block]:
    if not lines:
        return []
    page, left = blocks.fitting(lines, room, most)
    more = [blocks.section(f"{left:,} more")] if left else []
    return [blocks.section(f"*{title} ({len(lines):,})*"), *page, *more]


def _figures(facts: DigestFacts) -> list[Block]:
    named = ", ".join(f"{name} {share * 100:.1f} %" for name, share in facts.figures.items())
    lines = [f"*Key figures:* {escaped(named, LONGEST_FIGURES)}"] if named else []
    moved = [escaped(line, LONGEST_CHANGES) for line in facts.changes.splitlines()[:LINES_OF_CHANGES]]
    # Slack refuses a section of blanks.
    return blocks.paragraph(lines + [line for line in moved if line.strip()])


def _counts(marts: Mapping[str, Mapping[str, int]]) -> list[Block]:
    rows = [(mart, *(f"{found.get(column, 0):,}" for column in COLUMNS)) for mart, found in marts.items()]
    title = blocks.section("*Checks, as last evaluated*")
    return [title, blocks.table(("", *COLUMNS.values()), rows)] if rows else []


def facts_of_today(
    book: Book,
    catalogue: Catalogue,
    routing: Routing,
    now: datetime,
    *,
    figures: Mapping[str, float],
    figures_built_at: datetime | None,
    changes: tuple[datetime, str] | None,
) -> DigestFacts | None:
    """What the day's digest says; None while the day's run has not ended and is not expected yet.

    The tables of the key `figures` were built last at `figures_built_at`. `changes` is when it was recorded what moved
    since an earlier day, and what that is.
    """
    project = catalogue.project
    today = now.astimezone(project.timezone).date()
    # One that ended after now did so by a clock that was wrong: of today it says nothing.
    ended = book.runs_of(project.daily_job, datetime.combine(today, time(), project.timezone), now)
    first_end = next((run.ended_at for run in ended if run.reached_end), now)
    expected = datetime.combine(today, routing.expected_by, project.timezone)
    is_late = first_end >= expected and not _began_on(today, book, project)
    if not ended and not is_late:
        return None
    open_incidents = list(book.open_incidents().values())
    policy = routing.policy(book.silences(now))
    silenced = [(incident, policy.silence(incident.subject, now)) for incident in open_incidents]
    last = ended[-1] if ended else None
    # What is of before the run, or of older figures, would contradict the words beside it.
    since = max(last.started_at, figures_built_at or last.started_at) if last else now
    return DigestFacts(
        day=today,
        finished_at=last.ended_at if last and last.reached_end else None,
        failed_at=last.ended_at if last and not last.reached_end else None,
        is_complete=last is None or last.is_complete,
        expected_by=routing.expected_by,
        is_late=is_late,
        marts=_counts_of(book.check_states(), catalogue),
        open_incidents=tuple(incident for incident, silence in silenced if silence is None),
        silenced=tuple((incident, silence) for incident, silence in silenced if silence),
        figures=figures,
        stale=_stale([*open_incidents, *book.left_stale()], catalogue.lineage.groups.keys()),
        picture=blocks.picture_name(project.picture, since) if project.picture and last else "",
        changes=changes[1] if changes and last and changes[0] >= since else "",
    )


def keep_current(book: Book, facts: DigestFacts, reader: Reader, channel: str, now: datetime) -> None:
    """Queue the day's digest, or its new content, if it is not written yet or says something else by now."""
    # The key figures change only with the rest.
    content = sha256(str(digest_message(replace(facts, figures={}), reader)).encode()).hexdigest()
    written = book.digest(facts.day)
    if written and written.content == content:
        return
    edits = written.delivery_id if written else None
    new_id = book.enqueue(Outgoing(channel, digest_message(facts, reader), edits=edits), now)
    book.set_digest(facts.day, edits or new_id, content)


def _began_on(day: date, book: Book, project: Project) -> bool:
    """Whether alerts were first switched on that day: nobody expected a run then."""
    began = book.progress(FIRST_PASS)
    return began is not None and datetime.fromisoformat(began).astimezone(project.timezone).date() == day


def _counts_of(checks: Sequence[Finding], catalogue: Catalogue) -> Mapping[str, Counter[str]]:
    specs = {subject_of(key): spec for key, spec in catalogue.checks.items()}
    counts: dict[str, Counter[str]] = {}
    for found in checks:
        if spec := specs.get(replace(found.subject, partition="")):
            known = replace(found, affects=str(spec.metadata.get("affects", "")))
            column = wording.severity_word(known) if found.outcome.is_failing else found.outcome.value
            counts.setdefault(catalogue.lineage.groups.get(found.subject.asset, ""), Counter())[column] += 1
    return {group: counts[group] for group in in_order(counts, catalogue.project.groups)}


def _stale(incidents: Sequence[Incident], known: Collection[str]) -> tuple[MartState, ...]:
    """The marts that incidents stopped, the resolved ones among them, and that the project still has."""
    stale = {
        mart.asset: mart
        for incident in incidents
        if incident.stops
        for mart in incident.marts
        if not mart.is_refreshed and mart.asset in known
    }
    return tuple(stale[asset] for asset in sorted(stale))
