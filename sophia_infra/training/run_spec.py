"""What a run was asked to be: fixed when it begins, so that a resumed run is the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.training import Bootstrap

__all__ = ["Choice", "RunSpec"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A type and a region for all nodes of the run, and the list price of one node when it was planned."""

    instance_type: str
    region: str
    usd_per_hour: Decimal

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.region}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One run.

    Attributes:
        run_id: unique; part of every tag and name.
        stack: "project/stack".
        endpoint: "emulator" or "lambda".
        cluster, workload: names of the stack file.
        nodes: as many as are launched; `min_nodes`: with how many it may go on.
        choices: what to try, best first.
        poll_s: seconds between two looks of the starter and of the watchdog.
        replace_lost: whether a lost node is launched again.
        wait_minutes, wait_usd: limits of waiting for capacity; None: no waiting.
        began_s: when the run was made, seconds since 1970 on the cloud's clock.
    """

    run_id: str
    stack: str
    endpoint: str
    cluster: str
    workload: str
    nodes: int
    min_nodes: int
    max_usd: Decimal
    max_hours: int
    choices: tuple[Choice, ...]
    command: str
    ssh_key: str
    began_s: float
    bootstrap: Bootstrap = "torchrun_ssh"
    ssh_user: str = "ubuntu"
    env: tuple[str, ...] = ()
    image_family: str | None = None
    checkpoints: str | None = None
    results: str = "results"
    replace_lost: bool = False
    wait_minutes: float | None = None
    wait_usd: Decimal | None = None
    self_terminate_key_env: str | None = None
    poll_s: float = 30.0

    def gpus_of(self, choice: Choice) -> int:
        """GPUs of one node."""
        return CATALOGUE[choice.instance_type].gpu_count

    def node_name(self, number: int) -> str:
        """Name of the machine in the account and of its node, at most 63 characters."""
        tail = f"-{self.run_id[-24:]}-{number}"
        return f"{self.cluster[: 63 - len(tail)]}{tail}"

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        fields = asdict(self)
        fields["choices"] = [
            {**asdict(choice), "usd_per_hour": str(choice.usd_per_hour)} for choice in self.choices
        ]
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> RunSpec:
        """What `as_json` gave. Raises KeyError, TypeError, ValueError or ArithmeticError on anything else."""
        known = dict(fields)
        known["choices"] = tuple(
            Choice(row["instance_type"], row["region"], Decimal(row["usd_per_hour"]))
            for row in known["choices"]
        )
        known["env"] = tuple(known["env"])
        known["max_usd"] = Decimal(known["max_usd"])
        known["wait_usd"] = None if known["wait_usd"] is None else Decimal(known["wait_usd"])
        return cls(**known)
