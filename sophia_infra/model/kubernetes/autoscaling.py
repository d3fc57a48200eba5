"""How many pods of a workload there are: the measures of a row, and KEDA, which asks Prometheus for some."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sophia_infra.model.forms import ClosedModel, ConflictsFound, Form, text_form, whole_number_form
from sophia_infra.model.inference import parse_base_url
from sophia_infra.model.kubernetes.texts import Percent
from sophia_infra.model.kubernetes.workload_rules import find_autoscale_conflicts
from sophia_infra.model.value_types import YesNo

__all__ = ["AutoscaleConfig", "AutoscalingConfig", "KedaConfig"]


class AutoscaleConfig(ClosedModel):
    """Pods between two numbers, by at least one measure. What GPUs cannot carry is cut off, with a note."""

    min: Annotated[int, whole_number_form(1, 1000)] = Field(
        description="Pods at least, 1 to 1000. No default: nothing scales to zero."
    )
    max: Annotated[int, whole_number_form(1, 1000)] = Field(
        description="Pods at most, 1 to 1000. No default: growth costs money."
    )
    cpu: Percent | None = Field(
        default=None, description="Percent of the CPU request to aim at, 1 to 100. Default: not a measure."
    )
    memory: Percent | None = Field(
        default=None, description="Percent of the memory request to aim at. Default: not a measure."
    )
    gpu_utilization: Percent | None = Field(
        default=None,
        description="Percent of GPU use to aim at. Default: not a measure; refused where a GPU is shared, "
        "because its use cannot be told apart by pod.",
    )
    queue: Annotated[int, whole_number_form(1, 100_000)] | None = Field(
        default=None,
        description="Calls waiting at the gateway to aim at for each pod; for rows with vllm, by KEDA. "
        "Default: not a measure.",
    )
    rps: Annotated[int, whole_number_form(1, 1_000_000)] | None = Field(
        default=None,
        description="Calls a second to aim at for each pod; for the gateway's row, by KEDA. Default: not a "
        "measure.",
    )

    @property
    def asks_prometheus(self) -> bool:
        """Whether a measure is one that only KEDA has."""
        return self.queue is not None or self.rps is not None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = find_autoscale_conflicts(self)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self


class KedaConfig(ClosedModel):
    """KEDA, which makes autoscalers that ask Prometheus."""

    enabled: YesNo = Field(
        default=False,
        description="true installs it; rows with autoscale.queue or rps are then its. Default false: it "
        "needs a Prometheus, and until there is one they scale by their other measures.",
    )
    prometheus_url: (
        Annotated[str, Form(parse_base_url, {"type": "string", "format": "uri", "pattern": "^https?://"})]
        | None
    ) = Field(
        default=None,
        description="Address of Prometheus inside the cluster. Default: that of monitoring; needed where "
        "there is none.",
    )
    version: Annotated[
        str,
        text_form(
            "a release of KEDA",
            pattern=r"[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}",
            rule="three numbers joined by dots, for example 2.20.2",
            max_characters=12,
        ),
    ] = Field(default="2.20.2", description="Chart version of KEDA, exact. Default 2.20.2.")


class AutoscalingConfig(ClosedModel):
    """How workloads are scaled by more than CPU, memory and GPU use."""

    keda: KedaConfig = Field(
        default_factory=KedaConfig, description="KEDA. Default: off; the cluster's own autoscaler scales."
    )
