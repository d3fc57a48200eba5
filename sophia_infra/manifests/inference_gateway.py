"""The gateway's row as objects, with `sophia:gateway` as the file that its pods read."""

from __future__ import annotations

import json
from typing import Any

from sophia_infra.manifests.objects import Manifest
from sophia_infra.manifests.pod_files import CONFIG_FOLDER, SECRETS_FOLDER, PodFiles
from sophia_infra.manifests.workload import workload
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.gateway_rules import GATEWAY_KEYS_VARIABLE, LINGER_S
from sophia_infra.model.kubernetes import KubernetesConfig, Placement, WorkloadConfig

__all__ = ["gateway_row", "inference_gateway", "resolved_gateway"]

CONFIG_FILE = "gateway.json"
KEYS_FILE = "keys"
LEDGER_FILE = "ledger.sqlite3"


def inference_gateway(
    name: str,
    row: WorkloadConfig,
    gateway: GatewayConfig,
    kube: KubernetesConfig,
    placement: Placement,
    secret_checksum: str | None,
) -> list[Manifest]:
    """Every object of the gateway; a change of `sophia:gateway` restarts its pods one after the other."""
    text = json.dumps(resolved_gateway(gateway, kube), indent=2) + "\n"
    files = PodFiles(config={CONFIG_FILE: text}, secrets={GATEWAY_KEYS_VARIABLE: KEYS_FILE})
    return workload(name, gateway_row(row, gateway), kube, placement, secret_checksum, files=files)


def resolved_gateway(gateway: GatewayConfig, kube: KubernetesConfig) -> dict[str, Any]:
    """What the gateway reads: the same keys as the stack file, each backend with its address.

    A Service balances connections over the pods of a backend; the gateway sees one address for all.
    """
    document: dict[str, Any] = gateway.model_dump(mode="json")
    rows = kube.enabled_workloads()
    for backend in document["backends"].values():
        name = backend["workload"]
        if name is not None:
            row = rows[name]
            port = row.service_port(next(iter(row.ports)))
            backend["base_url"] = f"http://{name}.{row.namespace}.svc:{port}/v1"
            backend["workload"] = None
    return document


def gateway_row(row: WorkloadConfig, gateway: GatewayConfig) -> WorkloadConfig:
    """The row with the gateway's command and arguments.

    The ledger's address stays in the variable that `ledger_url_env` names: arguments are no place for it.
    """
    arguments = [
        "--config",
        f"{CONFIG_FOLDER}/{CONFIG_FILE}",
        "--keys",
        f"{SECRETS_FOLDER}/{KEYS_FILE}",
        "--host",
        "0.0.0.0",  # noqa: S104 - inside a pod whose network policy says who may come
        "--port",
        str(row.main_port),
        "--linger-s",
        str(LINGER_S),
    ]
    if gateway.ledger_url_env is None:
        folder = next(volume.mount for volume in row.volumes.values() if not volume.cache)
        arguments += ["--ledger", f"sqlite:///{folder}/{LEDGER_FILE}"]
    command = ("python", "-m", "sophia_infra.inference.gateway")
    return row.model_copy(update={"command": command, "args": tuple(arguments)})
