"""One emulated account, a virtual clock, a home, and runs on them; each attendance a process."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from sophia_infra.emulator import Cloud
from sophia_infra.emulator.launch_orders import LaunchOrder
from sophia_infra.engine.home import Home
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.training import ClusterConfig
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session, Waits
from sophia_infra.training.access import JobLook, JobStart, MachineAccess, Node
from sophia_infra.training.attending import attend
from sophia_infra.training.context import RunMeans
from sophia_infra.training.history import LaunchHistory
from sophia_infra.training.plan_checks import Limits, Market
from sophia_infra.training.planning import RunPlan, plan_run
from sophia_infra.training.run_folder import RunFolder, new_run_id, runs_folder
from sophia_infra.training.run_spec import Choice, RunSpec
from sophia_infra.training.run_state import RunState
from sophia_infra.training.stand_in import StandInAccess
from sophia_infra.training.watchdog import Watchdog

STACK = "sophia-infra/test"
API_KEY = "any-key"
KEY_NAME = "team-key"
PUBLIC_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43 + " someone@example"
LIVE = ("booting", "active", "unhealthy")
H100 = "gpu_8x_h100_sxm5"
A10 = "gpu_1x_a10"
EAST, WEST = "us-east-3", "us-west-3"


class Ground:
    def __init__(self, url: str, cloud: Cloud, clock: VirtualClock, root: Path) -> None:
        self.url, self.cloud, self.clock = url, cloud, clock
        self.home = Home(root=root, checkout=root)
        self.said: list[str] = []
        self._clients = contextlib.ExitStack()
        self._add_key()

    def begin_anew(self, **settings: Any) -> None:
        """As new: an empty account with these settings, and nothing known of earlier runs."""
        self.cloud.reset()
        self._add_key()
        self.set(**settings)
        shutil.rmtree(self.home.root, ignore_errors=True)
        self.said.clear()

    def close(self) -> None:
        self._clients.close()

    def client(self) -> LambdaCloud:
        """Paced as the real one is: requests and launches take their time on the virtual clock."""
        return self._clients.enter_context(
            LambdaCloud(
                self.url,
                API_KEY,
                clock=self.clock,
                pacer=Pacer(None, "test", self.clock),
                random_part=lambda: 0.5,
            )
        )

    def access(self, job_s: float = 1800.0, code: int = 0, folder: RunFolder | None = None) -> MachineAccess:
        file = (self.home.root if folder is None else folder.path) / "stand-in.json"
        return StandInAccess(self.clock, file, job_s, code)

    def means(self, access: MachineAccess | None = None, **more: Any) -> RunMeans:
        return RunMeans(
            client=more.pop("client", None) or self.client(),
            clock=self.clock,
            access=access or self.access(),
            history=LaunchHistory.of(self.home),
            say=self.said.append,
            waits=Waits(poll_s=10),
            **more,
        )

    def session(self) -> Session:
        return Session(self.client(), self.clock, Journal(self.home.launches), waits=Waits(poll_s=10))

    def market(self) -> Market:
        client = self.client()
        return Market(
            client.list_instance_types(),
            client.list_filesystems(),
            client.list_ssh_keys(),
            LaunchHistory.of(self.home).read(),
            self.clock.now(),
        )

    def plan(self, config: ClusterConfig, limits: Limits | None = None) -> RunPlan:
        return plan_run("trainer", config, limits or Limits(), self.market(), ssh_key=KEY_NAME, poll_s=30)

    def new_run(self, **changes: Any) -> RunFolder:
        spec = self.spec(**changes)
        folder = RunFolder(runs_folder(self.home) / spec.run_id)
        folder.make(spec)
        return folder

    def spec(self, **changes: Any) -> RunSpec:
        now_s = self.clock.now()
        whole = RunSpec(
            run_id=new_run_id(now_s),
            stack=STACK,
            endpoint="emulator",
            cluster="trainer",
            workload="large-model-training",
            nodes=3,
            min_nodes=3,
            max_usd=Decimal(400),
            max_hours=4,
            choices=(Choice(H100, EAST, Decimal("31.92")), Choice(H100, WEST, Decimal("31.92"))),
            command="train.py",
            ssh_key=KEY_NAME,
            began_s=now_s,
        )
        return dataclasses.replace(whole, **changes)

    def attend(self, folder: RunFolder, access: MachineAccess | None = None, **more: Any) -> RunState:
        return attend(folder, self.means(access or self.access(folder=folder), **more))

    def watchdog(self, folder: RunFolder) -> Watchdog:
        return Watchdog(folder, self.means())

    def watch(self, folder: RunFolder, looks: int = 2000) -> None:
        """What its process does, until it says that nothing is left."""
        dog = self.watchdog(folder)
        for _ in range(looks):
            if dog.look():
                return
            self.clock.sleep(dog.poll_s)
        raise AssertionError("the watchdog found no end")

    # The account from outside

    def _add_key(self) -> None:
        with self.cloud.lock:
            self.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)

    def set(self, **settings: Any) -> None:
        self.cloud.change_settings(settings)

    def fault(self, operation: str, when: str, action: str, **more: Any) -> None:
        with self.cloud.lock:
            self.cloud.faults.add(operation, when, action, **more)

    def happens_outside(self, instance_id: str, status: str) -> None:
        with self.cloud.lock:
            self.cloud.instances.set_status(instance_id, status)

    def launch_outside(self, name: str, tags: dict[str, str] | None = None) -> str:
        """A machine that somebody else launched, by no request of ours."""
        labels = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        order = LaunchOrder(EAST, A10, [KEY_NAME], name=name, tags=labels)
        with self.cloud.lock:
            return self.cloud.instances.launch(order).id

    def rows(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """Every machine that was ever launched for the run (any run when None)."""
        return [
            row
            for row in self.cloud.dump()["instances"]
            if "sophia-run" in row["tags"] and run_id in (None, row["tags"]["sophia-run"])
        ]

    def live(self, run_id: str | None = None) -> list[dict[str, Any]]:
        return [row for row in self.rows(run_id) if row["status"] in LIVE]

    def billed(self, run_id: str) -> Decimal:
        """By the emulator's own meter."""
        return sum((Decimal(row["billed_usd"]) for row in self.rows(run_id)), Decimal(0))

    def operations(self, since: int = 0) -> list[str]:
        with self.cloud.lock:
            return [str(seen.operation) for seen in self.cloud.requests.since(since)]

    def last_request(self) -> int:
        with self.cloud.lock:
            return max((seen.seq for seen in self.cloud.requests.since(0)), default=0)


def one_poll_usd(spec: RunSpec, usd_per_hour: Decimal = Decimal("31.92")) -> Decimal:
    """What all nodes cost in one poll interval, the most that a run may go over its cap."""
    return usd_per_hour * spec.nodes * Decimal(str(spec.poll_s)) / 3600


def numbers_of_members(state: RunState) -> list[int]:
    """Of the nodes that the job was last started on, by rank."""
    return [state.machines[one].number for one in state.members]


class WatchedAccess:
    """The stand-in, with a hook at every look: the world changes while a job runs."""

    def __init__(self, inner: MachineAccess, on_look: Callable[[JobStart, Node], None]) -> None:
        self._inner = inner
        self._on_look = on_look
        self.started: list[tuple[int, int]] = []

    def answers(self, node: Node) -> bool:
        return self._inner.answers(node)

    def start(self, job: JobStart, node: Node) -> None:
        self.started.append((job.incarnation, node.number))
        self._inner.start(job, node)

    def look(self, job: JobStart, node: Node) -> JobLook:
        self._on_look(job, node)
        return self._inner.look(job, node)

    def cancel(self, job: JobStart, node: Node) -> None:
        self._inner.cancel(job, node)

    def forget(self, node: Node) -> None:
        self._inner.forget(node)

    def collect(self, job: JobStart, node: Node, source: str, target: Path) -> str:
        return self._inner.collect(job, node, source, target)
