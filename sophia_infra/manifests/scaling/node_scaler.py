"""The node scaler as a Deployment: it asks Lambda, the API server and Prometheus, and acts by a lease."""

from __future__ import annotations

import json
from typing import Any, Final

from sophia_infra.manifests.classes import priority_class_manifest_name
from sophia_infra.manifests.external_secrets import external_secret, secret_environment
from sophia_infra.manifests.names import NODE_SCALER, SCALER_JOIN_KEY, SCALER_JOIN_SECRET, SCALING_NAMESPACE
from sophia_infra.manifests.namespaces import namespace_manifest_name, scaling_here
from sophia_infra.manifests.network_policies import (
    build_policy,
    from_prometheus,
    to_anywhere,
    to_internet,
    to_names,
)
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pod_files import CONFIG_FOLDER, PodFiles, config_map
from sophia_infra.manifests.pods import scratch_volume, service_account
from sophia_infra.manifests.scaling.rights import scaler_rights
from sophia_infra.manifests.scaling.site import (
    PORT,
    Program,
    ScalingParts,
    deployment,
    seen_by_prometheus,
    to_prometheus,
)
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement
from sophia_infra.model.scaled_tags import lease_name

__all__ = ["API_KEY_VARIABLE", "SCALER_FILE", "node_scaler"]

SCALER_FILE: Final = "scaler.json"
API_KEY_VARIABLE: Final = "LAMBDA_API_KEY"

_STATE_VOLUME: Final = "state"
_STATE_FOLDER: Final = "/var/lib/sophia"
_JOIN_VOLUME: Final = "join"
_JOIN_FOLDER: Final = "/etc/sophia/join"
_HTTPS: Final = 443
_API_PORTS: Final = (443, 6443)
_LAUNCH_S: Final = 15
"""What one launch of a pass may take: Lambda allows one every 12 s, and answers in up to 9 s."""
_MOST_GRACE_S: Final = 600


def node_scaler(
    kube: KubernetesConfig, placement: Placement, cluster: Cluster, parts: ScalingParts
) -> list[Manifest]:
    """Every object of it; nothing where it is off, and outside of the primary cluster."""
    config, text = kube.scaler, parts.scaler_text
    if not config.enabled or text is None or not scaling_here(kube, placement, cluster):
        return []
    document = json.loads(text)
    joins = document["join"] is not None
    base = (namespace_manifest_name(cluster, SCALING_NAMESPACE),)
    key = {API_KEY_VARIABLE: config.api_key}
    program = Program(
        name=NODE_SCALER,
        image=kube.images.pinned(config.image),
        arguments=(
            "scaler",
            *("--config", f"{CONFIG_FOLDER}/{SCALER_FILE}"),
            *("--state", _STATE_FOLDER),
            *(("--join", f"{_JOIN_FOLDER}/{SCALER_JOIN_KEY}") if joins else ()),
        ),
        files=PodFiles(config={SCALER_FILE: text}),
        replicas=config.replicas,
        grace_s=min(_MOST_GRACE_S, 60 + _LAUNCH_S * int(document["scaler"]["max_instances"])),
        may_ask_api=True,
        secret_checksum=parts.secret_checksum,
        environment=secret_environment(NODE_SCALER, key),
        volumes=[
            # What a lost pod leaves there is told by the lease: the next one waits until the list is whole.
            scratch_volume(_STATE_VOLUME, "16Mi"),
            *([_join_volume()] if joins else []),
        ],
        mounts=[
            {"name": _STATE_VOLUME, "mountPath": _STATE_FOLDER},
            *([{"name": _JOIN_VOLUME, "mountPath": _JOIN_FOLDER, "readOnly": True}] if joins else []),
        ],
    )
    account = service_account(NODE_SCALER, SCALING_NAMESPACE, base)
    ways_out = [
        to_names(),
        to_internet([_HTTPS]),
        # The API server is a node or a load balancer: no rule about pods names it.
        to_anywhere(_API_PORTS),
        *to_prometheus(document["prometheus_url"]),
    ]
    needs = [
        account,
        *scaler_rights(cluster, lease_name(document["stack"].rpartition("/")[2]), names_of(account)),
        *external_secret(NODE_SCALER, SCALING_NAMESPACE, key, kube, cluster),
        *([_join_secret(parts.join, base)] if joins else []),
        *config_map(NODE_SCALER, SCALING_NAMESPACE, program.files, base),
        build_policy(NODE_SCALER, SCALING_NAMESPACE, [from_prometheus(PORT)], ways_out, base),
    ]
    after = (*base, *names_of(*needs), priority_class_manifest_name(cluster, "standard"))
    return [*needs, deployment(program, after), *seen_by_prometheus(NODE_SCALER, kube, cluster)]


def _join_secret(join: Any, after: tuple[str, ...]) -> Manifest:
    """The agents' token and the cluster's authority are in the state alone: no store of secrets has them."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": build_metadata(SCALER_JOIN_SECRET, SCALING_NAMESPACE),
        "type": "Opaque",
        "stringData": {SCALER_JOIN_KEY: join},
    }
    return Manifest(SCALER_JOIN_SECRET, body, after)


def _join_volume() -> dict[str, Any]:
    secret = {"secretName": SCALER_JOIN_SECRET, "defaultMode": 0o440}
    return {"name": _JOIN_VOLUME, "secret": secret}
