"""Resolved incidents that left marts old can be found."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("incidents", sa.Column("has_old_marts", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(op.f("ix_incidents_has_old_marts"), "incidents", ["has_old_marts"], unique=False)
