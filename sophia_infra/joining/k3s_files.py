"""The configuration of k3s on one node, as plain data and text. Flags: docs.k3s.io, "server", "agent".

Hardening follows the CIS guide of k3s: audit log, restricted pods by default, encrypted Secrets, kernel
settings checked. What k3s does by default already (no anonymous calls to the kubelet, no profiling) is not
repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes import Cluster, Node

__all__ = ["ADMISSION", "AUDIT_POLICY", "SERVER_FOLDER", "agent_settings", "server_settings", "yaml_text"]

SETTINGS_FOLDER = "/etc/rancher/k3s"
SERVER_FOLDER = "/var/lib/rancher/k3s/server"

ADMISSION: dict[str, Any] = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {
                    "enforce": "restricted",
                    "enforce-version": "latest",
                    "audit": "restricted",
                    "audit-version": "latest",
                    "warn": "restricted",
                    "warn-version": "latest",
                },
                "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
            },
        }
    ],
}
"""A namespace without labels is restricted; labels of a namespace (the GPU Operator's) win over it."""

AUDIT_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*"]},
        {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
        {
            "level": "None",
            "users": ["system:apiserver", "system:kube-proxy"],
            "verbs": ["get", "list", "watch"],
        },
        # Who did what, never the body: it may be a Secret, a token, or a ConfigMap with a password.
        {"level": "Metadata"},
    ],
}

_KUBELET = [
    "streaming-connection-idle-timeout=5m",
    "read-only-port=0",
    "tls-min-version=VersionTLS12",
]
_API_SERVER = [
    "anonymous-auth=false",
    f"admission-control-config-file={SERVER_FOLDER}/admission.yaml",
    f"audit-policy-file={SERVER_FOLDER}/audit.yaml",
    f"audit-log-path={SERVER_FOLDER}/logs/audit.log",
    "audit-log-maxage=30",
    "audit-log-maxbackup=10",
    "audit-log-maxsize=100",
    "service-account-extend-token-expiration=false",
]


def server_settings(node: Node, cluster: Cluster, *, overlay: bool) -> dict[str, Any]:
    """`config.yaml` of the server: its own node settings and those of the cluster."""
    network: dict[str, Any] = (
        {"flannel-backend": "wireguard-native", "flannel-external-ip": True}
        if overlay
        else {"flannel-backend": "vxlan"}
    )
    return {
        **_node_settings(node),
        "cluster-init": True,
        "token-file": f"{SETTINGS_FOLDER}/server-token",
        "agent-token-file": f"{SETTINGS_FOLDER}/agent-token",
        "tls-san": [node.name, cluster.name],
        **network,
        # servicelb stays: Lambda has no load balancer, so Traefik is reached on the machines' own addresses.
        "secrets-encryption": True,
        "write-kubeconfig-mode": "0600",
        "etcd-snapshot-schedule-cron": "15 */6 * * *",
        "etcd-snapshot-retention": 28,
        "kube-apiserver-arg": _API_SERVER,
        "kube-controller-manager-arg": ["terminated-pod-gc-threshold=100"],
    }


def agent_settings(node: Node, server_url: str) -> dict[str, Any]:
    """`config.yaml` of an agent."""
    return {**_node_settings(node), "server": server_url, "token-file": f"{SETTINGS_FOLDER}/join-token"}


def yaml_text(document: dict[str, Any]) -> str:
    """Block-style YAML in the order given, ASCII."""
    return yaml.safe_dump(document, sort_keys=False, width=10_000)


def _node_settings(node: Node) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "node-name": node.name,
        # Read at the first registration only; anything that may change later is set through the API.
        "node-label": [f"{name}={value}" for name, value in node.labels.items()],
        "protect-kernel-defaults": True,
        "kubelet-arg": _KUBELET,
    }
    if node.architecture == "arm64":
        settings["node-taint"] = ["kubernetes.io/arch=arm64:NoSchedule"]
    return settings
