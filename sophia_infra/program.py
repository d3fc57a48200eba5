"""What `pulumi up` runs: the stack's configuration in, the phases built, addresses and dollars out."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime.config import get_config_env

from sophia_infra.components.fleet import Fleet
from sophia_infra.model.errors import ConfigError
from sophia_infra.model.gateway import KEY_VARIABLE, URL_VARIABLE
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from sophia_infra.provider.resources import InferenceEndpoint

if TYPE_CHECKING:
    from sophia_infra.components.kubernetes import Kubernetes

__all__ = ["build", "run"]


def run() -> None:
    """Build the current stack. A configuration mistake ends the program with one line per problem.

    Raises:
        SystemExit: the configuration is refused, or what it names cannot be read; nothing was registered, so
            nothing is launched or deleted.
    """
    source = f"Pulumi.{pulumi.get_stack()}.yaml"
    try:
        config = parse_stack_config(get_config_env(), source=source)
        build(config, source)
    except Exception as error:
        if not _is_for_the_user(error):
            raise
        pulumi.log.error(str(error))
        raise SystemExit(1) from None


def build(config: StackConfig, source: str) -> Fleet:
    """Register the resources of all phases up to `config.phase`, and export the stack's outputs.

    Args:
        source: the stack file, for messages.

    Raises:
        ConfigError, EscError: a kubeconfig or secrets that the configuration names cannot be read. Nothing
            was registered.
    """
    for warning in config.warnings:
        pulumi.log.warn(warning)
    stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
    kubernetes = _kubernetes(config, stack, source)
    fleet = Fleet("fleet", config, stack, kubernetes.joins if kubernetes else None)
    for name, endpoint in config.inference.items():
        InferenceEndpoint(
            name,
            {
                "base_url": endpoint.base_url,
                "api_key_env": endpoint.api_key_env,
                "prices": {
                    model: {
                        "usd_per_million_input": str(price.usd_per_million_input),
                        "usd_per_million_output": str(price.usd_per_million_output),
                        "context_tokens": price.context_tokens,
                    }
                    for model, price in endpoint.prices.items()
                },
            },
        )
    gateway = _gateway(config)
    if gateway is not None:
        pulumi.export("inference", gateway)
    pulumi.export("phase", config.phase)
    pulumi.export("machines", fleet.machines)
    pulumi.export("architectures", fleet.architectures)
    pulumi.export("usd_per_hour", fleet.usd_per_hour)
    pulumi.export("usd_per_month", fleet.usd_per_hour.apply(_usd_per_month))
    if kubernetes is not None:
        joins_later = any(one.bootstrap == "join" for one in config.training_clusters.values())
        _export_kubernetes(kubernetes, fleet, scales=config.scaler is not None or joins_later)
    if config.training:
        pulumi.export("training", _training(config, fleet, kubernetes))
    return fleet


def _training(config: StackConfig, fleet: Fleet, kubernetes: Kubernetes | None) -> dict[str, Any]:
    """Name of each training cluster -> its terms; no machine is launched."""
    # Imported here: a stack without training starts without it.
    from sophia_infra.components.training import AdoptedTrainingCluster, TrainingCluster

    ground = None if kubernetes is None else kubernetes.join_ground()
    clusters = {
        name: TrainingCluster(
            name,
            one,
            filesystems=fleet.filesystems,
            join=ground if one.bootstrap == "join" else None,
        ).terms
        for name, one in config.training_clusters.items()
    }
    adopted = {
        name: AdoptedTrainingCluster(name, one).terms for name, one in config.one_click_clusters.items()
    }
    return {**clusters, **adopted}


def _gateway(config: StackConfig) -> dict[str, Any] | None:
    """The gateway as an endpoint of the stack, where its address is known: its models, prices and limits."""
    if config.gateway is None:
        return None
    url = config.gateway.url
    if config.endpoint == "emulator":
        url = url or os.environ.get(URL_VARIABLE)
    if url is None:
        return None
    endpoint = InferenceEndpoint("gateway", {"base_url": url, "api_key_env": KEY_VARIABLE, "prices": {}})
    return {
        "url": endpoint.base_url,
        "models": endpoint.models,
        "limits": endpoint.limits,
        "usd_per_million_tokens": endpoint.listed_prices,
    }


def _is_for_the_user(error: Exception) -> bool:
    """Whether the message is all that helps: the configuration is wrong, or its secrets cannot be read."""
    if isinstance(error, ConfigError):
        return True
    # Of rooms that are loaded only where they are used.
    families = (("sophia_infra.esc.errors", "EscError"), ("sophia_infra.manifests.errors", "ManifestError"))
    loaded = ((sys.modules.get(module), name) for module, name in families)
    return any(module is not None and isinstance(error, getattr(module, name)) for module, name in loaded)


def _kubernetes(config: StackConfig, stack: str, source: str) -> Kubernetes | None:
    if config.kubernetes is None or config.phase < config.kubernetes.first_phase:
        return None
    # Imported here: a stack without Kubernetes starts without its rooms.
    from sophia_infra.components.kubernetes import Kubernetes

    return Kubernetes(config, stack, source)


def _export_kubernetes(kubernetes: Kubernetes, fleet: Fleet, *, scales: bool) -> None:
    clusters = kubernetes.platforms(fleet.instance_ids)
    for note in kubernetes.placement.notes:
        pulumi.log.info(note)
    pulumi.export(
        "clusters",
        {
            name: {"manifests": str(access.manifests)}
            if access.renders
            else {"kubeconfig": access.kubeconfig}
            for name, access in clusters.items()
        },
    )
    pulumi.export("endpoints", kubernetes.endpoints())
    if scales and kubernetes.joins is not None:
        pulumi.export("scaler_join", kubernetes.joins.scaler_join())


def _usd_per_month(usd_per_hour: str) -> str:
    return str(Decimal(usd_per_hour) * HOURS_PER_MONTH)
