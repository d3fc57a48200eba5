"""An exporter and a real emulator over HTTP, on virtual clocks. Not a test itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.emulator import EmulatorServer
from sophia_infra.exporter.attempts import Attempts
from sophia_infra.exporter.exposition import FleetCollector, registry_of
from sophia_infra.exporter.poller import Poller
from sophia_infra.exporter.state_file import StateFile
from sophia_infra.exporter.timing import Timing
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.money import Rate
from sophia_infra.model.price_book import PriceBook
from sophia_infra.monitoring.exporter_settings import ExporterSettings, MachineSettings, PlannedPrices
from sophia_infra.provider.tags import LaunchKey, Owner
from tests.emulator.emulator_client import API_KEY, Api

STACK = "sophia-infra/test"
OTHER_STACK = "sophia-infra/other"
OWNERS = ("stack", "training", "orphan", "other", "unknown")
POLL_S = 30


def machine(instance_type: str = "gpu_1x_gh200", region: str = "us-east-3", **more: Any) -> MachineSettings:
    return MachineSettings((instance_type,), (region,), **more)


def settings_of(machines: Mapping[str, MachineSettings], **more: Any) -> ExporterSettings:
    """Settings of a stack with a budget of $200 a day."""
    book = PriceBook.fallback()
    types = dict.fromkeys(name for one in machines.values() for name in one.types)
    values: dict[str, Any] = {
        "stack": STACK,
        "endpoint": "emulator",
        "budget": Rate(Decimal(200), "day"),
        "budget_alert_percent": 80,
        "poll_s": POLL_S,
        "machines": machines,
        "prices": PlannedPrices(date(2026, 8, 20), {name: book.get(name) for name in types}, Decimal("0.20")),
    }
    return ExporterSettings(**{**values, **more})


class Shown:
    """What /metrics shows at one moment."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rows = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def all(self, name: str, /, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Samples of a name that have these labels among theirs."""
        return [
            (own, value) for found, own, value in self.rows if found == name and labels.items() <= own.items()
        ]

    def one(self, name: str, /, **labels: str) -> float:
        """The only one."""
        [(_, value)] = self.all(name, **labels)
        return value

    def find(self, name: str, /, **labels: str) -> float | None:
        """The only one, None when there is none."""
        found = self.all(name, **labels)
        assert len(found) <= 1
        return found[0][1] if found else None

    def by_owner(self, name: str) -> dict[str, float]:
        return {labels["owner"]: value for labels, value in self.all(name)}


class Stage:
    """One account and one exporter that looks at it.

    Args:
        emulator: running.
        settings: of the exporter.
        clock: of the exporter; the account's own when None.
        state: file of the exporter.
        pacer: without any pace when None.
        jitter: 0 to 1, the part of the longest wait that comes before a repeated attempt.
    """

    def __init__(
        self,
        emulator: EmulatorServer,
        settings: ExporterSettings,
        *,
        clock: VirtualClock | None = None,
        state: Path | None = None,
        pacer: Pacer | None = None,
        jitter: float = 0.0,
    ) -> None:
        self.api = Api(emulator)
        self.cloud = emulator.cloud
        own = emulator.cloud.core.clock
        assert isinstance(own, VirtualClock)
        self.clock = own if clock is None else clock
        self.settings = settings
        self._state = state
        self._pacer = pacer or Pacer(None, "test", self.clock, 0.0, 0.0)
        self._jitter = jitter
        self.client: LambdaCloud | None = None
        self.start()

    def start(self) -> None:
        """A new exporter, as after a restart of the process."""
        self.close()
        timing = Timing(self.settings.poll_s)
        attempts = Attempts(self.clock)
        self.client = LambdaCloud(
            self.api.emulator.url,
            API_KEY,
            clock=self.clock,
            pacer=self._pacer,
            timeout_connect_s=timing.timeout_connect_s,
            timeout_read_s=timing.timeout_read_s,
            retry_plan=timing.retry_plan,
            random_part=lambda: self._jitter,
            observer=attempts,
        )
        kept = None if self._state is None else StateFile(self._state, self.settings.stack)
        self.poller = Poller(self.settings, self.client, self.clock, kept)
        collector = FleetCollector(self.settings, self.poller, attempts, self._pacer, self.clock)
        self.registry = registry_of(collector)

    def close(self) -> None:
        if self.client is not None:
            self.client.close()

    def launch(
        self,
        name: str,
        *,
        stack: str | None = STACK,
        generation: int = 1,
        launched_at_s: float | None = None,
        **fields: Any,
    ) -> str:
        """Launch a machine, tagged as ours does it; `stack` None: without a tag. Its id."""
        if stack is not None:
            key = LaunchKey(Owner(stack, name), generation, "0123456789abcdef")
            at_s = self.cloud.now() if launched_at_s is None else launched_at_s
            fields["tags"] = [{"key": tag, "value": value} for tag, value in key.tags(at_s).items()]
        return self.api.launch(name=name, **fields)

    def pass_time(self, seconds: float, *, polls: bool = True) -> None:
        """Let time pass; with `polls`, the exporter looks whenever it is due, and at the end."""
        end_s = self.clock.now() + seconds
        while polls:
            due_s = self.poller.poll()
            if due_s >= end_s:
                break
            self.advance(due_s - self.clock.now())
        self.advance(end_s - self.clock.now())
        if polls:
            self.poller.poll()

    def advance(self, seconds: float) -> None:
        """Move the account's clock, and the exporter's where that is another."""
        self.cloud.advance(max(0.0, seconds))
        if self.clock is not self.cloud.core.clock:
            self.clock.advance(max(0.0, seconds))

    def show(self) -> Shown:
        """A scrape."""
        return Shown(generate_latest(self.registry).decode())

    def billed_usd(self, instance_id: str) -> Decimal:
        """What the account's own meter says."""
        with self.cloud.lock:
            self.cloud.instances.settle()
            return self.cloud.meter.instance_usd(self.cloud.core.state.instances[instance_id])

    def lists(self) -> list[float]:
        """When the machines were asked for, on the account's clock."""
        seen = self.cloud.requests.since(0)
        return [one.at_s for one in seen if (one.method, one.path) == ("GET", "/api/v1/instances")]
