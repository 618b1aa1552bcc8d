"""How checks were found by the last runs, as the ledger remembers them. Only reads; the report draws from it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, func, select

from greenery_assets.alerts.observations import Outcome, Severity, Subject
from greenery_assets.alerts.schema import observations, runs

# Those before are not looked through: the page shows what was lately.
RUNS_LOOKED_THROUGH = 500


class Seen(NamedTuple):
    """One check as one ended run found it; `end_id` is the place of the run's end in Dagster's log."""

    end_id: int
    run_id: str
    ended_at: datetime
    subject: Subject
    outcome: Outcome
    severity: Severity
    failing_rows: int


def last_seen(engine: Engine, limit: int) -> list[Seen]:
    """The last `limit` runs' findings of every check, oldest first. Raises LedgerError where the database fails."""
    key = (observations.c.asset, observations.c.name, observations.c.partition)
    place = func.row_number().over(partition_by=key, order_by=observations.c.end_id.desc()).label("place")
    oldest = select(runs.c.end_id).order_by(runs.c.end_id.desc()).offset(RUNS_LOOKED_THROUGH).limit(1)
    is_recent = observations.c.end_id > func.coalesce(oldest.scalar_subquery(), -1)
    newest = select(observations, place).where(is_recent).subquery()
    wanted = (
        select(newest, runs.c.run_id, runs.c.ended_at)
        .join(runs, runs.c.end_id == newest.c.end_id)
        .where(newest.c.place <= limit)
        .order_by(newest.c.end_id)
    )
    with engine.connect() as connection:
        return [
            Seen(
                row.end_id,
                row.run_id,
                row.ended_at,
                Subject(row.asset, row.name, row.partition),
                Outcome(row.outcome),
                Severity(row.severity),
                row.failing_rows,
            )
            for row in connection.execute(wanted)
        ]
