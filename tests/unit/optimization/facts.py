"""Machines, filesystems and fleets as plain facts, and analyses over them. Not a test itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.price_book import PriceBook
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.facts import FilesystemFacts, Fleet, MachineFacts, Offer
from sophia_infra.optimization.profiling import profile
from sophia_infra.optimization.recommendation import Recommendation
from sophia_infra.optimization.rules import Look, find_all
from sophia_infra.optimization.usage import MachineTracks, Track, UsageReport
from tests.unit.optimization.shapes import END_S, NOW_S

STACK = "sophia-infra/test"
BOOK = PriceBook.fallback()


def fact(name: str, instance_type: str = "gpu_1x_a10", /, **changes: Any) -> MachineFacts:
    """A machine of the file that is neither always on nor protected."""
    fields: dict[str, Any] = {
        "name": name,
        "instance_id": f"id-{name}",
        "instance_type": instance_type,
        "region": "us-east-1",
        "status": "active",
        "usd_per_hour": BOOK.get(instance_type),
        "standing": "file",
        "in_state": True,
        "age_s": 90 * 86_400.0,
        **changes,
    }
    return MachineFacts(**fields)


def orphan(name: str = "lost", /, **changes: Any) -> MachineFacts:
    return fact(name, **{"standing": "orphan", "in_state": False, **changes})


def filesystem(name: str = "empty", /, **changes: Any) -> FilesystemFacts:
    """One that may be deleted."""
    fields: dict[str, Any] = {
        "name": name,
        "filesystem_id": f"fs-{name}",
        "region": "us-east-1",
        "bytes_used": 0,
        "is_in_use": False,
        "age_s": 90 * 86_400.0,
        "is_ours": True,
        **changes,
    }
    return FilesystemFacts(**fields)


def offers(region: str = "us-east-1") -> dict[str, Offer]:
    """Every type at its dated price, with capacity in one region."""
    return {name: Offer(name, BOOK.get(name), (region,)) for name in CATALOGUE}


def fleet(*machines: MachineFacts, **changes: Any) -> Fleet:
    fields: dict[str, Any] = {
        "stack": STACK,
        "now_s": float(NOW_S),
        "machines": machines,
        "offers": offers(),
        "prices_of": BOOK.as_of,
        **changes,
    }
    return Fleet(**fields)


def report(
    tracks: Mapping[str, MachineTracks],
    config: OptimizationConfig | None = None,
    capacity: Mapping[tuple[str, str], Track] | None = None,
) -> UsageReport:
    """Profiles of machines by their names, at NOW_S."""
    used = config or OptimizationConfig()
    machines = {f"id-{name}": profile(one, used, float(NOW_S)) for name, one in tracks.items()}
    return UsageReport(
        "scripted series", float(NOW_S), END_S - 28 * 86_400, END_S, machines, capacity or {}, ()
    )


def advise(
    whole: Fleet,
    tracks: Mapping[str, MachineTracks] | None = None,
    config: OptimizationConfig | None = None,
    capacity: Mapping[tuple[str, str], Track] | None = None,
) -> list[Recommendation]:
    """Everything that the rules find."""
    used = config or OptimizationConfig()
    usage = None if tracks is None else report(tracks, used, capacity)
    return find_all(Look(whole, usage, used))


def usd(text: str) -> Decimal:
    return Decimal(text)
