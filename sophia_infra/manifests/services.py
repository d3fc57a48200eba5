"""Service and Ingress: how pods are reached inside the cluster, and from outside by TLS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.manifests.names import SCRAPED_LABEL, bounded
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.manifests.pods import selector_labels
from sophia_infra.model.kubernetes import KubernetesConfig, WorkloadConfig

__all__ = ["build_ingress", "build_service"]


def build_service(
    name: str,
    namespace: str,
    ports: Mapping[str, int],
    after: tuple[str, ...],
    *,
    selects: str | None = None,
    headless: bool = False,
    scraped: bool = False,
) -> Manifest:
    """A Service inside the cluster.

    Args:
        ports: port name of the container -> port of the Service.
        selects: name of the pods; default that of the Service.
        headless: each pod has a name of its own, also before it is ready: members of a group find each other
            that way.
        scraped: a ServiceMonitor asks for it.
    """
    rows = [
        {"name": port_name, "port": port, "targetPort": port_name, "protocol": "TCP"}
        for port_name, port in ports.items()
    ]
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "selector": selector_labels(selects or name),
        "ports": rows,
    }
    if headless:
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    labels = {**selector_labels(selects or name), **({SCRAPED_LABEL: "true"} if scraped else {})}
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(name, namespace, labels=labels),
        "spec": spec,
    }
    return Manifest(f"{name}-service", body, after)


def build_ingress(
    name: str, workload: WorkloadConfig, kube: KubernetesConfig, after: tuple[str, ...]
) -> list[Manifest]:
    """The workload's route from outside, by TLS; nothing where none is configured.

    The certificate is in the Secret `<prefix>-<workload>`: made by cert-manager where an issuer is named, and
    else put there by somebody.
    """
    route, config = workload.ingress, kube.ingress
    if route is None or config is None:
        return []
    host = f"{route.host}.{config.domain}"
    issuer = config.cluster_issuer
    backend = {"service": {"name": name, "port": {"name": next(iter(workload.ports))}}}
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": build_metadata(
            name,
            workload.namespace,
            annotations={"cert-manager.io/cluster-issuer": issuer} if issuer else None,
        ),
        "spec": {
            "ingressClassName": config.class_name,
            "tls": [{"hosts": [host], "secretName": bounded(f"{config.tls_secret_prefix}-{name}")}],
            "rules": [
                {
                    "host": host,
                    "http": {"paths": [{"path": route.path, "pathType": "Prefix", "backend": backend}]},
                }
            ],
        },
    }
    return [Manifest(f"{name}-ingress", body, after)]
