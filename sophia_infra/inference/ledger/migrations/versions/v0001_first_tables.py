"""The first tables: entries that only grow, open reservations, budget windows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sophia_infra.inference.ledger.schema import Usd, UtcTime

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None

_NAME = sa.String(300)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSAL = "usage_entries is append-only: correct a mistake with a new entry"


def upgrade() -> None:
    """Make the tables and the triggers that keep entries as they are."""
    op.create_table(
        "usage_entries",
        sa.Column("entry_number", _NUMBER, primary_key=True, comment="in the order of writing, for copies"),
        sa.Column("request_id", _NAME, nullable=False, unique=True),
        sa.Column("at", UtcTime, nullable=False, comment="given by the caller"),
        sa.Column(
            "booked_at", UtcTime, nullable=False, comment="lies in the windows that the money counts in"
        ),
        sa.Column("user", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("backend", _NAME, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("input_usd", Usd, nullable=False),
        sa.Column("output_usd", Usd, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("latency_ms", sa.BigInteger, nullable=False),
        sa.Column("first_token_ms", sa.BigInteger),
        sa.Column("session_id", _NAME),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.CheckConstraint("input_usd >= 0 AND output_usd >= 0", "usage_entries_not_negative"),
    )
    op.create_index("usage_entries_booked_at", "usage_entries", ["booked_at"])
    op.create_table(
        "reservations",
        sa.Column("request_id", _NAME, primary_key=True),
        sa.Column("user", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("backend", _NAME, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("input_usd", Usd, nullable=False),
        sa.Column("output_usd", Usd, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("gateway_id", _NAME, nullable=False, comment="who set it aside; for people who look"),
    )
    op.create_index("reservations_expires_at", "reservations", ["expires_at"])
    op.create_table(
        "budget_windows",
        sa.Column("scope", sa.String(310), primary_key=True, comment="all, or user:<name>"),
        sa.Column("period", sa.String(8), primary_key=True, comment="hour, day or month"),
        sa.Column("starts_at", UtcTime, primary_key=True),
        sa.Column("spent_usd", Usd, nullable=False),
        sa.Column("reserved_usd", Usd, nullable=False),
        sa.CheckConstraint("spent_usd >= 0 AND reserved_usd >= 0", "budget_windows_not_negative"),
    )
    for statement in _POSTGRES if op.get_bind().dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


_SQLITE = tuple(
    f"CREATE TRIGGER usage_entries_no_{verb.lower()} BEFORE {verb} ON usage_entries "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for verb in ("UPDATE", "DELETE")
)

_POSTGRES = (
    "CREATE FUNCTION refuse_usage_entry_change() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
    "CREATE TRIGGER usage_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_usage_entry_change()",
)
