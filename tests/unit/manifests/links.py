"""Whether what refers to something by label or name hits exactly what it means."""

from __future__ import annotations

from typing import Any

from tests.unit.manifests.sites import Site, pod_templates


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def container_ports(template: dict[str, Any]) -> dict[str, int]:
    return {
        port["name"]: port["containerPort"]
        for container in template["spec"]["containers"]
        for port in container.get("ports", [])
    }


def check_links(site: Site) -> None:
    """Everything that refers to pods or objects by label or name hits exactly what it means."""
    templates = list(pod_templates(site))
    for kind in ("Deployment", "StatefulSet"):
        for body in site.of(kind):
            spec = body["spec"]
            assert matches(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"])
    for service in site.of("Service"):
        namespace, selector = service["metadata"]["namespace"], service["spec"]["selector"]
        hit = [
            template
            for kind, own, template in templates
            if own == namespace and matches(selector, template["metadata"]["labels"])
        ]
        assert len(hit) == 1, f"{service['metadata']['name']} selects {len(hit)} kinds of pods"
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in container_ports(hit[0])
    for budget in site.of("PodDisruptionBudget"):
        selector = budget["spec"]["selector"]["matchLabels"]
        hit = [
            template
            for kind, own, template in templates
            if own == budget["metadata"]["namespace"] and matches(selector, template["metadata"]["labels"])
        ]
        assert len(hit) == 1
    deployments = {(b["metadata"]["namespace"], b["metadata"]["name"]) for b in site.of("Deployment")}
    for scaler in site.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert (scaler["metadata"]["namespace"], target["name"]) in deployments
        assert 1 <= scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]
        assert scaler["spec"]["metrics"]


def check_references(site: Site) -> None:
    """Accounts, claims, ConfigMaps, Secrets and governing Services that pods name exist beside them."""
    there = {
        (item.kind, item.metadata.get("namespace"), item.metadata["name"])
        for item in site.manifests
        if not item.is_patch
    }
    secrets = {
        (body["metadata"]["namespace"], body["spec"]["target"]["name"], row["secretKey"])
        for body in site.of("ExternalSecret")
        for row in body["spec"]["data"]
    }
    for _kind, namespace, template in pod_templates(site):
        spec = template["spec"]
        assert ("ServiceAccount", namespace, spec["serviceAccountName"]) in there
        assert ("PriorityClass", None, spec["priorityClassName"]) in there
        names = [volume["name"] for volume in spec["volumes"]]
        assert len(set(names)) == len(names)
        for volume in spec["volumes"]:
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", namespace, claim) in there
            if "configMap" in volume:
                assert ("ConfigMap", namespace, volume["configMap"]["name"]) in there
        for container in spec["containers"]:
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference:
                    assert (namespace, reference["name"], reference["key"]) in secrets
    for body in site.of("StatefulSet"):
        key = ("Service", body["metadata"]["namespace"], body["spec"]["serviceName"])
        assert key in there
        assert site.one("Service", body["spec"]["serviceName"])["spec"]["clusterIP"] == "None"


def check_mounts(site: Site) -> None:
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob"):
        check_mounts_of(site.of(kind))


def check_mounts_of(bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        spec = body["spec"]
        template = spec.get("template") or spec["jobTemplate"]["spec"]["template"]
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        mounted: set[str] = set()
        for container in template["spec"]["containers"]:
            mounts = container["volumeMounts"]
            mounted |= {mount["name"] for mount in mounts}
            paths = [mount["mountPath"] for mount in mounts]
            assert len(set(paths)) == len(paths)
            assert "/tmp" in paths  # noqa: S108 - the root filesystem is read-only
        assert mounted == volumes
