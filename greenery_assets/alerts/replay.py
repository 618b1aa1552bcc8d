"""What the alerts would have told of the past. Nothing is sent, and the ledger is not touched."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from greenery_assets.alerts.entries import Outgoing
from greenery_assets.alerts.history import run_ends_since
from greenery_assets.alerts.ledger import Ledger, outgoing_of
from greenery_assets.alerts.service import Alerts


def replayed(alerts: Alerts, since: datetime) -> Iterator[tuple[datetime, Outgoing]]:
    """The messages of the runs that ended since a time, with the run's end, as if alerts had begun then."""
    ledger = Ledger.open("sqlite://")
    rehearsal = replace(alerts, ledger=ledger, log=logging.getLogger("greenery.alerts.replay"))
    rehearsal.look_at_source()
    last = 0
    try:
        for end in run_ends_since(alerts.instance, since):
            rehearsal.pass_time(end.at)
            rehearsal.take_in(end, end.at)
            with ledger.transaction() as book:
                for row in book.waiting():
                    if row.id > last and not row.edits:
                        yield end.at, outgoing_of(row)
                    last = max(last, row.id)
    finally:
        ledger.close()
