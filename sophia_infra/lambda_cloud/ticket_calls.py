"""Calls about support tickets and their attachments (beta; Lambda's support enables them)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sophia_infra.lambda_cloud.account_answers import (
    Attachment,
    AttachmentDownload,
    AttachmentUpload,
    CreatedTicket,
    Ticket,
)
from sophia_infra.lambda_cloud.answer_fields import Fields
from sophia_infra.lambda_cloud.calls import Calls, nothing, payload
from sophia_infra.lambda_cloud.errors import InvalidSpec
from sophia_infra.lambda_cloud.specs import check_choice, check_text

if TYPE_CHECKING:
    from sophia_infra.lambda_cloud.transport import Answer

__all__ = ["TicketCalls"]

FILENAME_CHARACTERS = 255
REQUEST_TYPES = ("incident", "service_request")
TICKET_TYPES = ("service_request", "incident", "automated_event")
SEVERITIES = ("sev_1", "sev_2", "sev_3")
STATUSES = ("open", "on_hold", "pending", "solved", "confirm_solved")
ORDER_FIELDS = ("created_at", "updated_at")
DIRECTIONS = ("asc", "desc")
UPLOAD_STATUSES = ("pending", "uploaded", "failed", "deleted")


class TicketCalls(Calls):
    """Support tickets. Allowed words are checked before anything is sent (InvalidSpec)."""

    def list_tickets(
        self,
        *,
        statuses: Sequence[str] = (),
        types: Sequence[str] = (),
        severities: Sequence[str] = (),
        order_by: str | None = None,
        direction: str | None = None,
    ) -> Iterator[Ticket]:
        """The account's tickets, page by page: a further page costs a request when it is reached."""
        query: dict[str, str | list[str]] = {}
        for name, words, allowed in (
            ("status", statuses, STATUSES),
            ("type", types, TICKET_TYPES),
            ("severity", severities, SEVERITIES),
        ):
            if words:
                query[name] = [check_choice(name, word, allowed) for word in words]
        if order_by is not None:
            query["order_by"] = check_choice("order_by", order_by, ORDER_FIELDS)
        if direction is not None:
            query["direction"] = check_choice("direction", direction, DIRECTIONS)
        return self._pages("listTickets", _read_ticket_page, query)

    def create_ticket(
        self,
        subject: str,
        description: str,
        *,
        type: str,
        severity: str | None = None,
        ip: str | None = None,
        instance_id: str | None = None,
        cluster_id: str | None = None,
    ) -> CreatedTicket:
        """Open a ticket. A human reads it: it is never sent twice.

        Args:
            subject: one short line.
            description: becomes the first public comment.
            type: `incident`, which needs a `severity`, or `service_request`, which must have none.
            severity: `sev_1` to `sev_3`.
            ip: of the node it is about.
            instance_id: of the instance it is about.
            cluster_id: of the 1-Click Cluster or Supercluster it is about.
        """
        check_choice("type", type, REQUEST_TYPES)
        if (type == "incident") != (severity is not None):
            raise InvalidSpec("severity is required for an incident and not allowed for a service request")
        body = {
            "subject": subject,
            "description": description,
            "type": type,
            "severity": None if severity is None else check_choice("severity", severity, SEVERITIES),
            "ip": ip,
            "instance_id": instance_id,
            "cluster_id": cluster_id,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        return self._perform("createTicket", payload(CreatedTicket.parse), body=sent)

    def get_ticket(self, ticket_id: str) -> Ticket:
        """One ticket with its public comments. Raises NotFound."""
        return self._perform("getTicket", payload(Ticket.parse), ids={"ticket_id": ticket_id})

    def update_ticket(
        self,
        ticket_id: str,
        *,
        solved: bool = False,
        severity: str | None = None,
        comment: str | None = None,
    ) -> None:
        """Mark as solved, change the severity, add a comment. Done later (202): ask again to see it."""
        body: dict[str, object] = {}
        if solved:
            body["status"] = "solved"
        if severity is not None:
            body["severity"] = check_choice("severity", severity, SEVERITIES)
        if comment is not None:
            body["comment"] = {"body": comment}
        if not body:
            raise InvalidSpec("neither solved nor severity nor comment is given; there is nothing to update")
        self._perform("updateTicket", nothing, ids={"ticket_id": ticket_id}, body=body)

    def list_attachments(self, ticket_id: str, *, status: str | None = None) -> list[Attachment]:
        """The files of a ticket, or those of one upload status."""
        return self._perform(
            "listAttachments",
            payload(_parse_attachments),
            ids={"ticket_id": ticket_id},
            query=None if status is None else {"status": check_choice("status", status, UPLOAD_STATUSES)},
        )

    def initiate_attachment_upload(
        self, ticket_id: str, filename: str, content_type: str, size_bytes: int
    ) -> AttachmentUpload:
        """Where to send a file of `size_bytes` (1 or more); then call `complete_attachment_upload`."""
        if size_bytes < 1:
            raise InvalidSpec(f"size_bytes is {size_bytes}; at least 1 is needed")
        return self._perform(
            "initiateAttachmentUpload",
            payload(AttachmentUpload.parse),
            ids={"ticket_id": ticket_id},
            body={
                "filename": check_text("filename", filename, shortest=1, longest=FILENAME_CHARACTERS),
                "content_type": content_type,
                "size_bytes": size_bytes,
            },
        )

    def complete_attachment_upload(self, ticket_id: str, attachment_id: str) -> Attachment:
        """Tell the service that the file has been sent."""
        return self._perform(
            "completeAttachmentUpload", payload(Attachment.parse), ids=_both(ticket_id, attachment_id)
        )

    def delete_attachment(self, ticket_id: str, attachment_id: str) -> None:
        """Delete a file of a ticket. Raises NotFound."""
        self._perform("deleteAttachment", nothing, ids=_both(ticket_id, attachment_id))

    def get_attachment_download_url(self, ticket_id: str, attachment_id: str) -> AttachmentDownload:
        """Where to fetch a file; the URL works for `expires_in_s` seconds and needs no key."""
        return self._perform(
            "getAttachmentDownloadUrl", payload(AttachmentDownload.parse), ids=_both(ticket_id, attachment_id)
        )


def _both(ticket_id: str, attachment_id: str) -> dict[str, str]:
    return {"ticket_id": ticket_id, "attachment_id": attachment_id}


def _parse_attachments(data: object) -> list[Attachment]:
    return list(Fields(data, "AttachmentListResponse").many("attachments", Attachment.parse))


def _read_ticket_page(answer: Answer) -> tuple[list[Ticket], str | None]:
    page = Fields(answer.payload, "TicketListResponse")
    return list(page.many("tickets", Ticket.parse)), page.optional_text("page_token")
