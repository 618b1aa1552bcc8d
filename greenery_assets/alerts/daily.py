"""The day's "state of the data" message: when it is due, what it is made of, when it is brought up to date.

Its words are digest's business.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from greenery_assets.alerts import pictures
from greenery_assets.alerts.digest import DigestFacts, Figure, MartCounts, digest_message
from greenery_assets.alerts.entries import CheckState, Outgoing
from greenery_assets.alerts.incidents import Incident, Policy
from greenery_assets.alerts.ledger import FIRST_PASS, Book
from greenery_assets.alerts.messages import Reader
from greenery_assets.alerts.observations import Lineage, MartState, Outcome, Severity, Subject
from greenery_assets.alerts.routing import Routing
from greenery_assets.dbt.groups import position

DAILY_JOB = "daily_job"


@dataclass(frozen=True)
class Editor:
    """Writes the day's digest and keeps it current. `checks` are those that the project has, `picture` the report's."""

    lineage: Lineage
    checks: Set[Subject]
    routing: Routing
    reader: Reader
    picture: Path

    def due(self, book: Book, policy: Policy, now: datetime) -> DigestFacts | None:
        """What the day's digest says, if it is not written yet or says something else by now."""
        today = now.astimezone(self.reader.timezone).date()
        # One that ended after now did so by a clock that was wrong: of today it says nothing.
        runs = book.runs_of(DAILY_JOB, datetime.combine(today, time(), self.reader.timezone), now)
        first_end = next((run.ended_at for run in runs if run.reached_end), None)
        is_late = (first_end or now) >= self._expected(today) and not self._began_on(today, book)
        if not runs and not is_late:
            return None
        open_incidents = list(book.open_incidents().values())
        known = self.lineage.groups.keys()
        silenced = [(incident, policy.silence(incident.subject, now)) for incident in open_incidents]
        last = runs[-1] if runs else None
        facts = DigestFacts(
            day=today,
            finished_at=last.ended_at if last and last.reached_end else None,
            failed_at=last.ended_at if last and not last.reached_end else None,
            is_complete=last is None or last.is_complete,
            expected_by=self.routing.expected_by,
            is_late=is_late,
            marts=_counts(book.check_states(), self.checks, self.lineage.groups),
            open_incidents=tuple(incident for incident, silence in silenced if silence is None),
            silenced=tuple((incident, silence) for incident, silence in silenced if silence),
            figures=(),
            stale=_stale([*open_incidents, *book.left_old()], known),
            # One of before the run would contradict the words beside it.
            picture=pictures.name_of(self.picture, last.started_at) if last else "",
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

    def _fingerprint(self, facts: DigestFacts) -> str:
        """What tells two contents apart; the key figures change only with the rest."""
        return sha256(str(digest_message(facts, self.reader)).encode()).hexdigest()

    def _expected(self, day: date) -> datetime:
        return datetime.combine(day, self.routing.expected_by, self.reader.timezone)

    def _began_on(self, day: date, book: Book) -> bool:
        """Whether alerts were first switched on that day: nobody expected a run then."""
        began = book.progress(FIRST_PASS)
        return began is not None and datetime.fromisoformat(began).astimezone(self.reader.timezone).date() == day


def _counts(states: Sequence[CheckState], checks: Set[Subject], groups: Mapping[str, str]) -> tuple[MartCounts, ...]:
    found = Counter(
        (groups.get(state.subject.asset, ""), _column(state))
        for state in states
        if replace(state.subject, partition="") in checks
    )
    return tuple(
        MartCounts(group, *(found[group, column] for column in ("passed", "warned", "failed", "unknown")))
        for group in sorted({group for group, _ in found}, key=position)
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
