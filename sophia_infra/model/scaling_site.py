"""What forecaster and node scaler read in the cluster: their part of the stack file, never a secret.

The program writes it (`as_text`) into a ConfigMap, the processes read it back (`read_site`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sophia_infra.model.errors import ConfigError, Problem
from sophia_infra.model.explain import explain
from sophia_infra.model.kubernetes import KubernetesConfig
from sophia_infra.model.quota import QuotaConfig
from sophia_infra.model.scaler import CalendarConfig, ScalerConfig

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes import Cluster
    from sophia_infra.model.stack import StackConfig

__all__ = [
    "FleetRow",
    "ForecasterSite",
    "JoinSite",
    "NodeScalerSite",
    "as_text",
    "read_site",
    "scaler_site_of",
]

_JOINING: Final = {"topology", "k3s_version", "api_sources", "gpu_sharing"}
"""Keys of sophia:kubernetes that boot texts of agents depend on."""

_Site = TypeVar("_Site", bound=BaseModel)


class _Document(BaseModel):
    """Written by this program alone, so that its fields need no words for people."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ForecasterSite(_Document):
    """Fields as in `ForecasterConfig`; `prometheus_url` is whom it asks."""

    prometheus_url: str
    query: str | None
    every_s: int
    calendar: CalendarConfig


class FleetRow(_Document):
    """A machine of the fleet, whose price and place are kept free; adopted ones are found by id or name."""

    type: str
    adopt_id: str | None = None
    adopt_name: str | None = None


class JoinSite(_Document):
    """How machines join the cluster that the scaler runs in; its token is in a file of its own.

    Attributes:
        cluster, region: name and region of it; no region: one cluster for all.
        kubernetes: the keys on which boot texts depend.
    """

    cluster: str
    region: str | None
    kubernetes: KubernetesConfig


class NodeScalerSite(_Document):
    """Everything that decides what is launched.

    Attributes:
        stack: "project/stack", the value of the stack tag.
        apply: act; else only say.
        ssh_key: name of the stack's own key in the account; None without sophia:ssh.
        budget_usd_per_hour: of all that the stack runs.
        fleet: machines of the phase in force.
        join: None: machines join by the `user_data` of their pool.
    """

    stack: str
    endpoint: Literal["lambda", "emulator"]
    apply: bool
    prometheus_url: str | None
    ssh_key: str | None
    budget_usd_per_hour: Decimal
    quota: QuotaConfig | None
    fleet: dict[str, FleetRow]
    scaler: ScalerConfig
    join: JoinSite | None


def scaler_site_of(
    config: StackConfig, stack: str, cluster: Cluster, ssh_key: str | None
) -> NodeScalerSite | None:
    """What the node scaler of `cluster` reads; None where it is off.

    Args:
        stack: "project/stack".
        ssh_key: name of the stack's own key in the account.
    """
    kube, scaler = config.kubernetes, config.scaler
    if kube is None or scaler is None or not kube.scaler.enabled:
        return None
    rows = {
        name: FleetRow(
            type=one.type,
            adopt_id=one.adopt.id if one.adopt else None,
            adopt_name=one.adopt.name if one.adopt else None,
        )
        for name, one in config.instances().items()
    }
    join = None
    if kube.cluster == "joined":
        needed = {key: getattr(kube, key) for key in _JOINING}
        join = JoinSite(
            cluster=cluster.name, region=cluster.region, kubernetes=KubernetesConfig.model_construct(**needed)
        )
    return NodeScalerSite(
        stack=stack,
        endpoint=config.endpoint,
        apply=kube.scaler.apply,
        prometheus_url=kube.prometheus_url,
        ssh_key=ssh_key,
        budget_usd_per_hour=config.budget.limit.usd_per_hour,
        quota=config.quota,
        fleet=rows,
        scaler=scaler,
        join=join,
    )


def as_text(site: ForecasterSite | NodeScalerSite) -> str:
    """JSON that `read_site` reads back equal; of `kubernetes` only what boot texts need."""
    document: dict[str, Any] = site.model_dump(mode="json", exclude={"join": {"kubernetes"}})
    if isinstance(site, NodeScalerSite) and site.join is not None:
        document["join"]["kubernetes"] = site.join.kubernetes.model_dump(mode="json", include=_JOINING)
    return json.dumps(document, indent=2) + "\n"


def read_site(kind: type[_Site], text: str, source: str) -> _Site:
    """Read what `as_text` wrote.

    Args:
        source: the file's name, for messages.

    Raises:
        ConfigError: what is wrong, one line each; values are not repeated.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise ConfigError([_problem(source, "", "is not JSON")]) from None
    if not isinstance(document, Mapping):
        raise ConfigError([_problem(source, "", "is not an object")])
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        found = explain(error, kind)
        raise ConfigError(
            [_problem(source, ".".join(map(str, one.loc)), str(one.refused)) for one in found]
        ) from None


def _problem(source: str, key: str, words: str) -> Problem:
    return Problem(source, key, None, None, None, words)
