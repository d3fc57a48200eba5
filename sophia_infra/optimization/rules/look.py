"""What every rule looks at, and how evidence is written. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sophia_infra.model.money import format_usd
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.facts import Fleet, MachineFacts
from sophia_infra.optimization.recommendation import Evidence
from sophia_infra.optimization.usage import MachineUsage, UsageReport

__all__ = ["ACCOUNT", "WEEKS_PER_MONTH", "Look"]

ACCOUNT = "Lambda Cloud, the account's lists"
WEEKS_PER_MONTH = Decimal(720) / Decimal(168)
"""A month has 720 h, a week 168."""


@dataclass(frozen=True, slots=True)
class Look:
    """One account, its usage (None: nobody measured it), and the settings."""

    fleet: Fleet
    usage: UsageReport | None
    config: OptimizationConfig

    def usage_of(self, machine: MachineFacts) -> MachineUsage | None:
        """What it was used for, None when that may not be concluded from."""
        found = self.any_usage_of(machine)
        return None if found is None or found.problem is not None else found

    def any_usage_of(self, machine: MachineFacts) -> MachineUsage | None:
        """The same, however thin: enough to say that something was seen at work."""
        return None if self.usage is None else self.usage.machines.get(machine.instance_id)

    def judged(self) -> Iterator[tuple[MachineFacts, MachineUsage]]:
        """Machines of the stack file that run, one for a name, and were measured."""
        for machine in self.fleet.of_file:
            usage = self.usage_of(machine)
            if usage is not None:
                yield machine, usage

    def price(self, machine: MachineFacts) -> Evidence:
        return Evidence(
            "price",
            f"{format_usd(machine.usd_per_hour)}/h, {format_usd(machine.usd_per_month)}/month",
            ACCOUNT,
            0.0,
        )

    def measured(self, usage: MachineUsage) -> tuple[Evidence, ...]:
        """The numbers of a profile."""
        source = "" if self.usage is None else self.usage.source
        rows = [
            ("GPU", f"mean {usage.gpu_mean:.1f} %, p95 {usage.gpu_p95:.1f} %, peak {usage.gpu_peak:.1f} %"),
            ("time", f"{usage.days:.1f} days, {usage.coverage * 100:.0f} % of them measured"),
        ]
        if usage.cpu_p95 is not None and usage.cpu_peak is not None:
            rows.append(("processors", f"p95 {usage.cpu_p95:.1f} %, peak {usage.cpu_peak:.1f} %"))
        if usage.gpu_memory_gib is not None:
            rows.append(("GPU memory", f"peak {usage.gpu_memory_gib:.1f} GiB"))
        if usage.memory_gib is not None:
            rows.append(("memory", f"peak {usage.memory_gib:.1f} GiB"))
        if usage.requests_per_s is not None:
            rows.append(("requests", f"{usage.requests_per_s:.3f} a second"))
        return tuple(Evidence(what, value, source, usage.age_s) for what, value in rows)
