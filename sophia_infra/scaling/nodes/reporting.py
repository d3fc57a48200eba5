"""What one pass saw, decided and did."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from sophia_infra.scaling.nodes.deciding import NodeDecision
from sophia_infra.scaling.nodes.viewing import PoolView

__all__ = ["Deed", "Event", "PassReport"]

Deed = Literal["launch", "release", "rescue", "give_up", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done, or asked for."""

    pool: str
    action: Deed
    node: str
    words: str = ""

    def __str__(self) -> str:
        words = f" ({self.words})" if self.words else ""
        return f"{self.pool}: {self.action.replace('_', ' ')} {self.node}{words}"


@dataclass(slots=True)
class PassReport:
    """One pass. `headroom_usd_per_hour` is None when the account was not seen."""

    at_s: float
    dry_run: bool
    leads: bool = False
    holder: str = ""
    headroom_usd_per_hour: Decimal | None = None
    usd_per_hour: Decimal = Decimal(0)
    decisions: list[NodeDecision] = field(default_factory=list)
    views: list[PoolView] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "at_s": self.at_s,
            "dry_run": self.dry_run,
            "leads": self.leads,
            "holder": self.holder,
            "usd_per_hour": str(self.usd_per_hour),
            "budget_headroom_usd_per_hour": None
            if self.headroom_usd_per_hour is None
            else str(self.headroom_usd_per_hour),
            "decisions": [one.as_json() for one in self.decisions],
            "pools": [_view_json(one) for one in self.views],
            "events": [
                {"pool": one.pool, "action": one.action, "node": one.node, "words": one.words}
                for one in self.events
            ],
            "problems": list(self.problems),
        }


def _view_json(view: PoolView) -> dict[str, Any]:
    states = ("ready", "coming", "draining", "ending", "lost")
    return {
        "pool": view.pool,
        "machines": [
            {
                "name": one.name.name,
                "id": one.id,
                "state": state,
                "status": one.status,
                "instance_type": one.instance_type,
                "region": one.region,
                "usd_per_hour": str(one.usd_per_hour),
                "launched_at_s": one.launched_at_s,
                "why_lost": view.why_lost.get(one.id),
            }
            for state in states
            for one in getattr(view, state)
        ],
        "open_launches": len(view.pending),
    }
