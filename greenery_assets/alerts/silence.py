"""Of what nobody is notified for a while, and for how long an open incident may stay unmentioned.

Pure. Silences come from the routing file and from the command line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase

from greenery_assets.alerts.incidents import Severity, Subject

LONGEST_SILENCE = timedelta(days=10 * 366)


@dataclass(frozen=True)
class Silence:
    """Assets and checks (patterns with *) of which nobody is notified until a time (UTC), and why."""

    asset: str
    check: str
    reason: str
    until: datetime

    def covers(self, subject: Subject, now: datetime) -> bool:
        return now < self.until and fnmatchcase(subject.asset, self.asset) and fnmatchcase(subject.name, self.check)


@dataclass(frozen=True)
class Policy:
    """How long an open incident may stay unmentioned, by severity, and what is silenced."""

    renotify_after: Mapping[Severity, timedelta]
    silences: Sequence[Silence] = ()

    def silence(self, subject: Subject, now: datetime) -> Silence | None:
        return next((silence for silence in self.silences if silence.covers(subject, now)), None)


def end_of_silence(text: str) -> datetime:
    """The time (UTC) that a silence is given to last until. Raises ValueError saying what it must be."""
    must = (
        "must be a day such as 2026-12-31, its end is meant, or a time such as 2026-12-31 18:00 (UTC), "
        "at most ten years from now"
    )
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            moment = datetime.combine(date.fromisoformat(text), time.max, UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(must) from None
    if moment > datetime.now(UTC) + LONGEST_SILENCE:
        raise ValueError(must)
    return moment
