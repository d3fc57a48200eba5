"""The last requests to the emulated API, for tests that count and order them."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Any

__all__ = ["REQUESTS_KEPT", "RequestSeen", "RequestsSeen"]

REQUESTS_KEPT = 20_000
_PATH_KEPT = 1_024
"""Characters of a path, far more than any id has: 20,000 paths must not fill the memory."""


@dataclass(slots=True)
class RequestSeen:
    """One request. `status` is None and `answered` False until its whole answer has left, or for ever."""

    seq: int
    at_s: float
    operation: str | None
    method: str
    path: str
    status: int | None = None
    answered: bool = False

    def public(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class RequestsSeen:
    """A ring of the last `REQUESTS_KEPT` requests; `dropped` counts the older ones."""

    def __init__(self) -> None:
        self._ring: deque[RequestSeen] = deque(maxlen=REQUESTS_KEPT)
        self._last_seq = 0

    @property
    def dropped(self) -> int:
        return self._last_seq - len(self._ring)

    def open(self, at_s: float, method: str, path: str) -> RequestSeen:
        self._last_seq += 1
        seen = RequestSeen(self._last_seq, at_s, None, method, path[:_PATH_KEPT])
        self._ring.append(seen)
        return seen

    def since(self, seq: int) -> list[RequestSeen]:
        """Requests with a number above `seq`, oldest first."""
        return [seen for seen in self._ring if seen.seq > seq]

    def clear(self) -> None:
        self._ring.clear()
        self._last_seq = 0
