"""`sophia:training`: clusters for one training run each, with hard limits in dollars and hours.

A cluster is N single launches in one region: Lambda has no call that makes a 1-Click Cluster (facts 4, 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, WrapValidator, model_validator

from sophia_infra.model.catalogue import REGIONS, parse_region
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    ClosedModel,
    Conflict,
    ConflictsFound,
    Form,
    choice_form,
    parse_text,
    text_form,
    whole_number_form,
)
from sophia_infra.model.inference import VariableName
from sophia_infra.model.instance import WaitForCapacity
from sophia_infra.model.kubernetes.texts import ImageText
from sophia_infra.model.one_click import OneClickConfig
from sophia_infra.model.training_rules import find_cluster_conflicts
from sophia_infra.model.value_types import (
    DnsName,
    FilesystemName,
    ImageFamily,
    InstanceTypeName,
    UsdAmount,
    YesNo,
)

__all__ = [
    "MAX_HOURS",
    "MAX_NODES",
    "TRAINING_NODE_LABEL",
    "Bootstrap",
    "ClusterConfig",
    "OneClickConfig",
    "TrainingSection",
    "training_gpu_label",
]

MAX_NODES = 8
"""The plan's ceiling: 8 nodes of 8 GPUs are its 64 GPUs."""
MAX_HOURS = 720

TRAINING_NODE_LABEL = "sophia.internal/training"
"""On every node that a run's machine became, with the name of its training cluster."""

Bootstrap = Literal["torchrun_ssh", "join"]

_ANY = "any"
_PLANS_NAMES: Mapping[str, str] = {
    "name": "is the plan's name for it: the key of the cluster is its name",
    "instance_type": "is the plan's name for it: write type",
    "auto_scale": "is the plan's name for it: a cluster is elastic when min_nodes is below max_nodes",
}


def _parse_regions(value: object) -> tuple[str, ...]:
    """`any` (every region of the catalogue), or region codes, the preferred one first."""
    if value == _ANY:
        return tuple(REGIONS)
    if not isinstance(value, list | tuple):
        raise Refused("is not a list of regions", allowed=f"{_ANY}, or a list such as [us-east-3, us-west-2]")
    codes = tuple(parse_region(parse_text(code)) for code in value)
    if not codes:
        raise Refused("is empty", allowed=f"{_ANY}, or at least one region")
    for at, code in enumerate(codes):
        if code in codes[:at]:
            raise Refused(f"names {code} twice")
    return codes


Regions = Annotated[
    tuple[str, ...],
    Form(
        _parse_regions,
        {
            "anyOf": [
                {"const": _ANY},
                {
                    "type": "array",
                    "items": {"enum": list(REGIONS)},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ]
        },
        lambda codes: _ANY if codes == tuple(REGIONS) else list(codes),
    ),
]
Nodes = Annotated[int, whole_number_form(1, MAX_NODES)]


class ClusterConfig(ClosedModel):
    """One kind of training cluster. Nothing of it exists until `sophia train run` launches it."""

    type: InstanceTypeName = Field(
        description="8xH100 or the API's name gpu_8x_h100_sxm5. No default: it is most of the price."
    )
    fallbacks: tuple[InstanceTypeName, ...] = Field(
        default=(),
        description="Types to try, all nodes alike, when the first has no capacity anywhere. Default none: "
        "another type costs and behaves differently, so it is never chosen silently.",
    )
    regions: Regions = Field(
        description="Regions that may be used, the preferred one first, or any. All nodes of a run are in "
        "one. No default: data and checkpoints are somewhere."
    )
    max_nodes: Nodes = Field(description="Most nodes of one run, 1 to 8. No default.")
    min_nodes: Nodes | None = Field(
        default=None,
        description="Fewest nodes with which a run goes on when some are lost, 1 to max_nodes. Default: as "
        "many as were launched, so that the run ends with the first lost one.",
    )
    replace_lost: YesNo = Field(
        default=False,
        description="true launches a machine again for each lost node once it has ended, where the region "
        "has room and half an hour of the limits is left; below min_nodes the others wait for it within "
        "wait_for_capacity. Default false: a launch in the middle of a run costs a boot, so nobody gets one "
        "unasked.",
    )
    max_usd: UsdAmount = Field(
        description="Most dollars of one run, at list price. No default: a cap that nobody chose protects "
        "nobody."
    )
    max_hours: Annotated[int, whole_number_form(1, MAX_HOURS)] = Field(
        description="Most hours of one run from its first launch, 1 to 720. No default, for the same reason."
    )
    workload: DnsName = Field(description="Name for `sophia train run --workload`, unique. No default.")
    command: Annotated[str, text_form("a command", max_characters=4000)] = Field(
        description="What runs on every node, the part behind torchrun's own options: train.py --epochs 3. "
        "No secrets: name them in env. No default."
    )
    bootstrap: Annotated[Bootstrap, choice_form("a way", ("torchrun_ssh", "join"))] = Field(
        default="torchrun_ssh",
        description="torchrun_ssh (torchrun on every node by SSH) or join (nodes of the Kubernetes cluster, "
        "a Kueue job). Default torchrun_ssh: needs no cluster.",
    )
    image: ImageText | None = Field(
        default=None,
        description="join: image of the job with torchrun in it, with a fixed tag or digest. Default none, "
        "which only torchrun_ssh can do with.",
    )
    claim: DnsName | None = Field(
        default=None,
        description="join: PersistentVolumeClaim in the namespace of training jobs, mounted at /checkpoints. "
        "Default none.",
    )
    env: tuple[VariableName, ...] = Field(
        default=(),
        description="Environment variables of the starter that the command gets; only names are kept. "
        "Default none.",
    )
    image_family: ImageFamily | None = Field(
        default=None,
        description="Image family; has to exist for the CPU architecture of every type. Default none: the "
        "latest Lambda Stack.",
    )
    ssh_key: Annotated[str, text_form("a key name", max_characters=64)] | None = Field(
        default=None, description="Name of an SSH key of the account. Default: the stack's own (sophia:ssh)."
    )
    ssh_user: Annotated[
        str, text_form("a user", pattern="[a-z_][a-z0-9_-]*", rule="a Unix user name", max_characters=32)
    ] = Field(default="ubuntu", description="User to log in as. Default ubuntu, as in Lambda's images.")
    checkpoints: FilesystemName | None = Field(
        default=None,
        description="Filesystem for checkpoints, mounted on every node under /lambda/nfs/<name>; it fixes "
        "the region. Default none: what the disks hold ends with the machines.",
    )
    results: Annotated[
        str,
        text_form(
            "a path",
            pattern=r"[A-Za-z0-9._/-]+",
            rule="letters, digits and . _ / -, relative to the run's folder or absolute",
            max_characters=255,
        ),
    ] = Field(
        default="results",
        description="File or folder of the first node that is copied back at the end. Default results.",
    )
    wait_for_capacity: WaitForCapacity | None = Field(
        default=None,
        description="Keep the nodes that were launched and wait for the rest, within both limits. Default "
        "none: end them at once, since a cluster that is not whole costs and does nothing.",
    )
    self_terminate: YesNo = Field(
        default=False,
        description="true makes each machine end itself at the deadline, by an API key that it is given; "
        "every key of Lambda has full access to the account. Default false.",
    )
    self_terminate_key_env: VariableName | None = Field(
        default=None,
        description="Environment variable with that key; make one for this alone and delete it afterwards. "
        "No default: the starter's own key is never put on a machine unasked.",
    )

    _written_type: str | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _corrected(cls, raw: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(raw, Mapping):
            found = [Conflict((key,), Refused(why)) for key, why in _PLANS_NAMES.items() if key in raw]
            if found:
                raise ConflictsFound(found)
        config = read(raw)
        written = raw.get("type") if isinstance(raw, Mapping) else None
        if isinstance(written, str) and written.lower().startswith("gpu_") and written != config.type:
            config._written_type = written
        return config

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = list(find_cluster_conflicts(self))
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    @property
    def types(self) -> tuple[str, ...]:
        """API names, in the order in which they may be tried."""
        return (self.type, *self.fallbacks)

    @property
    def hints(self) -> tuple[str, ...]:
        """What is accepted and should be written otherwise."""
        if self._written_type is None:
            return ()
        return (f"Lambda sells no type {self._written_type}; {self.type} is taken, its one type like that.",)


def training_gpu_label(gpu_model: str) -> str:
    """The GPU label of a training node: another one than services ask for, so that none lands there."""
    return f"{gpu_model.lower()}-training"


def _by_kind(raw: Any, _read: Any) -> ClusterConfig | OneClickConfig:
    """Which of the two it is, the key `cluster_id` says: what is wrong is said of the one that was meant."""
    if isinstance(raw, OneClickConfig) or (isinstance(raw, Mapping) and "cluster_id" in raw):
        return OneClickConfig.model_validate(raw)
    return ClusterConfig.model_validate(raw)


TrainingSection: TypeAlias = dict[DnsName, Annotated[ClusterConfig | OneClickConfig, WrapValidator(_by_kind)]]
"""`sophia:training`: name -> cluster that is launched for a run, or 1-Click Cluster that is only read."""
