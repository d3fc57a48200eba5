"""Support tickets with comments and attachments. Uploads are only noted, no file is stored."""

from __future__ import annotations

from typing import Any

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import (
    FORBIDDEN,
    INVALID_PARAMETERS,
    RESOURCE_NOT_FOUND,
    TICKET_NOT_FOUND,
    Refused,
)
from sophia_infra.emulator.identity import USER_EMAIL
from sophia_infra.emulator.records import AttachmentRecord, CommentRecord, TicketRecord

__all__ = ["URL_EXPIRES_S", "Tickets"]

URL_EXPIRES_S = 3600
"""Seconds a presigned URL is good for, as in the document's example."""


class Tickets:
    def __init__(self, core: Core) -> None:
        self._core = core

    def listed(
        self,
        *,
        statuses: list[str],
        types: list[str],
        severities: list[str],
        order_by: str,
        descending: bool,
        page_token: str | None,
    ) -> tuple[list[TicketRecord], str | None]:
        """One page of the tickets that match, and the token of the next one (None at the end)."""
        found = [
            one
            for one in self._core.state.tickets.values()
            if (not statuses or one.status in statuses)
            and (not types or one.type in types)
            and (not severities or one.severity in severities)
        ]
        found.sort(key=lambda one: getattr(one, f"{order_by}_s"), reverse=descending)
        start = 0
        if page_token is not None:
            if not page_token.isascii() or not page_token.isdecimal() or len(page_token) > 9:
                raise Refused(INVALID_PARAMETERS, "page_token is not one of ours.")
            start = int(page_token)
        end = start + self._core.settings.ticket_page_size
        return found[start:end], str(end) if end < len(found) else None

    def get(self, ticket_id: str) -> TicketRecord:
        try:
            return self._core.state.tickets[ticket_id]
        except KeyError:
            raise Refused(TICKET_NOT_FOUND) from None

    def create(self, subject: str, description: str, ticket_type: str, severity: str | None) -> TicketRecord:
        """Refused: forbidden; an incident without severity, or a service request with one."""
        self._refuse_when_forbidden()
        if ticket_type == "incident" and severity is None:
            raise Refused(INVALID_PARAMETERS, "severity is required for an incident.")
        if ticket_type == "service_request" and severity is not None:
            raise Refused(INVALID_PARAMETERS, "severity must not be provided for a service request.")
        now_s = self._core.now()
        record = TicketRecord(
            id=self._core.new_id(),
            subject=subject,
            description=description,
            type=ticket_type,
            severity=severity,
            status="open",
            created_at_s=now_s,
            updated_at_s=now_s,
            resolved_at_s=None,
            comments=[CommentRecord(description, USER_EMAIL, now_s)],
            attachments={},
        )
        self._core.state.tickets[record.id] = record
        self._core.audit("ticket", "created", [record.id])
        return record

    def update(self, ticket_id: str, change: dict[str, Any]) -> None:
        """Solve it, change its severity, or add a comment; the service does so a little later."""
        record = self.get(ticket_id)
        if "severity" in change and record.type != "incident":
            raise Refused(INVALID_PARAMETERS, "Only an incident has a severity.")
        now_s = self._core.now()
        record.severity = change.get("severity", record.severity)
        if "status" in change:
            record.status, record.resolved_at_s = "solved", now_s
        if "comment" in change:
            record.comments.append(CommentRecord(change["comment"]["body"], USER_EMAIL, now_s))
        record.updated_at_s = now_s
        self._core.audit("ticket", "updated", [ticket_id])

    def attachments(self, ticket_id: str, status: str | None) -> list[AttachmentRecord]:
        self._refuse_when_forbidden()
        return [
            one
            for one in self.get(ticket_id).attachments.values()
            if (one.upload_status == status if status else one.upload_status != "deleted")
        ]

    def initiate_upload(
        self, ticket_id: str, filename: str, content_type: str, size_bytes: int
    ) -> AttachmentRecord:
        self._refuse_when_forbidden()
        ticket = self.get(ticket_id)
        record = AttachmentRecord(
            self._core.new_id(), filename, content_type, size_bytes, "pending", self._core.now(), None
        )
        ticket.attachments[record.id] = record
        self._core.audit("ticket_attachment", "created", [record.id])
        return record

    def complete_upload(self, ticket_id: str, attachment_id: str) -> AttachmentRecord:
        """Believe that the file is up. A second call answers the same."""
        record = self._attachment(ticket_id, attachment_id)
        if record.upload_status == "pending":
            record.upload_status, record.uploaded_at_s = "uploaded", self._core.now()
        self._core.audit("ticket_attachment", "updated", [record.id])
        return record

    def uploaded(self, ticket_id: str, attachment_id: str) -> AttachmentRecord:
        """An attachment that can be downloaded. Refused 400: it is not up yet."""
        record = self._attachment(ticket_id, attachment_id)
        if record.upload_status != "uploaded":
            raise Refused(INVALID_PARAMETERS, "The attachment has not been uploaded.")
        return record

    def delete_attachment(self, ticket_id: str, attachment_id: str) -> None:
        record = self._attachment(ticket_id, attachment_id)
        record.upload_status = "deleted"
        self._core.audit("ticket_attachment", "deleted", [record.id])

    def _attachment(self, ticket_id: str, attachment_id: str) -> AttachmentRecord:
        self._refuse_when_forbidden()
        record = self.get(ticket_id).attachments.get(attachment_id)
        if record is None or record.upload_status == "deleted":
            raise Refused(RESOURCE_NOT_FOUND, "Attachment was not found.")
        return record

    def _refuse_when_forbidden(self) -> None:
        if self._core.settings.forbidden:
            raise Refused(FORBIDDEN)
