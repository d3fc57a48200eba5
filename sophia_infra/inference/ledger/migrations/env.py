"""Runs migrations in the transaction that `migrating` gives. Alembic loads this file."""

from __future__ import annotations

from alembic import context

from sophia_infra.inference.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
