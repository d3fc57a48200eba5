"""What the analysis knows of an account: machines, filesystems, prices, capacity, budget, tokens. Plain data.

Everything here was read at one moment by `gathering`; nothing here asks anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from sophia_infra.model.money import HOURS_PER_MONTH, Rate

if TYPE_CHECKING:
    from sophia_infra.model.stack import StackConfig

__all__ = [
    "FilesystemFacts",
    "Fleet",
    "MachineFacts",
    "Offer",
    "Standing",
    "WeekTokens",
    "backend_key",
    "filesystem_key",
    "machine_key",
]

Standing = Literal[
    "file", "orphan", "duplicate", "to adopt", "to delete", "elsewhere", "other stack", "untagged"
]
"""Whose a machine is. `file`: the stack file's, launched or adopted. `orphan`, `duplicate`, `to adopt`, `to
delete`: by the rules of `sophia doctor`. `elsewhere`: of this stack, but run by training or the node scaler.
`other stack` and `untagged`: nothing of this stack's launched it."""


def machine_key(instance_id: str) -> str:
    """How savings name a machine."""
    return f"machine:{instance_id}"


def filesystem_key(filesystem_id: str) -> str:
    """How savings name a filesystem."""
    return f"filesystem:{filesystem_id}"


def backend_key(name: str) -> str:
    """How savings name a backend that is paid by the token."""
    return f"backend:{name}"


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """One live machine.

    Attributes:
        name: its key in the file, else the name in its tag, else its display name or id.
        usd_per_hour: list price now, as the account says it.
        planned_usd_per_hour: in the dated price book; None when that lacks the type.
        twin_in_state: of a duplicate: whether the other machine of its launch is held by the state.
        is_restorable: whether a machine of the same description can be launched from what the API tells.
        description: of the machine, without secrets: what an undo launches, and what the log keeps.
    """

    name: str
    instance_id: str
    instance_type: str
    region: str
    status: str
    usd_per_hour: Decimal
    standing: Standing
    in_state: bool = False
    always_on: bool = False
    protected: bool = False
    adopted: bool = False
    planned_usd_per_hour: Decimal | None = None
    age_s: float | None = None
    twin_in_state: bool = False
    is_restorable: bool = True
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return machine_key(self.instance_id)

    @property
    def usd_per_month(self) -> Decimal:
        """At 720 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH


@dataclass(frozen=True, slots=True)
class FilesystemFacts:
    """One filesystem.

    Attributes:
        bytes_used: as the API says it, hours old and approximate; None when it does not.
        is_ours: whether this machine's journal proves that this stack made it.
        age_s: since its creation; None when the API's time cannot be read.
    """

    name: str
    filesystem_id: str
    region: str
    bytes_used: int | None
    is_in_use: bool
    age_s: float | None
    in_file: bool = False
    in_state: bool = False
    is_ours: bool = False
    protected: bool = False

    @property
    def key(self) -> str:
        return filesystem_key(self.filesystem_id)


@dataclass(frozen=True, slots=True)
class Offer:
    """A type on sale now, and the regions that list capacity for it."""

    instance_type: str
    usd_per_hour: Decimal
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WeekTokens:
    """Tokens by week, oldest first: (input, output), and the dollars booked for each week."""

    weeks: tuple[tuple[int, int], ...]
    usd: tuple[Decimal, ...] = ()

    @property
    def usd_per_month(self) -> Decimal:
        """Mean of the weeks, for a month of 720 h."""
        return sum(self.usd, Decimal(0)) / len(self.usd) * 720 / 168 if self.usd else Decimal(0)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The account as it is at `now_s` (seconds since 1970 on the cloud's clock).

    Attributes:
        stack: "project/stack".
        state_known: whether the state was read: without it nothing is proven to be in no state.
        updating: who runs an update of the stack now, None when nobody does.
        offers: types on sale, live.
        prices_of: day of the dated price book that planned prices are of.
        usd_per_gib_month: of filesystems.
        budget: of the stack; None when it has none.
        tokens: machine name -> what it served; only those that the settings compare.
        bought: backend that is paid by the token -> what it served and cost; likewise.
        config: the stack file, for placement; None when there is none.
    """

    stack: str
    now_s: float
    machines: tuple[MachineFacts, ...]
    filesystems: tuple[FilesystemFacts, ...] = ()
    state_known: bool = True
    updating: str | None = None
    offers: Mapping[str, Offer] = field(default_factory=dict)
    prices_of: date | None = None
    usd_per_gib_month: Decimal = Decimal("0.20")
    budget: Rate | None = None
    alert_percent: int = 80
    tokens: Mapping[str, WeekTokens] = field(default_factory=dict)
    bought: Mapping[str, WeekTokens] = field(default_factory=dict)
    config: StackConfig | None = None

    @property
    def own(self) -> tuple[MachineFacts, ...]:
        """Machines whose dollars are this stack's."""
        return tuple(one for one in self.machines if one.standing not in ("other stack", "untagged"))

    @property
    def names_in_change(self) -> frozenset[str]:
        """Names of the file for which two machines run: the update that replaces the one has not ended."""
        counts = Counter(one.name for one in self.machines if one.standing == "file")
        return frozenset(name for name, count in counts.items() if count > 1)

    @property
    def of_file(self) -> tuple[MachineFacts, ...]:
        """Machines of the file that a change of it can be advised for: a change names one, so one runs."""
        changing = self.names_in_change
        return tuple(one for one in self.machines if one.standing == "file" and one.name not in changing)

    @property
    def usd_per_hour(self) -> Decimal:
        """Run rate of the stack, its lost machines included."""
        return sum((one.usd_per_hour for one in self.own), Decimal(0))

    @property
    def account_usd_per_hour(self) -> Decimal:
        return sum((one.usd_per_hour for one in self.machines), Decimal(0))

    @property
    def worth(self) -> dict[str, Decimal]:
        """What each thing costs a month: no saving on it is larger."""
        found = {one.key: one.usd_per_month for one in self.machines}
        for one in self.filesystems:
            gib = Decimal(one.bytes_used or 0) / 2**30
            found[one.key] = gib * self.usd_per_gib_month
        for name, tokens in self.bought.items():
            found[backend_key(name)] = tokens.usd_per_month
        return found
