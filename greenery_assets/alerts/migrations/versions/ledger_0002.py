"""The ledger's tables: the start. What the one older revision lacks is added by schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = None

SUBJECT = ("asset", "name", "partition")
STRING, TEXT, FLAG, NUMBER, COUNT, TIME = sa.String, sa.Text, sa.Boolean, sa.Integer, sa.BigInteger, sa.DateTime
TABLES: dict[str, dict[str, type[TypeEngine[Any]]]] = {
    "progress": {"name": STRING, "value": STRING},
    "runs": {"end_id": COUNT, "run_id": STRING, "job": STRING, "status": STRING, "started_at": TIME, "ended_at": TIME},
    "observations": {
        **{"end_id": COUNT, **dict.fromkeys(SUBJECT, STRING)},
        **{"outcome": STRING, "severity": STRING, "failing_rows": COUNT},
    },
    "tracks": {**dict.fromkeys(SUBJECT, STRING), "evaluations": STRING, "outcome": STRING, "severity": STRING},
    "incidents": {
        **{"id": NUMBER, **dict.fromkeys(SUBJECT, STRING)},
        **{"episode": NUMBER, "is_open": FLAG, "has_old_marts": FLAG, "body": TEXT},
    },
    "threads": {"root": STRING, "incident_id": NUMBER, "form": STRING},
    "outbox": {
        **{"id": NUMBER, "delivery_id": STRING, "channel": STRING, "root": STRING, "edits": STRING},
        **{"is_broadcast": FLAG, "text": TEXT, "blocks": TEXT, "about_run_ended_at": TIME, "created_at": TIME},
        **{"state": STRING, "attempts": NUMBER, "not_before": TIME, "is_plain": FLAG, "last_error": TEXT},
        **{"sent_at": TIME, "slack_channel": STRING, "slack_ts": STRING},
    },
    "digests": {"day": STRING, "delivery_id": STRING, "content": TEXT},
    "silences": {"id": NUMBER, "asset": STRING, "check": STRING, "reason": STRING, "until": TIME},
}
KEYS = {
    **{"progress": ["name"], "runs": ["end_id"], "observations": ["end_id", *SUBJECT], "tracks": [*SUBJECT]},
    **{
        "incidents": ["id"],
        "threads": ["root", "incident_id"],
        "outbox": ["id"],
        "digests": ["day"],
        "silences": ["id"],
    },
}
UNIQUE = {"incidents": [*SUBJECT, "episode"], "outbox": ["delivery_id"]}
OPTIONAL = {"root", "edits", "about_run_ended_at", "not_before", "sent_at", "slack_channel", "slack_ts"}
INDEXED = {
    "runs": ["ended_at", "run_id"],
    "incidents": ["is_open", "has_old_marts"],
    "threads": ["incident_id"],
    "outbox": ["edits", "state"],
}


def upgrade() -> None:
    for table, columns in TABLES.items():
        made = [
            sa.Column(
                name,
                of(),
                nullable=table == "outbox" and name in OPTIONAL,
                autoincrement="auto" if name == "id" else False,
            )
            for name, of in columns.items()
        ]
        unique = [sa.UniqueConstraint(*UNIQUE[table])] if table in UNIQUE else []
        op.create_table(table, *made, sa.PrimaryKeyConstraint(*KEYS[table]), *unique)
        for name in INDEXED.get(table, ()):
            op.create_index(op.f(f"ix_{table}_{name}"), table, [name])
