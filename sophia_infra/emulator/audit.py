"""The audit log: one event per write, newest first, in pages."""

from __future__ import annotations

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import INVALID_PARAMETERS, Refused
from sophia_infra.emulator.records import AuditRecord

__all__ = ["AuditLog"]

_LONGEST_TOKEN = 15


class AuditLog:
    def __init__(self, core: Core) -> None:
        self._core = core

    def page(
        self,
        *,
        start_s: float | None,
        end_s: float | None,
        resource_type: str | None,
        page_token: str | None,
    ) -> tuple[list[AuditRecord], str | None]:
        """Events from `start_s` to `end_s` (both inclusive), and the next page's token (None at the end).

        A token names the last event shown, so pages stay right while new events come in.

        Raises:
            Refused: 400; the token is not one of ours.
        """
        before = None
        if page_token is not None:
            if not (page_token.isascii() and page_token.isdecimal() and len(page_token) < _LONGEST_TOKEN):
                raise Refused(INVALID_PARAMETERS, "page_token is not one of ours.")
            before = int(page_token)
        found = [
            event
            for event in reversed(self._core.state.audit_events)
            if (before is None or event.sequence < before)
            and (start_s is None or event.at_s >= start_s)
            and (end_s is None or event.at_s <= end_s)
            and (resource_type is None or event.resource_name == resource_type)
        ]
        size = self._core.settings.audit_page_size
        shown = found[:size]
        return shown, str(shown[-1].sequence) if len(found) > size else None
