"""Answers about the account: audit events, fabric partitions, support tickets and their attachments.

Same rules as in `answers.py`. Times are ISO 8601 texts as received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sophia_infra.lambda_cloud.answer_fields import Fields
from sophia_infra.lambda_cloud.answers import region_name

__all__ = [
    "Attachment",
    "AttachmentDownload",
    "AttachmentUpload",
    "AuditEvent",
    "CreatedTicket",
    "FabricPartition",
    "Ticket",
    "TicketComment",
]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which resources; names are LRNs, None where the service has none."""

    event_id: str
    event_time: str
    service_name: str
    resource_name: str
    action: str
    catalog_version: str
    resource_lrns: tuple[str, ...]
    actor_lrn: str | None
    resource_owner_lrn: str | None
    request_api_key_lrn: str | None
    additional_details: Mapping[str, object]

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "AuditEvent")
        return cls(
            event_id=fields.text("event_id"),
            event_time=fields.text("event_time"),
            service_name=fields.text("service_name"),
            resource_name=fields.text("resource_name"),
            action=fields.text("action"),
            catalog_version=fields.text("catalog_version"),
            resource_lrns=fields.texts("resource_lrns"),
            actor_lrn=fields.optional_text("actor_lrn"),
            resource_owner_lrn=fields.optional_text("resource_owner_lrn"),
            request_api_key_lrn=fields.optional_text("request_api_key_lrn"),
            additional_details=fields.mapping("additional_details"),
        )


@dataclass(frozen=True, slots=True)
class FabricPartition:
    """A partition of a region's fabric. The API lists none: keep the id."""

    id: str
    name: str
    region: str
    workspace_id: str
    created: str

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "FabricPartition")
        return cls(
            id=fields.text("id"),
            name=fields.text("name"),
            region=fields.one("region", region_name),
            workspace_id=fields.text("workspace_id"),
            created=fields.text("created"),
        )


@dataclass(frozen=True, slots=True)
class TicketComment:
    """A public comment on a ticket."""

    body: str
    author: str
    created_at: str

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "TicketComment")
        return cls(fields.text("body"), fields.text("author"), fields.text("created_at"))


@dataclass(frozen=True, slots=True)
class Ticket:
    """A support ticket. `status`: open, on_hold, pending, solved or confirm_solved."""

    id: str
    subject: str
    description: str
    status: str
    created_at: str
    comments: tuple[TicketComment, ...]
    type: str | None = None
    """`incident`, `service_request` or `automated_event`."""
    severity: str | None = None
    """`sev_1` to `sev_3`, for incidents."""
    external_ticket_provider: str | None = None
    external_ticket_id: str | None = None
    updated_at: str | None = None
    resolved_at: str | None = None

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Ticket")
        return cls(
            id=fields.text("id"),
            subject=fields.text("subject"),
            description=fields.text("description"),
            status=fields.text("status"),
            created_at=fields.text("created_at"),
            comments=fields.many("comments", TicketComment.parse),
            type=fields.optional_text("type"),
            severity=fields.optional_text("severity"),
            external_ticket_provider=fields.optional_text("external_ticket_provider"),
            external_ticket_id=fields.optional_text("external_ticket_id"),
            updated_at=fields.optional_text("updated_at"),
            resolved_at=fields.optional_text("resolved_at"),
        )


@dataclass(frozen=True, slots=True)
class CreatedTicket:
    """What the service answers when it has taken a ticket: less than a Ticket."""

    id: str
    status: str
    type: str
    created_at: str
    severity: str | None = None
    external_ticket_provider: str | None = None
    external_ticket_id: str | None = None

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "TicketCreateResponse")
        return cls(
            id=fields.text("id"),
            status=fields.text("status"),
            type=fields.text("type"),
            created_at=fields.text("created_at"),
            severity=fields.optional_text("severity"),
            external_ticket_provider=fields.optional_text("external_ticket_provider"),
            external_ticket_id=fields.optional_text("external_ticket_id"),
        )


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a ticket. `upload_status`: pending, uploaded, failed or deleted."""

    id: str
    filename: str
    content_type: str
    size_bytes: int
    upload_status: str
    created_at: str
    uploaded_at: str | None = None

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Attachment")
        return cls(
            id=fields.text("id"),
            filename=fields.text("filename"),
            content_type=fields.text("content_type"),
            size_bytes=fields.whole_number("size_bytes"),
            upload_status=fields.text("upload_status"),
            created_at=fields.text("created_at"),
            uploaded_at=fields.optional_text("uploaded_at"),
        )


@dataclass(frozen=True, slots=True)
class AttachmentUpload:
    """Where to send a file with `upload_method`, within `expires_in_s`. The URL is a secret till then."""

    attachment_id: str
    upload_method: str
    upload_status: str
    expires_in_s: int
    upload_url: str = field(repr=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "AttachmentInitiateResponse")
        return cls(
            attachment_id=fields.text("attachment_id"),
            upload_method=fields.text("upload_method"),
            upload_status=fields.text("upload_status"),
            expires_in_s=fields.whole_number("expires_in"),
            upload_url=fields.text("upload_url"),
        )


@dataclass(frozen=True, slots=True)
class AttachmentDownload:
    """Where to fetch a file, within `expires_in_s`. The URL is a secret till then."""

    expires_in_s: int
    download_url: str = field(repr=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "AttachmentDownloadResponse")
        return cls(fields.whole_number("expires_in"), fields.text("download_url"))
