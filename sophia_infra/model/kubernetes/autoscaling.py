"""How many pods of a workload there are: the measures of a row, and who reads them from Prometheus."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sophia_infra.model.forms import (
    ClosedModel,
    ConflictsFound,
    Form,
    number_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.inference import parse_base_url
from sophia_infra.model.kubernetes.texts import Percent
from sophia_infra.model.kubernetes.workload_rules import find_autoscale_conflicts
from sophia_infra.model.value_types import DnsName, YesNo

__all__ = ["AdapterConfig", "AutoscaleConfig", "AutoscalingConfig", "KedaConfig"]


def _release_form(what: str, example: str) -> Form:
    return text_form(
        f"a release of {what}",
        pattern=r"[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}",
        rule=f"three numbers joined by dots, for example {example}",
        max_characters=12,
    )


class AutoscaleConfig(ClosedModel):
    """Pods between two numbers, by at least one measure. What GPUs cannot carry is cut off, with a note."""

    min: Annotated[int, whole_number_form(1, 1000)] = Field(
        description="Pods at least, 1 to 1000. No default: nothing scales to zero."
    )
    max: Annotated[int, whole_number_form(1, 1000)] = Field(
        description="Pods at most, 1 to 1000. No default: growth costs money."
    )
    name: DnsName | None = Field(
        default=None,
        description="Name of the HorizontalPodAutoscaler. Default: that of the row.",
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
        "because its use cannot be told apart by pod. Served to the cluster by autoscaling.adapter.",
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
    tokens_per_s: Annotated[int, whole_number_form(1, 1_000_000)] | None = Field(
        default=None,
        description="Tokens written a second to aim at for each pod; for rows with vllm and the gateway's, "
        "by KEDA. Default: not a measure.",
    )
    forecast: Annotated[float, number_form(0.001, 1_000_000)] | None = Field(
        default=None,
        description="Load of one pod, in the unit of the forecast (calls a second): as many pods as the load "
        "of the next 15 minutes needs are there before it; for rows with vllm and the gateway's, by KEDA, "
        "and only beside another measure. Default: no pods ahead of the load.",
    )

    def object_name(self, row: str) -> str:
        """Name of the HorizontalPodAutoscaler of the row of this name, whoever makes it."""
        return self.name or row

    @property
    def asks_prometheus(self) -> bool:
        """Whether a measure is one that only KEDA has."""
        asked = (self.queue, self.rps, self.tokens_per_s, self.forecast)
        return any(measure is not None for measure in asked)

    @property
    def is_measured(self) -> bool:
        """Whether there is a measure of what is, and not only of what is expected."""
        measured = (self.cpu, self.memory, self.gpu_utilization, self.queue, self.rps, self.tokens_per_s)
        return any(measure is not None for measure in measured)

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
        description="true installs it; rows with autoscale.queue, rps, tokens_per_s or forecast are then "
        "its. Default false: it needs a Prometheus, and until there is one they scale by their other "
        "measures.",
    )
    prometheus_url: (
        Annotated[str, Form(parse_base_url, {"type": "string", "format": "uri", "pattern": "^https?://"})]
        | None
    ) = Field(
        default=None,
        description="Address of Prometheus inside the cluster, for the adapter too. Default: that of "
        "monitoring; needed where there is none.",
    )
    version: Annotated[str, _release_form("KEDA", "2.20.2")] = Field(
        default="2.20.2", description="Chart version of KEDA, exact. Default 2.20.2."
    )


class AdapterConfig(ClosedModel):
    """prometheus-adapter, by which the cluster's own autoscaler reads gpu_utilization."""

    enabled: YesNo | None = Field(
        default=None,
        description="true installs it, false does not (the cluster has one). Default: where there is "
        "monitoring and a row with autoscale.gpu_utilization that KEDA does not scale.",
    )
    version: Annotated[str, _release_form("prometheus-adapter", "5.3.0")] = Field(
        default="5.3.0", description="Chart version of prometheus-adapter, exact. Default 5.3.0."
    )


class AutoscalingConfig(ClosedModel):
    """How workloads are scaled by more than CPU and memory."""

    keda: KedaConfig = Field(
        default_factory=KedaConfig, description="KEDA. Default: off; the cluster's own autoscaler scales."
    )
    adapter: AdapterConfig = Field(
        default_factory=AdapterConfig,
        description="prometheus-adapter. Default: where a row needs it.",
    )

    def is_by_keda(self, scale: AutoscaleConfig | None) -> bool:
        """Whether KEDA counts the pods of such a row, instead of the cluster's own autoscaler."""
        return self.keda.enabled and scale is not None and scale.asks_prometheus

    def asks_adapter(self, scale: AutoscaleConfig | None) -> bool:
        """Whether the cluster's own autoscaler counts them, by GPU use."""
        return scale is not None and scale.gpu_utilization is not None and not self.is_by_keda(scale)
