"""What the ledger takes in and gives out, beside incidents: plain values. Reading and writing is ledger's business."""

from dataclasses import dataclass
from datetime import datetime

from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.observations import Outcome, Severity, Subject


@dataclass(frozen=True)
class CheckState:
    """How a check was found by the last run that planned it."""

    subject: Subject
    outcome: Outcome
    severity: Severity


@dataclass(frozen=True)
class DailyRun:
    """A run of the daily job: whether it was through when it ended, whatever its checks found.

    One that is not `is_complete` reports success, but left planned tables or checks out.
    """

    started_at: datetime
    ended_at: datetime
    reached_end: bool
    is_complete: bool = True


@dataclass(frozen=True)
class Thread:
    """A thread in Slack: its first message's delivery id, its channel, and how that message is worded."""

    root: str
    channel: str
    form: str


@dataclass(frozen=True)
class Outgoing:
    """A message to be sent: a new one, in the thread of `root` if given, or the new content of the one `edits`."""

    delivery_id: str
    channel: str
    message: Message
    root: str | None = None
    edits: str | None = None
    is_broadcast: bool = False
    about_run_ended_at: datetime | None = None
