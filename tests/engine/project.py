"""A whole project in a temporary folder: our program, a stack file of the test's choosing, an emulator.

The engine is the real one. The emulator runs in this process on a clock 600 times as fast as the machine's,
so that a boot of four minutes takes 0.4 s, and the test can look into it and cut its answers.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.server import EmulatorServer
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.events import Event
from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.kubernetes_plugin import ensure_kubernetes_plugin
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.run import OperationOptions, OperationResult, Verb, run_operation
from sophia_infra.engine.stack_file import prepare_stack
from sophia_infra.engine.stacks import ensure_stack, export_stack, stack_outputs
from sophia_infra.lambda_cloud import LambdaCloud, LaunchRequest, Pacer
from sophia_infra.model.clock import ScaledClock, VirtualClock
from sophia_infra.model.resource_tokens import kind_of

CHECKOUT = Path(__file__).resolve().parents[2]
SPEED = 600.0
STACK = "local"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn sophia-local"

A10 = {"type": "1xA10", "region": "us-west-1", "purpose": "development"}
A6000 = {"type": "1xA6000", "region": "us-south-1", "purpose": "orchestration"}


@dataclass
class Project:
    """One project and its cloud. `write` sets the stack file, `up` and the others run the engine.

    `variables` are in the environment of every run.
    """

    root: Path
    home: Home
    engine: Engine
    emulator: EmulatorServer
    config: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def cloud(self) -> Cloud:
        return self.emulator.cloud

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SOPHIA_HOME": str(self.home.root),
            "LAMBDA_API_URL": self.emulator.url,
            "LAMBDA_API_KEY": "a-key-for-the-emulator",
            **self.variables,
        }

    def write(self, fleet: Mapping[str, Any], **further: Any) -> None:
        """Write the stack file with this fleet; `further` are other `sophia:` keys."""
        values = {
            "phase": 1,
            "endpoint": "emulator",
            "budget": {"limit": "$500/day"},
            "ssh": {"public_key": PUBLIC_KEY},
            "fleet": dict(fleet),
            **further,
        }
        self.config = {f"sophia:{key}": value for key, value in values.items()}
        text = yaml.safe_dump({"config": self.config}, sort_keys=False)
        (self.root / f"Pulumi.{STACK}.yaml").write_text(text, encoding="utf-8")

    def run(
        self,
        verb: Verb,
        options: OperationOptions | None = None,
        *,
        phase: int | None = None,
        events: list[Event] | None = None,
        cancellation: Cancellation | None = None,
    ) -> OperationResult:
        stack = ensure_stack(self.engine, prepare_stack(STACK, self.home, phase=phase), self.home)
        return run_operation(
            self.engine,
            verb,
            stack,
            self.home,
            options=options,
            on_event=events.append if events is not None else None,
            cancellation=cancellation,
            extra_environment=self.environment,
        )

    def up(self, **options: Any) -> OperationResult:
        return self.run("up", OperationOptions(**options))

    def refresh(self, **options: Any) -> OperationResult:
        return self.run("refresh", OperationOptions(**options))

    def destroy(self) -> OperationResult:
        return self.run("destroy")

    def outputs(self) -> dict[str, Any]:
        return stack_outputs(self.engine, STACK, self.home)

    def state(self) -> dict[str, Any]:
        return dict(export_stack(self.engine, STACK, self.home)["deployment"])

    def ids_in_state(self) -> dict[str, str]:
        """Name -> id of the machines in the state."""
        return {
            row["urn"].rsplit("::", 1)[-1]: row["id"]
            for row in self.state().get("resources", ())
            if kind_of(row["type"]) == "Instance" and not row.get("delete")
        }

    def live(self) -> dict[str, str]:
        """Id -> name of every machine that the cloud bills now."""
        rows = self.cloud.dump()["instances"]
        return {row["id"]: row["name"] for row in rows if row["status"] in ("booting", "active", "unhealthy")}

    def launch_by_hand(self, name: str, instance_type: str, region: str) -> str:
        """Launch a machine as somebody else would, without our tags; its id."""
        client = LambdaCloud(
            self.emulator.url, "a-key-for-the-emulator", pacer=Pacer(None, "hand", VirtualClock())
        )
        if not client.list_ssh_keys():
            client.add_ssh_key("by-hand", PUBLIC_KEY)
        request = LaunchRequest(
            region_name=region, instance_type_name=instance_type, ssh_key_names=("by-hand",), name=name
        )
        return client.launch_instance(request)

    def usd_per_hour(self) -> str:
        return str(self.cloud.dump()["billing"]["usd_per_hour"])

    def doubles(self) -> int:
        """Pairs of machines with one launch key that were both billed at some moment."""
        spans = [
            (
                row["tags"].get("sophia-name"),
                row["tags"].get("sophia-launch"),
                row["launched_at_s"],
                row["ended_at_s"],
            )
            for row in self.cloud.dump()["instances"]
            if "sophia-launch" in row["tags"]
        ]
        return sum(
            first[:2] == second[:2] and (first[3] is None or second[2] < first[3])
            for first, second in itertools.combinations(sorted(spans, key=lambda span: span[2]), 2)
        )

    def launches(self) -> int:
        """How many launches the cloud carried out, whatever became of them."""
        return len(self.cloud.dump()["instances"])


@contextmanager
def make_project(root: Path, engine: Engine, **settings: Any) -> Iterator[Project]:
    """A project in `root` with an empty cloud of these settings."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(CHECKOUT / "__main__.py", root)
    program = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    program["runtime"]["options"]["virtualenv"] = sys.prefix
    (root / "Pulumi.yaml").write_text(yaml.safe_dump(program), encoding="utf-8")
    home = open_home(checkout=root, environ={"SOPHIA_HOME": str(root / "home")})
    ensure_kubernetes_plugin(engine, home)
    cloud = Cloud(CloudSettings(**settings), ScaledClock(SPEED))
    with EmulatorServer(cloud) as emulator:
        yield Project(root, home, engine, emulator)
