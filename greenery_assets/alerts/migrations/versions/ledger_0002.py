"""Where migrations start: schema makes the tables of a new ledger, and brings the one older revision here."""

revision = "0002"
down_revision = None


def upgrade() -> None:
    """Nothing: a ledger of this revision has all of its tables."""
