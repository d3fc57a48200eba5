"""`forecaster` and `scaler`: what of the scaling room runs in the primary cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Conflict, text_form, whole_number_form
from sophia_infra.model.kubernetes.texts import ImageText, SecretPath
from sophia_infra.model.scaler import CalendarConfig
from sophia_infra.model.value_types import YesNo

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["ForecasterConfig", "NodeScalerConfig", "find_scaling_conflicts", "scaling_images"]

_IMAGE: Final = "sophia/scaler:1.0.0"


class ForecasterConfig(ClosedModel):
    """The forecast of the next hour's load as metrics, for KEDA's second trigger and for people."""

    enabled: YesNo = Field(default=False, description="true runs one. Default false.")
    image: ImageText = Field(default=_IMAGE, description=f"Its image. Default {_IMAGE}.")
    query: Annotated[str, text_form("a query", max_characters=2000)] | None = Field(
        default=None,
        description="PromQL of the load, whose answer is one series. Default: calls per second through all "
        "gateways.",
    )
    every_s: Annotated[int, whole_number_form(30, 600)] = Field(
        default=60,
        description="Seconds between two forecasts, 30 to 600. Default 60; models learn anew once a day.",
    )
    calendar: CalendarConfig = Field(
        default_factory=CalendarConfig, description="Local time and holidays. Default: US Eastern."
    )


class NodeScalerConfig(ClosedModel):
    """`sophia scaler` as a Deployment: launches and ends machines by `sophia:scaler`."""

    enabled: YesNo = Field(
        default=False, description="true runs it; needs sophia:scaler and secrets. Default false."
    )
    apply: YesNo = Field(
        default=False,
        description="true launches and ends machines. Default false: it only says what it would do.",
    )
    image: ImageText = Field(default=_IMAGE, description=f"Its image. Default {_IMAGE}.")
    replicas: Annotated[int, whole_number_form(1, 2)] = Field(
        default=1,
        description="1 or 2. Default 1; of two, one leads by the lease and the other waits for it.",
    )
    api_key: SecretPath = Field(
        default="lambda.api_key",
        description="Path of Lambda's API key in the ESC environment. Default lambda.api_key.",
    )


def find_scaling_conflicts(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    """What the two lack, with paths relative to the section. What is in `unreadable` is taken for right."""
    if kube.scaler.enabled and kube.secrets is None and "secrets" not in unreadable:
        refused = Refused(
            "needs sophia:kubernetes.secrets, which says where its API key comes from",
            allowed="enabled: false, or a section secrets",
        )
        yield Conflict(("scaler", "enabled"), refused, True)
    nobody = kube.prometheus_url is None and not {"monitoring", "autoscaling"} & set(unreadable)
    if kube.forecaster.enabled and nobody:
        refused = Refused(
            "has nobody to ask for the load: there is neither a section monitoring nor "
            "autoscaling.keda.prometheus_url",
            allowed="enabled: false, or a section monitoring",
        )
        yield Conflict(("forecaster", "enabled"), refused, True)


def scaling_images(kube: KubernetesConfig) -> dict[tuple[str, ...], str]:
    """Where an image of the two is written -> that image, for what runs."""
    found: dict[tuple[str, ...], str] = {}
    if kube.forecaster.enabled:
        found["forecaster", "image"] = kube.forecaster.image
    if kube.scaler.enabled:
        found["scaler", "image"] = kube.scaler.image
    return found
