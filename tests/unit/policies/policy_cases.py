"""What a rule is tested with: a sentence, resources, and what the rule has to say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from sophia_policies.plain import UNKNOWN, Resource
from sophia_policies.registry import RULES_BY_NAME
from sophia_policies.rule import Finding, ResourceRule, Situation
from sophia_policies.waivers import Waiver

from sophia_infra.model.stack_config import StackConfig, parse_stack_config

__all__ = [
    "DIGEST",
    "TODAY",
    "UNKNOWN",
    "Aspect",
    "Case",
    "container",
    "find",
    "fleet_of",
    "gpu",
    "kube",
    "machine",
    "root",
    "stack",
    "workload",
]

TODAY = date(2026, 11, 24)
DIGEST = "@sha256:" + "0123456789abcdef" * 4

Aspect = Literal["pass", "fail", "unknown", "boundary"]


@dataclass(frozen=True)
class Case:
    """One rule on some resources.

    Attributes:
        says: what is tested, as a sentence.
        expect: (kind, words that stand in the text) of each finding, in order; empty: the rule is silent.
    """

    rule: str
    aspect: Aspect
    says: str
    resources: Sequence[Resource]
    expect: Sequence[tuple[str, str]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    config: StackConfig | None = None
    waivers: Sequence[Waiver] = ()

    def __str__(self) -> str:
        return f"{self.rule}: {self.says}"


def find(case: Case) -> list[Finding]:
    """What the rule says, as the pack would ask it: resource by resource, or all at the end."""
    rule = RULES_BY_NAME[case.rule]
    settings = {**rule.defaults, **case.settings}

    def situation(seen: Sequence[Resource]) -> Situation:
        return Situation(
            today=TODAY,
            stack="local",
            settings=settings,
            stack_config=case.config,
            seen=seen,
            waivers=case.waivers,
        )

    if not isinstance(rule, ResourceRule):
        return list(rule.check(case.resources, situation(case.resources)))
    return [
        finding
        for number, resource in enumerate(case.resources, 1)
        if rule.applies(resource)
        for finding in rule.check(resource, situation(case.resources[:number]))
    ]


def root() -> Resource:
    """The stack itself, which the engine registers first."""
    return Resource("pulumi:pulumi:Stack", "sophia-infra-local", {}, "urn:stack")


def machine(
    name: str = "a",
    kind: Any = "gpu_1x_a10",
    region: Any = "us-west-1",
    *,
    protected: bool = False,
    **props: Any,
) -> Resource:
    """An Instance."""
    return Resource(
        "pulumi-python:dynamic/lambda:Instance",
        name,
        {"instance_type": kind, "region": region, **props},
        f"urn:{name}",
        protected,
    )


def kube(token: str, name: str, *, namespace: Any = "apps", metadata: Any = None, **props: Any) -> Resource:
    """A Kubernetes object, for example `kube("core/v1:Service", "web", spec={...})`."""
    known = {"name": name, "namespace": namespace, **(metadata or {})}
    return Resource(f"kubernetes:{token}", name, {"metadata": known, **props}, f"urn:{name}")


def container(name: str = "main", **spec: Any) -> dict[str, Any]:
    """A container without faults, changed by `spec`; None takes a key out."""
    faultless: dict[str, Any] = {
        "name": name,
        "image": f"ghcr.io/sophia/web:1.0{DIGEST}",
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "readOnlyRootFilesystem": True},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8000}},
    }
    return {key: value for key, value in {**faultless, **spec}.items() if value is not None}


def gpu(count: Any) -> dict[str, Any]:
    """Resources of a container with GPUs."""
    return {
        "requests": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": count},
        "limits": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": count},
    }


def workload(
    name: str = "web",
    containers: Any = None,
    *,
    kind: str = "Deployment",
    replicas: Any = 1,
    namespace: str = "apps",
    labels: Any = None,
    annotations: Any = None,
    **pod: Any,
) -> Resource:
    """A workload with one faultless container, or with `containers`; `pod` are further keys of its spec."""
    spec = {"containers": [container()] if containers is None else containers, **pod}
    template = {
        "metadata": {
            "labels": {"app": name, "team": "platform"} if labels is None else labels,
            "annotations": {} if annotations is None else annotations,
        },
        "spec": spec,
    }
    if kind == "Pod":
        return kube("core/v1:Pod", name, namespace=namespace, metadata=template["metadata"], spec=spec)
    if kind == "CronJob":
        inner = {"jobTemplate": {"spec": {"template": template, "parallelism": replicas}}}
        return kube("batch/v1:CronJob", name, namespace=namespace, spec=inner)
    if kind == "Job":
        return kube(
            "batch/v1:Job", name, namespace=namespace, spec={"template": template, "parallelism": replicas}
        )
    return kube(
        f"apps/v1:{kind}", name, namespace=namespace, spec={"template": template, "replicas": replicas}
    )


def stack(fleet: Mapping[str, Any], budget: str = "$500/day", **further: Any) -> StackConfig:
    """A stack's typed configuration."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn test"
    values = {
        "endpoint": "emulator",
        "budget": {"limit": budget},
        "ssh": {"public_key": key},
        "fleet": fleet,
        **further,
    }
    return parse_stack_config(
        {f"sophia:{name}": value for name, value in values.items()}, "Pulumi.local.yaml"
    )


def fleet_of(*resources: Resource, always_on: bool = True) -> dict[str, Any]:
    """`sophia:fleet` for machines."""
    return {
        item.name: {
            "type": item.props["instance_type"],
            "region": item.props["region"],
            "purpose": "test",
            "always_on": always_on,
        }
        for item in resources
    }
