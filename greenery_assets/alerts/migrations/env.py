"""How alembic reaches the ledger: over the connection that schema hands it."""

from alembic import context

from greenery_assets.alerts.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can undo the making of tables, which alembic does not expect of it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
