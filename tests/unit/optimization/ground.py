"""One emulated account over HTTP, a virtual clock, a home, and engines on them; each engine is a process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sophia_infra.emulator import Cloud
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.stack_config import parse_stack_config
from sophia_infra.optimization.action_log import ActionLog
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.engine import CostOptimizationEngine
from sophia_infra.optimization.gathering import Site
from sophia_infra.optimization.health import Health
from sophia_infra.optimization.outcome import Outcome
from sophia_infra.optimization.usage import MachineTracks, Recorded, Track
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.journal import Intent, Journal
from sophia_infra.provider.session import Session
from tests.unit.operations.machines import deployment, entry
from tests.unit.optimization.shapes import STEP_S

STACK = "sophia-infra/test"
KEY_NAME = "team-key"
PUBLIC_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43 + " someone@example"
LIVE = ("booting", "active", "unhealthy")
HOUR_S, DAY_S = 3600.0, 86_400.0
READY = {"auto_apply": True, "cooldown_minutes": 0, "actions_per_day": 50}
"""Settings under which everything that is low risk may be done at once."""


class Killed(BaseException):
    """The process dies here: nothing of it catches this."""


class DyingCloud(LambdaCloud):
    """A client whose process dies at one of its requests, before it leaves or after it was answered."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.requests = 0
        self.dies_at: tuple[int, str] | None = None

    def _perform(self, *arguments: Any, **keywords: Any) -> Any:
        self.requests += 1
        if self.dies_at == (self.requests, "before"):
            raise Killed
        answer = super()._perform(*arguments, **keywords)
        if self.dies_at == (self.requests, "after"):
            raise Killed
        return answer


class Gate:
    """A health gate that falls at a moment of the virtual clock, and stays down until told otherwise."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.falls_at_s: float | None = None

    def look(self) -> Health:
        if self.falls_at_s is not None and self._clock.now() >= self.falls_at_s:
            return Health(is_well=False, reason="critical alerts fire: GatewayDown")
        return Health(is_well=True)


class Scripted:
    """A usage source of tracks by machine id, always up to date unless `age_s` says otherwise."""

    def __init__(self) -> None:
        self.percent: dict[str, float] = {"always-measured": 55.0}
        self.age_s = 0.0

    def read(self, start_s: int, end_s: int, step_s: int) -> Recorded:
        assert step_s == STEP_S
        steps = (end_s - start_s) // step_s
        stale = int(self.age_s // step_s)

        def track(value: float) -> Track:
            return Track(start_s, step_s, (*((value,) * (steps - stale)), *((None,) * stale)))

        machines = {
            name: MachineTracks(track(value), track(4.0), track(2.0), track(8.0), track(0.0))
            for name, value in self.percent.items()
        }
        return Recorded("scripted series", float(end_s), machines)


class Ground:
    def __init__(self, url: str, cloud: Cloud, clock: VirtualClock, root: Path) -> None:
        self.url, self.cloud, self.clock, self.root = url, cloud, clock, root
        self.gate = Gate(clock)
        self.source = Scripted()
        self.entries: list[dict[str, Any]] = []
        self.state_known = True
        self.updating: str | None = None
        self.settings: dict[str, Any] = {}
        self.fleet: dict[str, Any] = {}
        self.said: list[str] = []
        self._clients = contextlib.ExitStack()
        with cloud.lock:
            cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)

    def close(self) -> None:
        self._clients.close()

    @property
    def log_path(self) -> Path:
        return self.root / "optimization" / "test.jsonl"

    def client(self) -> DyingCloud:
        return self._clients.enter_context(
            DyingCloud(
                self.url,
                "any-key",
                clock=self.clock,
                pacer=Pacer(None, "test", self.clock, 0.0, 0.0),
                random_part=lambda: 0.5,
            )
        )

    def session(self, client: LambdaCloud | None = None) -> Session:
        used = self.client() if client is None else client
        return Session(used, self.clock, Journal(self.root / "launches"), say=self.said.append)

    def site(self, client: LambdaCloud | None = None) -> Site:
        config = parse_stack_config(
            {
                "sophia:endpoint": "emulator",
                "sophia:budget": {"limit": "$100,000/month"},
                "sophia:ssh": {"existing": KEY_NAME},
                "sophia:fleet": self.fleet,
            },
            "Pulumi.test.yaml",
        )
        return Site(
            session=self.session(client),
            stack=STACK,
            config=config,
            read_deployment=lambda: deployment(*self.entries) if self.state_known else None,
            who_updates=lambda: self.updating,
        )

    def engine(
        self,
        *,
        client: LambdaCloud | None = None,
        with_gate: bool = True,
        with_source: bool = True,
        log: ActionLog | None = None,
        **settings: Any,
    ) -> CostOptimizationEngine:
        """What a new process would work with."""
        return CostOptimizationEngine(
            self.site(client),
            OptimizationConfig.model_validate({**READY, **self.settings, **settings}),
            self.source if with_source else None,
            log or self.log(),
            self.gate if with_gate else None,
            say=self.said.append,
        )

    def log(self) -> ActionLog:
        return ActionLog(self.log_path, self.clock.now, who="tester@here")

    def auto(self, **settings: Any) -> tuple[Outcome, ...]:
        """A dry run, and then the real one, each in a process of its own."""
        asyncio.run(self.engine(**settings).auto_implement("low"))
        return asyncio.run(self.engine(**settings).auto_implement("low", dry_run=False))

    def launch(self, label: str = "lost", /, *, ago_s: float = 3 * HOUR_S, **changes: Any) -> str:
        """A machine with the tags of this stack, launched a while ago; its id."""
        fields: dict[str, Any] = {
            "stack": STACK,
            "logical_name": label,
            "name": label,
            "instance_type": "gpu_1x_a10",
            "region": "us-east-1",
            "ssh_key_name": KEY_NAME,
            **changes,
        }
        spec = InstanceSpec.of(fields)
        # The tag is what tells its age; the account's own clock cannot be set back.
        request = spec.launch_request(spec.candidates[0], self.clock.now() - ago_s)
        machine = self.client().launch_instance(request)
        self.cloud.advance(600)
        return machine

    def hold(self, label: str, instance_id: str) -> None:
        """The state holds this machine."""
        self.entries.append({**entry(label, 1), "id": instance_id})

    def filesystem(self, name: str = "empty", /, *, ours: bool = True, bytes_used: int = 0) -> str:
        """A filesystem that is old enough."""
        made = self.client().create_filesystem(name, "us-east-1").id
        if bytes_used:
            with self.cloud.lock:
                self.cloud.filesystems.set_bytes(made, bytes_used)
        if ours:
            Journal(self.root / "launches").write(
                Intent(f"filesystem/{STACK}/{name}", self.clock.now(), made)
            )
        self.cloud.advance(2 * DAY_S)
        return made

    def live(self) -> list[dict[str, Any]]:
        return [row for row in self.cloud.dump()["instances"] if row["status"] in LIVE]

    def filesystems(self) -> list[dict[str, Any]]:
        return list(self.cloud.dump()["filesystems"])

    def account(self) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
        """Machines and filesystems by description: without ids, addresses, times and bills."""
        machines = [
            {
                "name": row["name"],
                "type": row["type"],
                "region": row["region"],
                "keys": row["ssh_key_names"],
                "filesystems": row["filesystem_names"],
                "firewalls": row["firewall_ruleset_ids"],
                "tags": {key: text for key, text in row["tags"].items() if key != "sophia-launched-at"},
            }
            for row in self.live()
        ]
        filesystems = [
            {"name": row["name"], "region": row["region"], "bytes": row["bytes_used"]}
            for row in self.filesystems()
        ]
        return _sorted(machines), _sorted(filesystems)

    @contextlib.contextmanager
    def counting(self) -> Any:
        """The operations that the service sees inside the block, in order."""
        with self.cloud.lock:
            last = max((seen.seq for seen in self.cloud.requests.since(0)), default=0)
        operations: list[str] = []
        yield operations
        with self.cloud.lock:
            operations += [str(seen.operation) for seen in self.cloud.requests.since(last)]

    def words(self) -> list[str]:
        """The events of the log."""
        return [str(row["event"]) for row in self.log().rows()]


def _sorted(rows: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: (str(row["name"]), str(row)))


def dying_log(ground: Ground, dies_at: tuple[int, str]) -> ActionLog:
    """A log whose process dies at one of its lines, before it is written or after."""
    log = ground.log()
    count = 0
    record: Callable[..., None] = log.record

    def dying(*arguments: Any, **fields: Any) -> None:
        nonlocal count
        count += 1
        if dies_at == (count, "before"):
            raise Killed
        record(*arguments, **fields)
        if dies_at == (count, "after"):
            raise Killed

    log.record = dying  # type: ignore[method-assign]
    return log
