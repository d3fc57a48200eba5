"""What a stack file may say of its machines in a random life, and what may happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.unit.provider.stage import PUBLIC_KEY, STACK

STACK_KEY = "stack-key"
STACK_PUBLIC_KEY = PUBLIC_KEY.replace("B" * 43, "D" * 43)
LABELS = st.sampled_from(["a", "b", "c"])
TYPES = st.sampled_from(["gpu_1x_a10", "gpu_1x_a6000"])
REGIONS = st.sampled_from(["us-east-1", "us-west-1"])
DISKS = st.sampled_from(["models", "checkpoints"])
HOME_TYPE, HOME_REGION = "gpu_1x_a10", "us-east-1"
# Most moments of a run lie early, and a run that is killed late is often done by then.
KILL_AT = st.one_of(st.none(), st.integers(1, 16), st.integers(1, 16), st.integers(10, 60))
OPERATIONS = [
    "launchInstance",
    "terminateInstance",
    "listInstances",
    "getInstance",
    "postInstance",
    "createFilesystem",
    "filesystemDelete",
    "listFilesystems",
    "addSSHKey",
    "deleteSSHKey",
]
STATUSES = st.sampled_from(["terminated", "preempted", "terminating", "unhealthy"])
FAULTS = st.sampled_from(
    [
        ("before", {"action": "drop"}),
        ("after", {"action": "drop"}),
        ("after", {"action": "truncate"}),
        ("before", {"action": "status", "status": 500}),
        ("after", {"action": "status", "status": 502}),
        ("before", {"action": "status", "status": 429, "retry_after_s": 30}),
    ]
)

Edit = tuple[str, Any]
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.tuples(st.just("asked for"), st.tuples(TYPES, REGIONS, st.booleans())),
    st.just(("taken out", None)),
    st.just(("adopted", None)),
    st.tuples(st.just("generation"), st.sampled_from([1, 1, -1])),
    st.tuples(st.just("instance_type"), TYPES),
    st.tuples(st.just("region"), REGIONS),
    st.tuples(st.just("disk"), DISKS),
    st.tuples(st.just("name"), st.sampled_from(["one", "two"])),
    st.tuples(st.just("tag"), st.sampled_from(["", "research"])),
    st.tuples(st.just("terminate_first"), st.booleans()),
)


@dataclass(frozen=True)
class Want:
    """What the stack file says of one machine."""

    instance_type: str = HOME_TYPE
    region: str = HOME_REGION
    generation: int = 1
    name: str = "first name"
    tag: str = ""
    disk: str | None = None
    fallback: bool = False
    terminate_first: bool = False
    adopt: str | None = None

    @property
    def machine(self) -> tuple[object, ...]:
        """What needs another machine when it changes."""
        if self.adopt is not None:
            return ("adopted", self.adopt)
        return (self.instance_type, self.region, self.generation, self.disk)


def instance_props(label: str, want: Want) -> dict[str, Any]:
    props: dict[str, Any] = {
        "stack": STACK,
        "logical_name": label,
        "name": want.name,
        "instance_type": want.instance_type,
        "region": want.region,
        "generation": float(want.generation),
    }
    if want.adopt is not None:
        return {**props, "adopt": {"id": want.adopt}}
    return {
        **props,
        "ssh_key_name": STACK_KEY,
        **({"tags": {"team": want.tag}} if want.tag else {}),
        **({"filesystems": [want.disk]} if want.disk else {}),
        **({"fallbacks": [{"region": "us-west-2"}]} if want.fallback and not want.disk else {}),
    }
