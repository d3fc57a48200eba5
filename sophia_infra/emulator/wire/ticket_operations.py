"""Support tickets and their attachments: operations of the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.tickets import URL_EXPIRES_S
from sophia_infra.emulator.wire import render
from sophia_infra.emulator.wire.calls import Call, Payload

__all__ = ["TICKET_OPERATIONS"]


def list_tickets(cloud: Cloud, call: Call) -> Payload:
    records, page_token = cloud.tickets.listed(
        statuses=call.query.get("status", []),
        types=call.query.get("type", []),
        severities=call.query.get("severity", []),
        order_by=call.query.get("order_by", "created_at"),
        descending=call.query.get("direction", "desc") == "desc",
        page_token=call.query.get("page_token"),
    )
    return Payload({"tickets": [render.ticket(one) for one in records], "page_token": page_token})


def create_ticket(cloud: Cloud, call: Call) -> Payload:
    record = cloud.tickets.create(
        call.body["subject"], call.body["description"], call.body["type"], call.body.get("severity")
    )
    return Payload(render.ticket_created(record))


def get_ticket(cloud: Cloud, call: Call) -> Payload:
    return Payload(render.ticket(cloud.tickets.get(call.path["ticket_id"])))


def update_ticket(cloud: Cloud, call: Call) -> Payload:
    cloud.tickets.update(call.path["ticket_id"], call.body)
    return Payload({}, status=202)


def list_attachments(cloud: Cloud, call: Call) -> Payload:
    records = cloud.tickets.attachments(call.path["ticket_id"], call.query.get("status"))
    return Payload({"attachments": [render.attachment(one) for one in records]})


def initiate_attachment_upload(cloud: Cloud, call: Call) -> Payload:
    record = cloud.tickets.initiate_upload(
        call.path["ticket_id"],
        call.body["filename"],
        call.body["content_type"],
        int(call.body["size_bytes"]),
    )
    return Payload(
        {
            "attachment_id": record.id,
            "upload_url": f"https://uploads.emulator.invalid/{record.id}",
            "upload_method": "PUT",
            "upload_status": record.upload_status,
            "expires_in": URL_EXPIRES_S,
        }
    )


def delete_attachment(cloud: Cloud, call: Call) -> Payload:
    cloud.tickets.delete_attachment(call.path["ticket_id"], call.path["attachment_id"])
    return Payload({})


def complete_attachment_upload(cloud: Cloud, call: Call) -> Payload:
    record = cloud.tickets.complete_upload(call.path["ticket_id"], call.path["attachment_id"])
    return Payload(render.attachment(record))


def get_attachment_download_url(cloud: Cloud, call: Call) -> Payload:
    record = cloud.tickets.uploaded(call.path["ticket_id"], call.path["attachment_id"])
    return Payload(
        {"download_url": f"https://downloads.emulator.invalid/{record.id}", "expires_in": URL_EXPIRES_S}
    )


TICKET_OPERATIONS: Mapping[str, Callable[[Cloud, Call], Payload]] = {
    "listTickets": list_tickets,
    "createTicket": create_ticket,
    "getTicket": get_ticket,
    "updateTicket": update_ticket,
    "listAttachments": list_attachments,
    "initiateAttachmentUpload": initiate_attachment_upload,
    "deleteAttachment": delete_attachment,
    "completeAttachmentUpload": complete_attachment_upload,
    "getAttachmentDownloadUrl": get_attachment_download_url,
}
