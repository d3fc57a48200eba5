"""Alloy on each node, which reads the logs of its pods and sends them to Loki."""

from __future__ import annotations

from typing import Final

from sophia_infra.manifests.monitoring.log_pods import (
    ALLOY,
    HTTP_PORT,
    LOKI_URL,
    after_needs,
    build_container,
    build_identity,
    build_pods,
)
from sophia_infra.manifests.monitoring.monitors import service_monitor
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.network_policies import build_policy, from_prometheus
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.manifests.pod_files import CONFIG_FOLDER, PodFiles, config_map
from sophia_infra.manifests.pods import (
    TMP_MOUNT,
    TMP_VOLUME,
    build_pod_template,
    selector_labels,
    service_account,
)
from sophia_infra.manifests.services import build_service

__all__ = ["alloy"]

_PORT: Final = 12345
_USER: Final = 473
"""Of the image."""

# Source: reference of Alloy v1.18, discovery.kubernetes and loki.source.kubernetes. By the API server: the
# files of a node would need its folder, and root.
_CONFIG: Final = """\
discovery.kubernetes "pods" {
  role = "pod"
  selectors {
    role  = "pod"
    field = "spec.nodeName=" + sys.env("NODE_NAME")
  }
}

discovery.relabel "pods" {
  targets = discovery.kubernetes.pods.targets

  rule {
    source_labels = ["__meta_kubernetes_namespace"]
    target_label  = "namespace"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_name"]
    target_label  = "pod"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label  = "container"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_node_name"]
    target_label  = "node"
  }
  rule {
    source_labels = ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    target_label  = "service"
  }
}

loki.source.kubernetes "pods" {
  targets    = discovery.relabel.pods.output
  forward_to = [loki.write.loki.receiver]
}

loki.write "loki" {
  endpoint {
    url = sys.env("LOKI_URL")
  }
}
"""


def alloy(watched: Watched, base: tuple[str, ...]) -> list[Manifest]:
    files = PodFiles(config={"config.alloy": _CONFIG})
    ports = {HTTP_PORT: _PORT}
    needs = [
        service_account(ALLOY, MONITORING_NAMESPACE, base),
        *_may_read_logs(base),
        *config_map(ALLOY, MONITORING_NAMESPACE, files, base),
        # The way out stays open: the API server has no address that a policy could name.
        build_policy(ALLOY, MONITORING_NAMESPACE, [from_prometheus(_PORT)], None, base),
    ]
    node = {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}
    container = {
        **build_container(watched, ALLOY, _PORT, "/-/ready"),
        "args": [
            "run",
            f"{CONFIG_FOLDER}/config.alloy",
            "--storage.path=/tmp/alloy",
            f"--server.http.listen-addr=0.0.0.0:{_PORT}",
            "--disable-reporting",
        ],
        "env": [
            {"name": "NODE_NAME", "valueFrom": node},
            {"name": "LOKI_URL", "value": f"{LOKI_URL}/loki/api/v1/push"},
        ],
        "resources": {
            "requests": {"cpu": "30m", "memory": "96Mi"},
            "limits": {"cpu": "500m", "memory": "384Mi"},
        },
        "volumeMounts": [TMP_MOUNT, *files.mounts()],
    }
    template = build_pod_template(
        build_identity(ALLOY, _USER, files),
        [container],
        [TMP_VOLUME, *files.volumes(ALLOY)],
        automountServiceAccountToken=True,
        tolerations=[{"operator": "Exists", "effect": "NoSchedule"}],
    )
    spec = {"selector": {"matchLabels": selector_labels(ALLOY)}, "template": template}
    return [
        *needs,
        build_service(ALLOY, MONITORING_NAMESPACE, ports, base, scraped=True),
        Manifest(f"{ALLOY}-set", build_pods("DaemonSet", ALLOY, spec), after_needs(watched, base, needs)),
        service_monitor(ALLOY, MONITORING_NAMESPACE, {"port": HTTP_PORT}, watched.cluster),
    ]


def _may_read_logs(base: tuple[str, ...]) -> list[Manifest]:
    """Pods and their logs in every namespace, and nothing else."""
    group = "rbac.authorization.k8s.io"
    metadata = build_metadata(f"sophia-{ALLOY}")
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        ],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": ALLOY, "namespace": MONITORING_NAMESPACE}],
    }
    first = Manifest(f"{ALLOY}-role", role)
    return [first, Manifest(f"{ALLOY}-role-binding", binding, (*base, first.name, f"{ALLOY}-account"))]
