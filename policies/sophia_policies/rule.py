"""What a rule is: a name, a level, a reason, a fix, and a function over plain resources.

    Rule
    |-- ResourceRule   looks at one resource, before anything is done to it
    `-- StackRule      looks at all of them, at the end of a preview and of an update

A rule yields findings. It never reads the clock, a file or the environment: what it may know besides the
resources stands in `Situation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from sophia_infra.model.price_book import PriceBook
from sophia_policies.plain import Resource

if TYPE_CHECKING:
    from sophia_infra.model.stack_config import StackConfig
    from sophia_policies.waivers import Waiver

__all__ = [
    "DOCS",
    "Finding",
    "FindingKind",
    "Level",
    "ResourceRule",
    "Rule",
    "Setting",
    "Situation",
    "StackRule",
    "cannot_tell",
    "note",
    "violation",
]

DOCS = "docs/policies.md"

Level = Literal["advisory", "mandatory"]
"""advisory: it speaks. mandatory: it stops the preview or the update."""

FindingKind = Literal["violation", "cannot_tell", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule has to say.

    Attributes:
        kind: `violation` has the level of the rule; `cannot_tell` (a value is not known before the update)
            and `note` are advisory, whatever the level of the rule.
        text: a sentence with the value that was found and the limit, never with a secret.
        urn: the resource meant; empty for the one that is looked at, or for the stack.
        name: its logical name; empty likewise.
    """

    kind: FindingKind
    text: str
    urn: str = ""
    name: str = ""


def violation(text: str, of: Resource | None = None) -> Finding:
    """A violation, of resource `of` when a stack rule speaks of one."""
    return Finding("violation", text, of.urn if of else "", of.name if of else "")


def cannot_tell(text: str, of: Resource | None = None) -> Finding:
    """An advisory: `text` says what is not known yet."""
    return Finding("cannot_tell", f"cannot tell yet: {text}", of.urn if of else "", of.name if of else "")


def note(text: str, of: Resource | None = None) -> Finding:
    """An advisory that is worth saying and no violation."""
    return Finding("note", text, of.urn if of else "", of.name if of else "")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that `--policy-pack-config` may set for a rule.

    Attributes:
        schema: JSON schema of the value.
        default: what holds when nothing is set.
        meaning: one phrase for the docs, with the unit.
    """

    schema: Mapping[str, Any]
    default: Any
    meaning: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule may know besides the resources.

    Attributes:
        today: the date by which waivers and lifetimes are judged.
        stack: name of the stack.
        settings: of the rule that asks, defaults filled in.
        stack_config: the stack's typed configuration; None for a stack without `sophia:fleet`.
        prices: list prices with their date.
        seen: the resources looked at so far in this run, the present one included.
        waivers: those that are valid or expired for this stack.
    """

    today: date
    stack: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    stack_config: StackConfig | None = None
    prices: PriceBook = field(default_factory=PriceBook.fallback)
    seen: Sequence[Resource] = ()
    waivers: Sequence[Waiver] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Attributes:
    name: what people write in configuration and waivers; never changes.
    level: unless configuration says otherwise.
    summary: what is demanded, one sentence.
    reason: why, one sentence.
    fix: what to do about a violation, one sentence.
    settings: name -> setting.
    """

    name: str
    level: Level
    summary: str
    reason: str
    fix: str
    settings: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def link(self) -> str:
        """Where the docs explain it."""
        return f"{DOCS}#{self.name}"

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: setting.default for name, setting in self.settings.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRule(Rule):
    """A rule about one resource; `applies` says which types it looks at."""

    applies: Callable[[Resource], bool]
    check: Callable[[Resource, Situation], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule(Rule):
    """A rule about the whole stack."""

    check: Callable[[Sequence[Resource], Situation], Iterable[Finding]]
