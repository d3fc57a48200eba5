"""The words in which a resource kind answers, free of any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from sophia_infra.plugin_protocol.unknown import UNKNOWN, Unknown

__all__ = [
    "UNKNOWN",
    "Checked",
    "Created",
    "Diff",
    "Found",
    "Kind",
    "PartlyCreated",
    "Props",
    "Unknown",
    "same",
]

Props: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs to use, and what is wrong with them as (property, reason) pairs."""

    inputs: Props
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """What a change of inputs would do.

    Attributes:
        changes: property names that differ.
        replaces: those of them that need a new resource.
        deferred: those that are recorded now and take effect at the next launch.
        delete_before_replace: True when old and new cannot exist side by side.
    """

    changes: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    delete_before_replace: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """The id of the new or adopted resource and its outputs."""

    id: str
    outputs: Props


class PartlyCreated(Exception):
    """What `created` names exists, and a later step of its creation failed, for the reason `cause`.

    An engine that can record it does. For one that cannot, the next run finds it by its tag.
    """

    def __init__(self, created: Created, cause: Exception) -> None:
        self.created = created
        self.cause = cause
        super().__init__(created, cause)

    def __str__(self) -> str:
        return str(self.cause)


@dataclass(frozen=True, slots=True)
class Found:
    """The live state: id None when it is gone; `inputs` when the live resource has drifted from them."""

    id: str | None
    outputs: Props = field(default_factory=dict)
    inputs: Props | None = None


class Kind(Protocol):
    """What every resource kind can do. All methods may be called from several threads at once."""

    def check(self, olds: Mapping[str, Any], news: Props) -> Checked: ...

    def diff(self, resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff: ...

    def create(self, news: Props) -> Created: ...

    def read(self, resource_id: str, props: Props) -> Found: ...

    def update(self, resource_id: str, olds: Mapping[str, Any], news: Props) -> Props: ...

    def delete(self, resource_id: str, props: Mapping[str, Any]) -> None: ...


def same(old: Any, new: Any) -> bool:
    """Whether two property values mean the same: absent, None, "", [] and {} do, and 1.0 and 1."""
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return False
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return all(same(old.get(key), new.get(key)) for key in {*old, *new})
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    return bool(old == new) or (_is_empty(old) and _is_empty(new))


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})
