"""Calls about audit events and fabric partitions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sophia_infra.lambda_cloud.account_answers import AuditEvent, FabricPartition
from sophia_infra.lambda_cloud.answer_fields import Fields, parse_list
from sophia_infra.lambda_cloud.calls import Calls, nothing, payload
from sophia_infra.lambda_cloud.errors import InvalidSpec
from sophia_infra.lambda_cloud.specs import check_text

if TYPE_CHECKING:
    from sophia_infra.lambda_cloud.transport import Answer

__all__ = ["AccountCalls"]

FABRIC_NAME_CHARACTERS = 32
_FABRIC_NAME = r"[a-z0-9][a-z0-9-]{0,31}"


class AccountCalls(Calls):
    """Audit events and fabric partitions."""

    def list_audit_events(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        resource_type: str | None = None,
    ) -> Iterator[AuditEvent]:
        """The account's audit events, page by page: a further page costs a request when it is reached.

        Args:
            start: first moment, inclusive, with a time zone; the earliest event when None.
            end: last moment, inclusive, with a time zone; the latest event when None.
            resource_type: only this type, such as `cloud`.

        Raises:
            InvalidSpec: at once, for a time without a zone.
            UnexpectedAnswer: while iterating, when a page token comes twice.
        """
        query: dict[str, str] = {}
        for name, moment in (("start", start), ("end", end)):
            if moment is not None:
                query[name] = _iso_utc(name, moment)
        if resource_type is not None:
            query["resource_type"] = resource_type
        return self._pages("getAuditEvents", _read_audit_page, query)

    def create_fabric_partition(
        self, name: str, region: str, *, workspace_id: str | None = None
    ) -> FabricPartition:
        """Make a partition of the region's fabric. Keep the id: the API can list none.

        Args:
            name: 1 to 32 of a-z, 0-9 and `-`, not first.
            region: code of the region.
            workspace_id: where; the default workspace when None.
        """
        body = {"name": _fabric_name(name), "region": region}
        if workspace_id is not None:
            body["workspace_id"] = workspace_id
        return self._perform("createFabricPartition", payload(FabricPartition.parse), body=body)

    def update_fabric_partition(self, partition_id: str, name: str) -> FabricPartition:
        """Give a partition another name. Raises NotFound."""
        return self._perform(
            "updateFabricPartition",
            payload(FabricPartition.parse),
            ids={"id": partition_id},
            body={"name": _fabric_name(name)},
        )

    def delete_fabric_partition(self, partition_id: str) -> None:
        """Delete a partition. Raises InvalidSpec while instances are assigned to it, NotFound."""
        self._perform("deleteFabricPartition", nothing, ids={"id": partition_id})


def _iso_utc(name: str, moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidSpec(f"{name} is {moment.isoformat()}, a time without a zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _fabric_name(name: str) -> str:
    return check_text("name", name, shortest=1, longest=FABRIC_NAME_CHARACTERS, pattern=_FABRIC_NAME)


def _read_audit_page(answer: Answer) -> tuple[list[AuditEvent], str | None]:
    events = parse_list(answer.payload, "data", AuditEvent.parse)
    return events, Fields(answer.envelope, "answer").optional_text("page_token")
