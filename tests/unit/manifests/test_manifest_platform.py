"""GPU Operator, labels, classes, namespaces and the way secrets come in."""

from __future__ import annotations

import yaml

from sophia_infra.manifests import ChartRelease
from tests.unit.manifests.sites import FLEET, Site, row, site_of, sites

ARM64 = {"key": "kubernetes.io/arch", "operator": "Equal", "value": "arm64", "effect": "NoSchedule"}
SECRETS = {"organization": "o", "project": "p", "environment": "e"}


def release(site: Site, chart: str) -> ChartRelease:
    (found,) = (item for item in site.releases if item.chart == chart)
    return found


def labels_of(site: Site, machine: str) -> dict[str, str]:
    (patch,) = (item for item in site.manifests if item.name == f"{machine}-labels")
    return dict(patch.metadata["labels"])


def test_the_operator_leaves_lambdas_driver_alone_and_knows_k3s() -> None:
    (site,) = sites("local")
    values = release(site, "gpu-operator").values
    assert release(site, "gpu-operator").version == "v26.7.0"
    assert values["driver"] == {"enabled": False}
    environment = {row["name"]: row["value"] for row in values["toolkit"]["env"]}
    assert environment["CONTAINERD_SOCKET"] == "/run/k3s/containerd/containerd.sock"
    assert environment["RUNTIME_CONFIG_SOURCE"] == f"file={environment['CONTAINERD_CONFIG']}"
    assert values["dcgmExporter"]["enabled"] is True
    assert values["dcgmExporter"]["serviceMonitor"] == {"enabled": False}
    assert ARM64 in values["daemonsets"]["tolerations"]
    assert values["migManager"] == {"enabled": False}


def test_an_existing_cluster_is_not_taken_for_k3s() -> None:
    (site,) = sites("production")
    assert release(site, "gpu-operator").values["toolkit"] == {"enabled": True}


def test_time_slicing_is_a_named_configuration_that_its_nodes_ask_for() -> None:
    site = site_of({"gpu_sharing": {"A6000": {"time_slicing": 2}}, "workloads": {"web": row()}})
    config = release(site, "gpu-operator").values["devicePlugin"]["config"]
    assert config["create"] is True
    assert config["default"] in config["data"]
    name = labels_of(site, "orchestrator")["nvidia.com/device-plugin.config"]
    sliced = yaml.safe_load(config["data"][name])
    (resource,) = sliced["sharing"]["timeSlicing"]["resources"]
    assert resource == {"name": "nvidia.com/gpu", "replicas": 2}
    assert sliced["sharing"]["timeSlicing"]["renameByDefault"] is False
    assert "sharing" not in yaml.safe_load(config["data"][config["default"]])
    for node in site.cluster.nodes:
        if node.gpu_model != "A6000":
            assert "nvidia.com/device-plugin.config" not in labels_of(site, node.machine)


def test_mig_is_a_node_label_and_starts_its_manager() -> None:
    site = site_of({"gpu_sharing": {"GH200": {"mig": "all-1g.12gb"}}, "workloads": {"web": row()}})
    values = release(site, "gpu-operator").values
    assert values["migManager"] == {"enabled": True}
    assert values["mig"] == {"strategy": "single"}
    assert "config" not in values["devicePlugin"]
    assert labels_of(site, "core") == {"nvidia.com/mig.config": "all-1g.12gb"}


def test_roles_are_boolean_labels_under_a_manager_of_their_own() -> None:
    (site,) = sites("local")
    assert labels_of(site, "sophia-data-pipeline") == {
        "workload.sophia.internal/training": "true",
        "workload.sophia.internal/data": "true",
    }
    for item in site.manifests:
        if item.is_patch:
            annotations = item.metadata["annotations"]
            assert annotations["pulumi.com/patchFieldManager"] == "sophia-infra-node-labels"


def test_nodes_that_joined_elsewhere_get_the_labels_of_joining() -> None:
    (site,) = sites("production")
    labels = labels_of(site, "sophia-ai-core")
    assert labels["sophia.internal/gpu"] == "gh200"
    assert labels["workload.sophia.internal/inference"] == "true"


def test_a_node_without_labels_has_a_patch_too_so_that_labels_go_by_a_change_of_it() -> None:
    site = site_of({"workloads": {"web": row()}})
    assert [item.name for item in site.manifests if item.is_patch] == [f"{name}-labels" for name in FLEET]
    assert labels_of(site, "core") == {}


def test_a_patch_follows_its_machine_to_the_node_of_the_next_generation() -> None:
    """The resource keeps its name, so that the engine sees one patch that moves."""
    fleet = {name: {"generation": 2} if name == "core" else {} for name in FLEET}
    site = site_of({"node_roles": {"core": ["inference"]}, "workloads": {"web": row()}}, fleet)
    names = {item.name: item.metadata["name"] for item in site.manifests if item.is_patch}
    assert names == {f"{name}-labels": "core-2" if name == "core" else name for name in FLEET}
    assert labels_of(site, "core") == {"workload.sophia.internal/inference": "true"}


def test_without_the_operator_nothing_of_phase_1_is_left_but_roles() -> None:
    section = {
        "gpu_operator": {"enabled": False},
        "gpu_sharing": {"A6000": {"time_slicing": 2}},
        "node_roles": {"core": ["inference"]},
        "workloads": {"web": row()},
    }
    site = site_of(section)
    assert [item.name for item in site.objects.up_to(1)] == [f"{name}-labels" for name in FLEET]
    assert {name: labels for name in FLEET if (labels := labels_of(site, name))} == {
        "core": {"workload.sophia.internal/inference": "true"}
    }


def test_namespaces_are_restricted_but_the_operators() -> None:
    (site,) = sites("local")
    levels = {
        body["metadata"]["name"]: body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for body in site.of("Namespace")
    }
    assert levels.pop("gpu-operator") == "privileged"
    assert levels.pop("monitoring") == "privileged", "node-exporter reads the node"
    restricted = ("external-secrets", "kueue-system", "prometheus-adapter")
    assert levels == dict.fromkeys(
        (*restricted, "sophia-ai-prod", "sophia-ai", "sophia-training"), "restricted"
    )


def test_a_baseline_namespace_still_warns_of_restricted() -> None:
    section = {
        "namespaces": {"apps": {"pod_security": "baseline"}},
        "workloads": {"web": row(namespace="apps")},
    }
    labels = site_of(section).one("Namespace", "apps")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert labels["pod-security.kubernetes.io/warn"] == "restricted"


def test_a_cluster_without_its_workloads_has_no_empty_namespaces() -> None:
    for site in sites("local-per-region"):
        if site.cluster.name == site.placement.primary:
            continue
        used = {item.metadata.get("namespace") for item in site.manifests if item.kind == "Deployment"}
        made = {
            body["metadata"]["name"]
            for body in site.of("Namespace")
            if body["metadata"]["labels"]["sophia.internal/purpose"] == "workloads"
        }
        assert made == used - {None}


def test_gpu_services_go_before_the_others_and_standard_ends_nobody() -> None:
    (site,) = sites("local")
    classes = {body["metadata"]["name"]: body for body in site.of("PriorityClass")}
    values = {name: body["value"] for name, body in classes.items()}
    assert values["gpu-critical"] > values["high"] > values["standard"] > 0
    assert classes["standard"]["preemptionPolicy"] == "Never"
    assert not any(body["globalDefault"] for body in classes.values())


def test_a_volume_is_made_where_its_pod_goes() -> None:
    for stack, reclaim in (("local", "Delete"), ("production", "Retain")):
        (storage,) = sites(stack)[0].of("StorageClass")
        assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
        assert storage["reclaimPolicy"] == reclaim


def test_the_store_names_the_environment_and_opens_for_our_namespaces_only() -> None:
    section = {
        "secrets": {**SECRETS, "api_url": "http://127.0.0.1:9999"},
        "namespaces": {"apps": {}, "more": {}},
        "workloads": {"web": row(namespace="apps")},
    }
    site = site_of(section)
    spec = site.one("ClusterSecretStore", "pulumi-esc-store")["spec"]
    assert spec["conditions"] == [{"namespaces": ["apps", "more"]}]
    assert spec["provider"]["pulumi"] == {
        "organization": "o",
        "project": "p",
        "environment": "e",
        "apiUrl": "http://127.0.0.1:9999",
        "auth": {
            "accessToken": {
                "secretRef": {"name": "pulumi-esc-token", "key": "token", "namespace": "external-secrets"}
            }
        },
    }


def test_without_secrets_nothing_of_the_operator_is_there() -> None:
    site = site_of({"workloads": {"web": row()}})
    assert site.of("Secret") == []
    assert not [item for item in site.releases if item.chart == "external-secrets"]


def test_images_without_digest_are_refused_only_when_asked() -> None:
    def actions(require: bool) -> dict[str, list[str]]:
        section = {"images": {"require_digest": require}, "workloads": {"web": row()}}
        return {
            body["metadata"]["name"]: body["spec"]["validationActions"]
            for body in site_of(section).of("ValidatingAdmissionPolicyBinding")
        }

    assert actions(False) == {"sophia-image-digest": ["Audit"], "sophia-pod-rules": ["Deny"]}
    assert actions(True) == {"sophia-image-digest": ["Deny"], "sophia-pod-rules": ["Deny"]}
