"""What does not go together between `sophia:gateway`, its own row, and the rows behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.vllm import API_KEY_VARIABLE

if TYPE_CHECKING:
    from sophia_infra.model.gateway import BackendConfig, GatewayConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig
    from sophia_infra.model.kubernetes.workload import WorkloadConfig

__all__ = ["GATEWAY_KEYS_VARIABLE", "LINGER_S", "find_gateway_conflicts", "switch_off_idle_gateways"]

GATEWAY_KEYS_VARIABLE = "SOPHIA_GATEWAY_KEYS"
"""Entry of the gateway row's secret_env with the lines `user: sha256 of the key`; pods get it as a file."""

LINGER_S = 5
"""Seconds for which a gateway takes calls after SIGTERM: Services send some until they have heard of it."""

_CLUSTER_DOMAINS = (".svc", ".svc.cluster.local")


def switch_off_idle_gateways(raw: dict[str, Any]) -> dict[str, Any]:
    """`raw` with gateway rows off that do not say `enabled`, where the stack has no `sophia:gateway`.

    The table of workloads is shared; a stack without a gateway's configuration cannot run the row.
    """
    section = raw.get("kubernetes")
    rows = section.get("workloads") if isinstance(section, dict) else None
    if raw.get("gateway") is not None or not isinstance(section, dict) or not isinstance(rows, dict):
        return raw
    changed = {name: {**row, "enabled": False} if _is_idle(row) else row for name, row in rows.items()}
    return {**raw, "kubernetes": {**section, "workloads": changed}}


def find_gateway_conflicts(
    gateway: GatewayConfig | None, kube: KubernetesConfig | None, *, is_whole: bool
) -> Iterator[Conflict]:
    """All conflicts between the two, with paths from the top.

    Args:
        gateway: None where the stack has none.
        is_whole: nothing of `kube` was left out for being unreadable.
    """
    if not is_whole:
        return
    rows = kube.enabled_workloads() if kube is not None else {}
    doors = {name: row for name, row in rows.items() if row.gateway}
    if gateway is None:
        for name in doors:
            refused = Refused(
                "has no sophia:gateway to run by: write one, or leave enabled away", allowed="false"
            )
            yield Conflict(("kubernetes", "workloads", name, "enabled"), refused, True)
        return
    for name, backend in gateway.backends.items():
        if backend.workload is not None:
            yield from _find_wrong_backend(name, backend, backend.workload, rows)
    for name, row in doors.items():
        yield from _find_wrong_door(name, row, gateway, rows)


def _is_idle(row: object) -> bool:
    return isinstance(row, Mapping) and row.get("gateway") in (True, "true") and "enabled" not in row


def _find_wrong_backend(
    name: str, backend: BackendConfig, workload: str, rows: Mapping[str, WorkloadConfig]
) -> Iterator[Conflict]:
    loc = ("gateway", "backends", name)
    able = [other for other, row in rows.items() if row.vllm is not None]
    allowed = ", ".join(able) or "nothing: no workload has vllm"
    row = rows.get(workload)
    if row is None:
        hint = did_you_mean(workload, able)
        refused = Refused(f"is no enabled workload of sophia:kubernetes{hint}", allowed=allowed)
        yield Conflict((*loc, "workload"), refused, workload)
        return
    if row.vllm is None:
        refused = Refused("serves no model: its row has no vllm", allowed=allowed)
        yield Conflict((*loc, "workload"), refused, workload)
        return
    for model, served in backend.models.items():
        if served not in row.vllm.names:
            hint = did_you_mean(served, row.vllm.names)
            refused = Refused(f"is not served by {workload}{hint}", allowed=", ".join(row.vllm.names))
            yield Conflict((*loc, "models", model), refused, served)
    if backend.api_key_env is None:
        refused = Refused(f"is missing: {workload} asks for the key in its {API_KEY_VARIABLE}")
        yield Conflict((*loc, "api_key_env"), refused)


def _find_wrong_door(
    name: str, row: WorkloadConfig, gateway: GatewayConfig, rows: Mapping[str, WorkloadConfig]
) -> Iterator[Conflict]:
    """What the gateway's pods need and its row does not give."""
    loc = ("kubernetes", "workloads", name)
    yield from _find_missing_secrets(loc, row, gateway, rows)
    yield from _find_closed_ways(loc, row, gateway, rows)
    yield from _find_wrong_books(name, row, gateway)
    wanted_s = gateway.limits.drain_s + LINGER_S
    if row.grace_s <= wanted_s:
        refused = Refused(
            f"ends calls that sophia:gateway.limits.drain_s gives {gateway.limits.drain_s} s",
            allowed=f"{wanted_s + 1} or more: it is told {LINGER_S} s before its Service knows",
        )
        yield Conflict((*loc, "grace_s"), refused, row.grace_s)


def _find_missing_secrets(
    loc: tuple[str, ...], row: WorkloadConfig, gateway: GatewayConfig, rows: Mapping[str, WorkloadConfig]
) -> Iterator[Conflict]:
    wanted = {GATEWAY_KEYS_VARIABLE: "the hashes of its users' keys"}
    if gateway.ledger_url_env is not None:
        wanted[gateway.ledger_url_env] = "what sophia:gateway.ledger_url_env names"
    for backend, config in gateway.backends.items():
        if config.api_key_env is not None:
            wanted[config.api_key_env] = f"the key of backend {backend}"
    for variable, what in wanted.items():
        if variable not in row.secret_env:
            yield Conflict((*loc, "secret_env"), Refused(f"lacks {variable}, {what}"))
    for backend, config in gateway.backends.items():
        server = rows.get(config.workload or "")
        own = row.secret_env.get(config.api_key_env or "")
        theirs = server.secret_env.get(API_KEY_VARIABLE) if server is not None else None
        if own is not None and theirs is not None and own != theirs:
            refused = Refused(f"is not the key of backend {backend}", allowed=theirs)
            yield Conflict((*loc, "secret_env", config.api_key_env or ""), refused, own)


def _find_closed_ways(
    loc: tuple[str, ...], row: WorkloadConfig, gateway: GatewayConfig, rows: Mapping[str, WorkloadConfig]
) -> Iterator[Conflict]:
    for backend, config in gateway.backends.items():
        if config.workload in rows and config.workload not in row.talks_to:
            refused = Refused(f"lacks {config.workload}, which backend {backend} is: the network denies it")
            yield Conflict((*loc, "talks_to"), refused)
        host = urlsplit(config.base_url or "").hostname
        if host is not None and not host.endswith(_CLUSTER_DOMAINS) and not row.internet:
            refused = Refused(f"keeps it from backend {backend} at {host}", allowed="true")
            yield Conflict((*loc, "internet"), refused, False)


def _find_wrong_books(name: str, row: WorkloadConfig, gateway: GatewayConfig) -> Iterator[Conflict]:
    if gateway.ledger_url_env is not None:
        return
    loc = ("gateway", "ledger_url_env")
    if row.most_replicas > 1:
        refused = Refused(
            f"is missing: {name} runs up to {row.most_replicas} pods, and without it each would keep its own "
            "books in a SQLite file",
            allowed="a variable with the address of a PostgreSQL; or one pod, without autoscale",
        )
        yield Conflict(loc, refused)
    elif all(volume.cache for volume in row.volumes.values()):
        refused = Refused(f"is missing, and {name} has no volume: its books would go with the pod")
        yield Conflict(loc, refused)
