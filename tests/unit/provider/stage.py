"""One emulated account, one virtual clock, and one provider process after the other."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sophia_infra.emulator import Cloud
from sophia_infra.lambda_cloud import LambdaCloud, LaunchRequest, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session, Waits

STACK = "sophia-infra/test"
API_KEY = "any-key"
KEY_NAME = "team-key"
# Put together at run time: a key of the right form that opens nothing.
PUBLIC_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43 + " someone@example"
LIVE = ("booting", "active", "unhealthy")


class Stage:
    """The account seen from outside, and sessions on it. Each session is a new provider process."""

    def __init__(self, url: str, cloud: Cloud, clock: VirtualClock, directory: Path) -> None:
        self.url = url
        self.cloud = cloud
        self.clock = clock
        self.directory = directory
        self.said: list[str] = []
        self._clients = contextlib.ExitStack()
        with cloud.lock:
            cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)

    def close(self) -> None:
        self._clients.close()

    def client(self, pacer: Pacer | None = None) -> LambdaCloud:
        return self._clients.enter_context(
            LambdaCloud(
                self.url,
                API_KEY,
                clock=self.clock,
                pacer=pacer or Pacer(None, "test", self.clock, 0.0, 0.0),
                random_part=lambda: 0.5,
            )
        )

    def session(self, waits: Waits | None = None, *, directory: Path | None = None) -> Session:
        """What a new provider process of the same machine would work with."""
        journal = Journal(self.directory if directory is None else directory)
        return Session(self.client(), self.clock, journal, waits=waits, say=self.said.append)

    def kind(self, waits: Waits | None = None) -> InstanceKind:
        """Instances, in a new provider process."""
        return InstanceKind(self.session(waits))

    def set(self, **settings: Any) -> None:
        self.cloud.change_settings(settings)

    def fault(self, operation: str, when: str, action: str, **more: Any) -> None:
        with self.cloud.lock:
            self.cloud.faults.add(operation, when, action, **more)

    def happens_outside(self, instance_id: str, status: str) -> None:
        with self.cloud.lock:
            self.cloud.instances.set_status(instance_id, status)

    def launch_outside(self, name: str, tags: Mapping[str, str] | None = None, **spec: Any) -> str:
        """A machine that somebody else launched."""
        fields = {"instance_type_name": "gpu_1x_a10", "region_name": "us-east-1", **spec}
        request = LaunchRequest(ssh_key_names=(KEY_NAME,), name=name, tags=tags or {}, **fields)
        return self.client().launch_instance(request)

    def instances(self) -> list[dict[str, Any]]:
        """Every machine ever, as the emulator dumps it."""
        return list(self.cloud.dump()["instances"])

    def live(self) -> list[str]:
        """Ids of the machines that are billed and not ending."""
        return [row["id"] for row in self.instances() if row["status"] in LIVE]

    def status(self, instance_id: str) -> str:
        return next(str(row["status"]) for row in self.instances() if row["id"] == instance_id)

    @contextlib.contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The operations that the service sees inside the block, in order."""
        with self.cloud.lock:
            last = max((seen.seq for seen in self.cloud.requests.since(0)), default=0)
        operations: list[str] = []
        yield operations
        with self.cloud.lock:
            operations += [str(seen.operation) for seen in self.cloud.requests.since(last)]


def props(label: str = "core", /, **changes: Any) -> dict[str, Any]:
    """Properties of an instance as the engine passes them; None takes one away."""
    whole: dict[str, Any] = {
        "stack": STACK,
        "logical_name": label,
        "name": label,
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "generation": 1,
        "ssh_key_name": KEY_NAME,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in itertools.islice(itertools.count(1), count)]
