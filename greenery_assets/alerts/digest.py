"""The day's one message on the state of the data: what it is made of, when it is due, when it is edited.

`digest_message` is pure, and without any wording that is true only for a while: the message is edited when its facts
change, not when time passes. `Editor` collects the facts.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from hashlib import sha256
from uuid import uuid4

from greenery_assets.alerts import blocks, wording
from greenery_assets.alerts.blocks import Block, Entry, counted, escaped, moment, text
from greenery_assets.alerts.incidents import Figure, Incident, MartState, Outcome, Policy, Severity, Silence
from greenery_assets.alerts.ledger import FIRST_PASS, Book, CheckState, Outgoing
from greenery_assets.alerts.messages import Message, Reader, line_elements, message, rank
from greenery_assets.alerts.project import Catalogue, in_order
from greenery_assets.alerts.routing import Routing

SHOWN_OPEN = 10
SHOWN_SILENCED = 5
SHOWN_AGES = 3
LONGEST_SILENCE_REASON = 200
PICTURED = "The state of the data in one picture."
# Characters for each list of incidents, so that both and the tables fit in one message.
ROOM_FOR_OPEN = 2_700
ROOM_FOR_SILENCED = 1_100


@dataclass(frozen=True)
class MartCounts:
    """What became of the checks of a mart, or of another group of assets."""

    mart: str
    passed: int
    warned: int
    failed: int
    unknown: int


@dataclass(frozen=True, kw_only=True)
class DigestFacts:
    """What is known of a day, once its daily run ended or is late.

    `picture` is the name of the report's picture, empty where none was drawn since the day's last run began.
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
    marts: tuple[MartCounts, ...]
    open_incidents: tuple[Incident, ...]
    silenced: tuple[tuple[Incident, Silence], ...]
    figures: tuple[Figure, ...]
    stale: tuple[MartState, ...]
    picture: str = ""


def digest_message(facts: DigestFacts, reader: Reader) -> Message:
    """The message of one day, in the present state of its facts."""
    title = f"State of the data, {facts.day:%A} {facts.day.day} {facts.day:%B}"
    verdict = [f":{_mark(facts)}: *{sentence}*" for sentence in _verdict(facts, reader)]
    if facts.finished_at:
        verdict.append(f"*Daily run finished:* {moment(facts.finished_at, reader.timezone)}.")
    open_ones, zone = facts.open_incidents, reader.timezone
    # Tables are named in the threads; here they are where no thread is open any more.
    stale = wording.figures_in_words(open_ones, zone) or wording.marts_in_words(facts.stale, zone)
    open_incidents = [_open_entry(incident, facts.day, reader) for incident in rank(open_ones)]
    silenced = [_silenced_entry(incident, silence, reader) for incident, silence in facts.silenced]
    return message(
        title,
        [*verdict, *stale, *([f"*Open:* {counted(len(open_incidents), 'incident')}"] if open_incidents else [])],
        [
            blocks.section("\n".join(verdict)),
            *([blocks.section("\n".join(stale))] if stale else []),
            *([blocks.picture(facts.picture, PICTURED)] if facts.picture else []),
            *_list("Open", open_incidents, SHOWN_OPEN, ROOM_FOR_OPEN),
            *_figures(facts.figures),
            *_counts(facts.marts),
            *_list("Silenced", silenced, SHOWN_SILENCED, ROOM_FOR_SILENCED),
        ],
        [blocks.link(reader.ui_url, "", "Open Dagster")],
        reader=reader,
    )


def _mark(facts: DigestFacts) -> str:
    if facts.failed_at or any(incident.finding.severity == Severity.ERROR for incident in facts.open_incidents):
        return blocks.ERROR
    if facts.finished_at is None:
        return blocks.LATE
    not_held = sum(mart.warned + mart.failed + mart.unknown for mart in facts.marts)
    is_well = facts.is_complete and facts.marts and not facts.open_incidents and not facts.stale and not not_held
    return blocks.RESOLVED if is_well else blocks.WARNING


def _verdict(facts: DigestFacts, reader: Reader) -> list[str]:
    by = datetime.combine(facts.day, facts.expected_by, reader.timezone)
    deadline = f"{by:%H:%M %Z}"
    if facts.finished_at is None:
        failed = f"failed at {facts.failed_at.astimezone(reader.timezone):%H:%M %Z}" if facts.failed_at else ""
        late = "" if failed and not facts.is_late else f"did not finish by {deadline}"
        ended = " and ".join(filter(None, (failed, late)))
        return [f"The daily run {ended}{_figures_are_old(facts, reader)}."]
    parts = _state_in_words(facts)
    if not facts.is_complete:
        parts.insert(0, "The daily run did not build all of its tables and evaluate all of its checks")
    verdict = [f"{', '.join(parts)}{_figures_are_old(facts, reader)}."]
    return [*verdict, f"The daily run finished later than {deadline}."] if facts.is_late else verdict


def _state_in_words(facts: DigestFacts) -> list[str]:
    """What is wrong, counted as in every other message; or that nothing is."""
    total = sum(mart.passed + mart.warned + mart.failed + mart.unknown for mart in facts.marts)
    failing = sum(mart.warned + mart.failed for mart in facts.marts)
    unknown = sum(mart.unknown for mart in facts.marts)
    of_all = f" of {counted(total, 'check')}"
    parts = []
    if facts.open_incidents:
        is_stale = facts.stale or any(each.finding.severity == Severity.ERROR for each in facts.open_incidents)
        state = "Not all figures are current" if is_stale else "All figures are current"
        parts = [f"{state}: {wording.tally(facts.open_incidents)} in {counted(total, 'check')}"]
    elif failing:
        # Nobody is to be notified of them: they are silenced, or come and go.
        parts = [f"{failing:,}{of_all} fail{'s' if failing == 1 else ''}"]
    if unknown:
        parts.append(f"{unknown:,}{'' if parts else of_all} not evaluated")
    if not parts and facts.is_complete:
        parts = [f"All {counted(total, 'check')} hold" if total else "No check was evaluated"]
    return parts


def _figures_are_old(facts: DigestFacts, reader: Reader) -> str:
    """ "; oven and counter figures are from 21 Nov 06:04 UTC": of each mart with old figures, since when."""
    by_mart = defaultdict(list)
    for state in facts.stale:
        by_mart[state.mart].append(state)
    by_age = defaultdict(list)
    for mart, states in sorted(by_mart.items()):
        is_dated = any(state.data_of for state in states)
        age = f"from {wording.data_of(states, reader.timezone)}" if is_dated else "not there yet"
        by_age[age].append(escaped(mart, blocks.LONGEST_NAME))
    sentences = [
        f"{blocks.listed(marts, SHOWN_AGES, joint=', ')} figures are {age}" for age, marts in sorted(by_age.items())
    ]
    said = blocks.listed(sentences, SHOWN_AGES, joint="; ", more="more ages")
    return f"; {said}" if said else ""


def _open_entry(incident: Incident, day: date, reader: Reader) -> Entry:
    days = (day - incident.opened_at.astimezone(reader.timezone).date()).days
    age = f"for {counted(days, 'day')}" if days > 0 else "new"
    words = [f"{age}, since {moment(incident.opened_at, reader.timezone)}"]
    if incident.acknowledged_by:
        words.append(f"working on it: {blocks.literal(incident.acknowledged_by, blocks.LONGEST_NAME)}")
    if incident.finding.owner:
        words.append(f"owner: {wording.owner_name(incident.finding.owner)}")
    return Entry((*line_elements(incident, reader), text(f" · {' · '.join(words)}")), "")


def _silenced_entry(incident: Incident, silence: Silence, reader: Reader) -> Entry:
    reason = blocks.literal(silence.reason, LONGEST_SILENCE_REASON)
    until = f" · until {moment(silence.until, reader.timezone)}: {reason}"
    return Entry((*line_elements(incident, reader), text(until)), "")


def _list(title: str, entries: Sequence[Entry], most: int, room: int) -> list[Block]:
    if not entries:
        return []
    page = blocks.packed(entries[:most], room)[0]
    left = len(entries) - len(page.entries)
    more = [blocks.section(f"{left:,} more")] if left else []
    return [blocks.section(f"*{title} ({len(entries):,})*"), *page.blocks, *more]


def _figures(figures: Sequence[Figure]) -> list[Block]:
    rows = [(each.name, _share(each.value), *_before(each)) for each in figures]
    return _table("Key figures", ("", "now", "before", "change"), rows)


def _counts(marts: Sequence[MartCounts]) -> list[Block]:
    numbers = [(each.mart, (each.passed, each.warned, each.failed, each.unknown)) for each in marts]
    rows = [(mart, *(f"{number:,}" for number in each)) for mart, each in numbers]
    return _table("Checks, as last evaluated", ("", "hold", "warn", "fail", "not evaluated"), rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Block]:
    return [blocks.section(f"*{title}*"), blocks.table(columns, rows)] if rows else []


def _before(figure: Figure) -> tuple[str, str]:
    """What it was, and how far it moved since."""
    if figure.previous is None:
        return "none", ""
    return _share(figure.previous), f"{(figure.value - figure.previous) * 100:+.1f} percentage points"


def _share(value: float) -> str:
    return f"{value * 100:.1f} %"


@dataclass(frozen=True)
class Editor:
    """Writes the day's digest and keeps it current. `figures_built_at` is when its key figures changed last."""

    catalogue: Catalogue
    routing: Routing
    reader: Reader
    figures_built_at: datetime | None = None

    def due(self, book: Book, policy: Policy, now: datetime) -> DigestFacts | None:
        """What the day's digest says, if it is not written yet or says something else by now."""
        today = now.astimezone(self.reader.timezone).date()
        # One that ended after now did so by a clock that was wrong: of today it says nothing.
        project = self.catalogue.project
        runs = book.runs_of(project.daily_job, datetime.combine(today, time(), self.reader.timezone), now)
        first_end = next((run.ended_at for run in runs if run.reached_end), None)
        is_late = (first_end or now) >= self._expected(today) and not self._began_on(today, book)
        if not runs and not is_late:
            return None
        open_incidents = list(book.open_incidents().values())
        known = self.catalogue.lineage.groups.keys()
        silenced = [(incident, policy.silence(incident.subject, now)) for incident in open_incidents]
        last = runs[-1] if runs else None
        facts = DigestFacts(
            day=today,
            finished_at=last.ended_at if last and last.reached_end else None,
            failed_at=last.ended_at if last and not last.reached_end else None,
            is_complete=last is None or last.is_complete,
            expected_by=self.routing.expected_by,
            is_late=is_late,
            marts=_counts_of(book.check_states(), self.catalogue),
            open_incidents=tuple(incident for incident, silence in silenced if silence is None),
            silenced=tuple((incident, silence) for incident, silence in silenced if silence),
            figures=(),
            stale=_stale([*open_incidents, *book.left_stale()], known),
            picture=self._picture(last.started_at) if last else "",
        )
        written = book.digest(today)
        return None if written and written.content == self._fingerprint(facts) else facts

    def write(self, book: Book, facts: DigestFacts, figures: Sequence[Figure], now: datetime) -> None:
        """Queue the day's digest, or its new content."""
        message = digest_message(replace(facts, figures=tuple(figures)), self.reader)
        written = book.digest(facts.day)
        new_id = str(uuid4())
        edits = written.delivery_id if written else None
        book.enqueue(Outgoing(new_id, self.routing.digest_channel, message, edits=edits), now)
        book.set_digest(facts.day, edits or new_id, self._fingerprint(facts))

    def _picture(self, since: datetime) -> str:
        """The picture's name; one of before the run, or of older figures, would contradict the words beside it."""
        file = self.catalogue.project.picture
        return blocks.picture_name(file, max(since, self.figures_built_at or since)) if file else ""

    def _fingerprint(self, facts: DigestFacts) -> str:
        """What differs between two contents; the key figures change only with the rest."""
        return sha256(str(digest_message(facts, self.reader)).encode()).hexdigest()

    def _expected(self, day: date) -> datetime:
        return datetime.combine(day, self.routing.expected_by, self.reader.timezone)

    def _began_on(self, day: date, book: Book) -> bool:
        """Whether alerts were first switched on that day: nobody expected a run then."""
        began = book.progress(FIRST_PASS)
        return began is not None and datetime.fromisoformat(began).astimezone(self.reader.timezone).date() == day


def _counts_of(states: Sequence[CheckState], catalogue: Catalogue) -> tuple[MartCounts, ...]:
    groups, checks = catalogue.lineage.groups, catalogue.subjects
    found = Counter(
        (groups.get(state.subject.asset, ""), _column(state))
        for state in states
        if replace(state.subject, partition="") in checks
    )
    return tuple(
        MartCounts(group, *(found[group, column] for column in ("passed", "warned", "failed", "unknown")))
        for group in in_order({of for of, _ in found}, catalogue.project.groups)
    )


def _column(state: CheckState) -> str:
    if state.outcome.is_failing:
        return "failed" if state.severity == Severity.ERROR or state.outcome == Outcome.ERRORED else "warned"
    return state.outcome.value


def _stale(incidents: Sequence[Incident], known: Set[str]) -> tuple[MartState, ...]:
    """The marts that incidents stopped, the resolved ones among them, and that the project still has."""
    stale = {
        mart.asset: mart
        for incident in incidents
        if incident.stops
        for mart in incident.marts
        if not mart.is_refreshed and mart.asset in known
    }
    return tuple(stale[asset] for asset in sorted(stale))
