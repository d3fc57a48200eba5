"""What can go wrong with pinned charts and custom resources.

    ChartsError
    |-- UnknownChart(LookupError)     no pinned chart has that name; the closest one is named
    |-- UnknownGroup(LookupError)     the table has no custom resource of that API group
    `-- NotPlainValues(ValueError)    values that cannot be written as YAML, for example an unresolved output

A wrong key in values and a wrong field in an object are no exceptions: the checks return sentences, all at
once. Each error says whose fault it is (`fault`: "user" or "ours"), whether calling again can help (`retry`;
never here, where nothing depends on time) and what to do next (`next_step`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from sophia_infra.model.errors import did_you_mean

__all__ = ["ChartsError", "NotPlainValues", "UnknownChart", "UnknownGroup"]


class ChartsError(Exception):
    """Base of this room's errors."""

    fault: ClassVar[Literal["user", "ours"]] = "user"
    retry: ClassVar[bool] = False
    next_step: str = "correct the name"


class UnknownChart(ChartsError, LookupError):
    """No chart of this name is pinned."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        self.next_step = f"use one of: {', '.join(known)}"
        super().__init__(
            f"no chart {name!r} is pinned{did_you_mean(name, known)}; pinned: {', '.join(known)}. "
            f"Next: {self.next_step}."
        )


class UnknownGroup(ChartsError, LookupError):
    """The table of custom resources has nothing of this API group."""

    def __init__(self, group: str, known: Iterable[str]) -> None:
        known = sorted(known)
        self.next_step = f"use one of: {', '.join(known)}"
        super().__init__(
            f"no custom resource of group {group!r} is known{did_you_mean(group, known)}. "
            f"Next: {self.next_step}."
        )


class NotPlainValues(ChartsError, ValueError):
    """Chart values hold something that YAML has no form for. The value itself is never shown."""

    fault = "ours"
    next_step = "resolve outputs first and pass maps, lists, text, numbers and booleans only"

    def __init__(self, path: str, type_name: str) -> None:
        self.path = path
        super().__init__(f"the chart value at {path or 'the top'} is a {type_name}. Next: {self.next_step}.")
