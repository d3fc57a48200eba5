"""GPU models as Kubernetes sees them: what a pod asks for, how one GPU is shared, who sets it up."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    ClosedModel,
    Conflict,
    ConflictsFound,
    choice_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.value_types import YesNo

__all__ = [
    "ARM64_GPU_MODELS",
    "GPU_MODELS",
    "MIG_SLICES",
    "GpuModel",
    "GpuOperatorConfig",
    "GpuRequest",
    "GpuSharing",
    "mig_layouts",
    "mig_slices",
]

GPU_MODELS: tuple[str, ...] = tuple(
    dict.fromkeys(row.gpu_model for row in CATALOGUE.values() if row.gpu_model)
)
"""`RTX6000`, `A10`, ..., in the order of the catalogue."""

ARM64_GPU_MODELS = frozenset(
    row.gpu_model for row in CATALOGUE.values() if row.gpu_model and row.architecture == "arm64"
)
"""GPUs whose machines have an arm64 CPU: images that run there have to exist for it."""

MIG_SLICES: dict[tuple[str, int], dict[str, int]] = {
    ("A100", 40): {"1g.5gb": 7, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2, "4g.20gb": 1, "7g.40gb": 1},
    ("A100", 80): {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1},
    ("H100", 80): {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1},
    ("GH200", 96): {"1g.12gb": 7, "1g.24gb": 4, "2g.24gb": 3, "3g.48gb": 2, "4g.48gb": 1, "7g.96gb": 1},
    ("B200", 180): {"1g.23gb": 7, "1g.45gb": 4, "2g.45gb": 3, "3g.90gb": 2, "4g.90gb": 1, "7g.180gb": 1},
}
"""(GPU model, GiB of one GPU) -> MIG profile -> slices of one GPU. Source: NVIDIA's MIG user guide. A layout
`all-<profile>` makes every GPU of a node that many slices, each of which counts as one `nvidia.com/gpu` (MIG
strategy single). Whether Lambda's virtual machines let a guest switch MIG on is not documented."""

GpuModel = Annotated[str, choice_form("a GPU model that Lambda has", GPU_MODELS)]


def mig_slices(layout: str, model: str, memory_gib: int | None) -> int | None:
    """Slices of one GPU of `memory_gib` under `layout` (`all-1g.12gb`); None when it does not exist there."""
    return MIG_SLICES.get((model, memory_gib or 0), {}).get(layout.removeprefix("all-"))


def mig_layouts(model: str) -> tuple[str, ...]:
    """Every layout that some GPU of `model` knows; empty for a model without MIG."""
    profiles = (profile for (own, _), rows in MIG_SLICES.items() if own == model for profile in rows)
    return tuple(f"all-{profile}" for profile in dict.fromkeys(profiles))


class GpuRequest(ClosedModel):
    """The GPU that a pod asks for. Request and limit are the same number; a fraction does not exist."""

    model: GpuModel = Field(
        description="GPU model as the catalogue names it (GH200, A6000, ...). No default: pods are placed "
        "only where their model is."
    )
    count: Annotated[int, whole_number_form(0, 8)] = Field(
        default=1,
        description="GPU places of one pod, 0 to 8. Default 1; 0 places the pod on such a machine and leaves "
        "its GPU to others.",
    )


class GpuSharing(ClosedModel):
    """How one GPU of a model becomes several places: by turns, or cut by hardware. Exactly one of the two."""

    time_slicing: Annotated[int, whole_number_form(2, 16)] | None = Field(
        default=None,
        description="Pods that take turns on one GPU, 2 to 16. Default none. They share its memory without "
        "any wall between them, and its utilisation cannot be told apart by pod.",
    )
    mig: (
        Annotated[
            str,
            text_form(
                "a MIG layout",
                pattern=r"all-[0-9]g\.[0-9]{1,3}gb",
                rule='"all-" and a MIG profile, for example all-1g.12gb',
                max_characters=20,
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="MIG layout for every GPU of the model (all-1g.12gb). Default none; only for models that "
        "can be cut: A100, H100, GH200, B200.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.time_slicing is None) == (self.mig is None):
            found = "neither" if self.mig is None else "both"
            refused = Refused(f"has {found} of time_slicing and mig", allowed="exactly one of them")
            raise ConflictsFound([Conflict((), refused)])
        return self


class GpuOperatorConfig(ClosedModel):
    """NVIDIA's GPU Operator: device plugin, labels, metrics and, where the image lacks them, drivers."""

    enabled: YesNo = Field(
        default=True,
        description="false leaves it out, for a cluster that has it already. Default true: without it no "
        "node offers a GPU.",
    )
    version: Annotated[
        str,
        text_form(
            "a release of the operator",
            pattern=r"v[0-9]{2}\.[0-9]{1,2}\.[0-9]{1,2}",
            rule="v<year>.<month>.<patch>, for example v26.7.0",
            max_characters=12,
        ),
    ] = Field(
        default="v26.7.0",
        description="Chart version, exact. Default v26.7.0: it supports Kubernetes 1.33 to 1.36.",
    )
    driver: YesNo = Field(
        default=False,
        description="true makes the operator install the driver. Default false: Lambda Stack images bring "
        "theirs, and a second one only delays the node.",
    )
    toolkit: YesNo = Field(
        default=True,
        description="true makes the operator set up containerd for GPUs. Default true, with k3s' paths.",
    )
    dcgm_exporter: YesNo = Field(
        default=True,
        description="GPU metrics for Prometheus. Default true: autoscaling by gpu_utilization lives on them.",
    )
