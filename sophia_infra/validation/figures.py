"""The figures that are compared before and after, with the plan's targets for them. Unknown is never 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeVar

from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.reports.figures import Figure, unknown
from sophia_infra.validation.world import World

__all__ = ["FIGURES", "CompareFigure"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CompareFigure:
    """One figure.

    Attributes:
        key: in the file.
        id: of the plan's table; empty for what stands in none.
        unit: after the number.
        plan: as the plan prints it, before and after; empty when it says nothing.
        target: what the figure has to reach; None when there is no target.
        less_is_better: whether `target` is the most or the least.
    """

    key: str
    id: str
    name: str
    unit: str
    plan: str
    target: Decimal | None
    less_is_better: bool
    read: Callable[[World], Figure[Decimal]]


def _map(figure: Figure[T], read: Callable[[T], Decimal | float | int]) -> Figure[Decimal]:
    """The figure as a number of at most three decimals; what is unknown stays so."""
    if figure.value is None:
        return Figure(None, figure.source, None, figure.missing)
    number = Decimal(str(read(figure.value)))
    return Figure(number.quantize(Decimal("0.001"), ROUND_HALF_UP).normalize(), figure.source, figure.at_s)


def _deploy_s(world: World) -> Figure[Decimal]:
    updates = world.updates
    done = [row for row in updates.value or () if row.kind == "update" and row.succeeded and row.changed]
    if updates.value is not None and not done:
        return unknown("no update that changed something has succeeded", updates.source)
    return _map(updates, lambda _rows: done[-1].duration_s)


def _by_ci(_world: World) -> Figure[Decimal]:
    return unknown("CI measures it: `sophia images budget`, in the log of the images workflow")


def _usd_per_month(world: World) -> Figure[Decimal]:
    """Of the whole fleet only: what does not run costs nothing, and that is no saving."""
    fleet = world.snapshot.fleet
    if fleet.value is not None and fleet.value.missing:
        return unknown(f"not all of it runs: {', '.join(fleet.value.missing)} absent", fleet.source)
    return _map(fleet, lambda found: found.usd_per_hour("stack", "orphan") * HOURS_PER_MONTH)


def _gpu_places(world: World) -> Figure[Decimal]:
    kube = world.config.kubernetes
    supply = sum(world.placement.gpu_places.values()) if kube is not None else 0
    if not supply:
        return unknown("the stack places nothing on GPUs")
    held = sum(world.placement.gpu_reserved.values())
    return Figure(Decimal(100 * held) / supply, f"Pulumi.{world.name}.yaml", world.taken_at_s)


FIGURES: Final[tuple[CompareFigure, ...]] = (
    CompareFigure("build_s", "P1", "Docker build", "s", "20 to 8", Decimal(8), True, _by_ci),
    CompareFigure(
        "deploy_s",
        "P2",
        "Last update that changed something",
        "s",
        "300-600 to 120-180",
        Decimal(180),
        True,
        _deploy_s,
    ),
    CompareFigure("image_mb", "P3", "Image size", "MB", "2,000-3,000 to 1,200", Decimal(1200), True, _by_ci),
    CompareFigure(
        "backends_cold",
        "P4",
        "Inference backends that are not warm",
        "",
        "30-60 s to none",
        Decimal(0),
        True,
        lambda world: _map(world.snapshot.inference.backends, lambda found: found.total - found.ready),
    ),
    CompareFigure(
        "first_token_ms",
        "",
        "Time to the first token, p95",
        "ms",
        "",
        None,
        True,
        lambda world: _map(world.snapshot.inference.first_token_p95_s, lambda value: value * 1000),
    ),
    CompareFigure(
        "gpu_busy_percent",
        "P5",
        "GPU utilisation",
        "%",
        "45 to 80",
        Decimal(80),
        False,
        lambda world: _map(
            world.snapshot.gpus, lambda rows: sum(row.percent for row in rows) / max(len(rows), 1)
        ),
    ),
    CompareFigure(
        "gpu_places_percent",
        "1.3e",
        "GPU places that services hold",
        "%",
        "50 to 90",
        Decimal(90),
        False,
        lambda world: _map(_gpu_places(world), lambda value: value),
    ),
    CompareFigure(
        "response_ms",
        "P6",
        "Response time, p95",
        "ms",
        "500-2,000 to 200",
        Decimal(200),
        True,
        lambda world: _map(world.snapshot.inference.p95_s, lambda value: value * 1000),
    ),
    CompareFigure(
        "uptime_percent",
        "P7",
        "Calls that succeeded at the worst service, 30 days",
        "%",
        "99.5 to 99.9",
        Decimal("99.9"),
        False,
        lambda world: _map(
            world.snapshot.slo, lambda slos: 100 * min(row.success_ratio for row in slos.services)
        ),
    ),
    CompareFigure(
        "scaling_s",
        "P8",
        "Time to one more pod",
        "s",
        "hours to 120",
        Decimal(120),
        True,
        lambda _world: unknown("nothing records it: see the events of the autoscaler"),
    ),
    CompareFigure(
        "machines",
        "",
        "Machines of the stack",
        "",
        "",
        None,
        True,
        lambda world: _map(world.snapshot.fleet, lambda fleet: len(fleet.of("stack", "orphan"))),
    ),
    CompareFigure(
        "usd_per_month",
        "$5",
        "Machines, dollars in 720 h",
        "$",
        "3,477.60 to 1,890",
        Decimal(1890),
        True,
        _usd_per_month,
    ),
    CompareFigure(
        "inference_usd",
        "$1",
        "Inference, dollars booked this month",
        "$",
        "930 to 250",
        Decimal(250),
        True,
        lambda world: _map(world.inference_month_usd, lambda usd: usd),
    ),
    CompareFigure(
        "alerts_firing",
        "",
        "Critical alerts that fire",
        "",
        "",
        Decimal(0),
        True,
        lambda world: _map(world.snapshot.alerts, lambda _rows: len(world.snapshot.firing("critical"))),
    ),
)
