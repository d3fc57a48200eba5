"""Admission by the API server itself: which images run, and that a GPU pod says which GPU it means.

ValidatingAdmissionPolicy with CEL needs no webhook, so nothing has to run before it holds. It looks at the
objects that make pods too: a Deployment is refused when it is applied, not later by pods that never come.
"""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.names import GPU_LABEL, GPU_RESOURCE, PURPOSE_LABEL
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig

__all__ = ["DIGEST_POLICY", "POD_POLICY", "image_policy"]

DIGEST_POLICY = "sophia-image-digest"
POD_POLICY = "sophia-pod-rules"
_API = "admissionregistration.k8s.io/v1"
_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

_POD_SPEC = (
    "object.kind == 'Pod' ? object.spec : "
    "object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template.spec : object.spec.template.spec"
)
_CONTAINERS = (
    "variables.pod.containers"
    " + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])"
    " + (has(variables.pod.ephemeralContainers) ? variables.pod.ephemeralContainers : [])"
)
_ASKS_FOR_GPU = (
    "has(c.resources) && ("
    f"(has(c.resources.limits) && '{GPU_RESOURCE}' in c.resources.limits) || "
    f"(has(c.resources.requests) && '{GPU_RESOURCE}' in c.resources.requests))"
)
# Kueue puts the flavor's selector into the pods when it admits a job; the job itself has none.
_IS_QUEUED = f"has(object.metadata.labels) && '{_QUEUE_LABEL}' in object.metadata.labels"


def image_policy(kube: KubernetesConfig, cluster: Cluster) -> list[Manifest]:
    """Two policies and their bindings, in force in the namespaces of workloads and training.

    An image without digest is refused with `images.require_digest`, and else only audited: a warning for
    each object would hide those that matter.
    `latest`, other registries than `images.registries`, and GPUs without selector or limit are refused.
    """
    digest = {
        "expression": "variables.containers.all(c, c.image.matches('@sha256:[0-9a-f]{64}$'))",
        "messageExpression": "'image without digest: ' + variables.containers.filter(c, "
        "!c.image.matches('@sha256:[0-9a-f]{64}$')).map(c, c.image).join(', ')",
        "message": "every image needs a digest (name:tag@sha256:...)",
        "reason": "Forbidden",
    }
    refuses = kube.images.require_digest
    return [
        *_policy(cluster, DIGEST_POLICY, [digest], ["Deny"] if refuses else ["Audit"]),
        *_policy(cluster, POD_POLICY, _pod_rules(kube), ["Deny"]),
    ]


def _pod_rules(kube: KubernetesConfig) -> list[dict[str, str]]:
    rules = [
        {
            "expression": "variables.containers.all(c, c.image.contains('@') || "
            "c.image.matches(':[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$') && !c.image.endsWith(':latest'))",
            "message": "an image is tagged latest or not at all: name a version or a digest",
            "reason": "Forbidden",
        },
        {
            "expression": f"!variables.asksForGpu || {_IS_QUEUED} || "
            f"(has(variables.pod.nodeSelector) && '{GPU_LABEL}' in variables.pod.nodeSelector)",
            "message": f"a pod that asks for a GPU has to name its model: nodeSelector {GPU_LABEL}",
            "reason": "Forbidden",
        },
        {
            "expression": f"variables.containers.all(c, !({_ASKS_FOR_GPU}) || "
            f"(has(c.resources.limits) && '{GPU_RESOURCE}' in c.resources.limits))",
            "message": f"a request of {GPU_RESOURCE} needs a limit of the same number",
            "reason": "Forbidden",
        },
    ]
    if kube.images.registries:
        hosts = ", ".join(f"'{host}/'" for host in kube.images.registries)
        rules.append(
            {
                "expression": f"variables.containers.all(c, [{hosts}].exists(h, c.image.startsWith(h)))",
                "message": f"images come from {', '.join(kube.images.registries)} only",
                "reason": "Forbidden",
            }
        )
    return rules


def _policy(
    cluster: Cluster, name: str, validations: list[dict[str, str]], actions: list[str]
) -> list[Manifest]:
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                _resource_rule("", "v1", ["pods", "pods/ephemeralcontainers"]),
                _resource_rule("apps", "v1", ["deployments", "statefulsets", "daemonsets", "replicasets"]),
                _resource_rule("batch", "v1", ["jobs", "cronjobs"]),
            ]
        },
        "variables": [
            {"name": "pod", "expression": _POD_SPEC},
            {"name": "containers", "expression": _CONTAINERS},
            {"name": "asksForGpu", "expression": f"variables.containers.exists(c, {_ASKS_FOR_GPU})"},
        ],
        "validations": validations,
    }
    policy = Manifest(
        f"{cluster.name}-{name}",
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": build_metadata(name),
            "spec": spec,
        },
    )
    selector = {
        "matchExpressions": [{"key": PURPOSE_LABEL, "operator": "In", "values": ["workloads", "training"]}]
    }
    binding = Manifest(
        f"{cluster.name}-{name}-binding",
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": build_metadata(name),
            "spec": {
                "policyName": name,
                "validationActions": actions,
                "matchResources": {"namespaceSelector": selector},
            },
        },
        (policy.name,),
    )
    return [policy, binding]


def _resource_rule(group: str, version: str, resources: list[str]) -> dict[str, list[str]]:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
    }
