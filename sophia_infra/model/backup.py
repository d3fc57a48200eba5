"""`sophia:backup`: where copies of a stack go, which databases are in them, how long they are kept."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Form, parse_text, text_form, whole_number_form
from sophia_infra.model.inference import VariableName
from sophia_infra.model.value_types import DnsName

__all__ = ["KEY_VARIABLE", "BackedUpDatabase", "RetentionConfig", "StackBackupConfig"]

KEY_VARIABLE: Final = "SOPHIA_BACKUP_KEY"
"""Holds the key of the copies unless the stack file names another variable."""


def _parse_store(value: object) -> str:
    text = parse_text(value).rstrip("/")
    is_bucket = text.startswith("s3://") and bool(text.removeprefix("s3://").split("/")[0])
    if not (is_bucket or (text.startswith("/") and "/../" not in f"{text}/")):
        raise Refused(
            "is no place for copies",
            allowed="an absolute folder (a mounted filesystem), or s3://bucket/prefix",
        )
    return text


class BackedUpDatabase(ClosedModel):
    """One database whose dump is part of each copy."""

    url_env: VariableName = Field(
        description="Environment variable with its address (postgresql://... or sqlite:///file), never the "
        "address itself. No default."
    )


class RetentionConfig(ClosedModel):
    """How many copies stay: the newest one of each of the last days, weeks and months that have any."""

    daily: Annotated[int, whole_number_form(1, 366)] = Field(
        default=7, description="Days, 1 to 366. Default 7, as in the plan for databases."
    )
    weekly: Annotated[int, whole_number_form(0, 260)] = Field(
        default=4, description="Weeks (Monday to Sunday, UTC), 0 to 260. Default 4: the plan's 30 days."
    )
    monthly: Annotated[int, whole_number_form(0, 120)] = Field(
        default=6, description="Calendar months (UTC), 0 to 120. Default 6."
    )


class StackBackupConfig(ClosedModel):
    """Copies of one stack by `sophia backup`: always encrypted, in one place outside the stack."""

    store: Annotated[str, Form(_parse_store, {"type": "string", "pattern": "^(/|s3://)"})] = Field(
        description="Absolute folder, for example a mounted Lambda filesystem, or s3://bucket/prefix. "
        "No default: a copy beside the original is none."
    )
    s3_endpoint: (
        Annotated[
            str,
            text_form(
                "an address", pattern=r"https?://[^\s@]+", rule="http(s)://host[:port]", max_characters=200
            ),
        ]
        | None
    ) = Field(default=None, description="Address of the S3 service. Default: that of AWS.")
    key_env: VariableName = Field(
        default=KEY_VARIABLE,
        description="Environment variable with the key (32 bytes in base64); the same with _FILE at its end "
        "names a file that holds it. Default SOPHIA_BACKUP_KEY.",
    )
    databases: dict[DnsName, BackedUpDatabase] = Field(
        default_factory=dict, description="Name -> database. Default none: only what the gateway keeps."
    )
    retention: RetentionConfig = Field(
        default_factory=RetentionConfig,
        description="What `sophia backup prune` keeps. Default 7 days, 4 weeks, 6 months.",
    )
    rpo_minutes: Annotated[int, whole_number_form(1, 10_080)] = Field(
        default=15,
        description="The most that may be lost, in minutes: an older newest copy is reported. Default 15.",
    )
    rto_minutes: Annotated[int, whole_number_form(1, 10_080)] = Field(
        default=60, description="How long bringing it back may take, in minutes. Default 60."
    )
