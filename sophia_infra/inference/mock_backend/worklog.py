"""What was worked, request by request: the other side of "nothing lost, nothing done twice"."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Work", "WorkLog", "WorkOutcome"]

WorkOutcome = Literal["answered", "cut", "malformed", "refused", "client_gone"]
"""`answered`: the whole answer was handed to the connection, usage included. `refused`: it ended with an
error, which nobody bills. The others were worked in part at least; the client could not know how much."""


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work.

    Attributes:
        number: counts up from 1 without gaps.
        request_id: header `x-request-id`; "" without one.
        prompt_start: the first characters of the prompt, by which a load test knows its requests.
    """

    number: int
    request_id: str
    prompt_start: str
    model: str
    stream: bool
    input_tokens: int
    output_tokens: int
    outcome: WorkOutcome


class WorkLog:
    """The latest entries, and sums over all."""

    def __init__(self, kept: int) -> None:
        self._entries: deque[Work] = deque(maxlen=kept)
        self.count = 0
        self.input_tokens = 0
        self.output_tokens = 0

    def add(self, work: Work) -> None:
        self._entries.append(work)
        self.count += 1
        self.input_tokens += work.input_tokens
        self.output_tokens += work.output_tokens

    def clear(self) -> None:
        """Forget the entries; numbers and sums go on."""
        self._entries.clear()

    def since(self, number: int, limit: int) -> list[Work]:
        """Entries with a higher number, oldest first."""
        found = []
        for entry in self._entries:
            if entry.number > number:
                found.append(entry)
                if len(found) == limit:
                    break
        return found

    def as_document(self, number: int, limit: int) -> dict[str, Any]:
        return {
            "count": self.count,
            "dropped": self.count - len(self._entries),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "entries": [asdict(entry) for entry in self.since(number, limit)],
        }
