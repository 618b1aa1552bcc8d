"""Which messages tell a batch of transitions, and in which channels and threads.

New incidents of one batch share a thread; what happens to an incident later is told in its thread, and the
thread's first message is brought up to date. Words are messages' business, sending is delivery's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from greenery_assets.alerts.entries import Outgoing, Thread
from greenery_assets.alerts.incidents import Incident, Kind, State, Transition
from greenery_assets.alerts.messages import (
    Message,
    Reader,
    change_messages,
    detail_messages,
    group_message,
    incident_message,
)
from greenery_assets.alerts.observations import Lineage, Severity
from greenery_assets.alerts.routing import Routing


class Form:
    """How the first message of a thread is worded."""

    SINGLE = "single"
    GROUP = "group"
    FIRST = "first"


class Threads(Protocol):
    """Where to look up which threads speak of which incidents."""

    def threads_of(self, incident: Incident) -> list[Thread]:
        """The threads that speak of an incident, one a channel."""

    def members(self, thread: Thread) -> list[Incident]:
        """The incidents that a thread speaks of, as they were saved last."""


@dataclass
class Plan:
    """Messages in order, and the threads that they start: root, form and incidents of each."""

    messages: list[Outgoing] = field(default_factory=list)
    threads: list[tuple[str, str, Sequence[Incident]]] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """What planning needs to know beside the transitions."""

    routing: Routing
    reader: Reader
    lineage: Lineage
    threads: Threads
    new_id: Callable[[], str]

    def plan(
        self,
        transitions: Sequence[Transition],
        state: State,
        touched: Sequence[Incident] = (),
        *,
        run_ended_at: datetime | None = None,
        is_first: bool = False,
    ) -> Plan:
        """The messages for transitions that happened together, by the state after them, which is saved already.

        Of incidents that were only `touched`, the first messages of their threads are brought up to date.
        """
        plan = Plan()
        changes: dict[str, tuple[Thread, list[Transition]]] = {}
        opened: dict[str, list[Incident]] = {self.routing.default_channel: []} if is_first and not transitions else {}
        for happened in transitions:
            threads = self._threads(happened, state)
            known = {thread.channel for thread in threads}
            is_raised = happened.kind == Kind.RAISED and happened.incident.announced is not None
            if happened.kind.starts_thread or is_raised:
                for channel in self._channels(happened.incident):
                    if channel not in known:
                        opened.setdefault(channel, []).append(happened.incident)
            if not happened.kind.starts_thread:
                for thread in threads:
                    changes.setdefault(thread.root, (thread, []))[1].append(happened)
        for thread, happening in changes.values():
            self._tell_changes(plan, thread, happening)
        renewed = {thread.root: thread for incident in touched for thread in self.threads.threads_of(incident)}
        plan.messages += [self._renewed(thread) for root, thread in renewed.items() if root not in changes]
        folded = [happened for happened in transitions if happened.kind == Kind.FOLDED]
        for channel, incidents in opened.items():
            root = self._open_thread(plan, channel, incidents, run_ended_at, is_first=is_first)
            subjects = {incident.subject for incident in incidents}
            below = [happened for happened in folded if happened.incident.folded_under in subjects]
            plan.messages += [
                Outgoing(self.new_id(), channel, message, root) for message in change_messages(below, self.reader)
            ]
        return plan

    def _threads(self, happened: Transition, state: State) -> list[Thread]:
        incident = happened.incident
        if incident.folded_under and not incident.announced:
            cause = state.get(incident.folded_under)
            return self.threads.threads_of(cause.incident) if cause and cause.incident else []
        return self.threads.threads_of(incident)

    def _channels(self, incident: Incident) -> tuple[str, ...]:
        held = [
            self.lineage.groups.get(mart.asset, "")
            for mart in incident.marts
            if not mart.is_refreshed and incident.finding.severity == Severity.ERROR
        ]
        group = self.lineage.groups.get(incident.subject.asset, "")
        return self.routing.channels_for(incident.finding.owner, group, held)

    def _open_thread(
        self, plan: Plan, channel: str, incidents: Sequence[Incident], at: datetime | None, *, is_first: bool
    ) -> str:
        root = self.new_id()
        is_single = len(incidents) == 1 and not is_first
        form = Form.SINGLE if is_single else Form.FIRST if is_first else Form.GROUP
        plan.messages.append(Outgoing(root, channel, self._first_message(form, incidents), about_run_ended_at=at))
        plan.threads.append((root, form, incidents))
        if not is_single:
            plan.messages += [
                Outgoing(self.new_id(), channel, message, root) for message in detail_messages(incidents, self.reader)
            ]
        return root

    def _tell_changes(self, plan: Plan, thread: Thread, happening: list[Transition]) -> None:
        is_broadcast = any(happened.kind.reaches_channel for happened in happening)
        for message in change_messages(happening, self.reader):
            plan.messages.append(
                Outgoing(self.new_id(), thread.channel, message, thread.root, is_broadcast=is_broadcast)
            )
            is_broadcast = False
        plan.messages.append(self._renewed(thread))

    def _renewed(self, thread: Thread) -> Outgoing:
        message = self._first_message(thread.form, self.threads.members(thread))
        return Outgoing(self.new_id(), thread.channel, message, edits=thread.root)

    def _first_message(self, form: str, incidents: Sequence[Incident]) -> Message:
        if form == Form.SINGLE:
            return incident_message(incidents[0], self.reader)
        return group_message(incidents, self.reader, is_first=form == Form.FIRST)
