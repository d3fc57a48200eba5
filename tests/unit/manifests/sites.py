"""What the tests look at: the objects of a cluster beside the configuration they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from sophia_infra.manifests import (
    ChartRelease,
    ClusterObjects,
    Item,
    Manifest,
    ScalingParts,
    Watched,
    all_objects,
)
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.kubernetes import (
    AutoscalingConfig,
    Cluster,
    ForecasterConfig,
    KubernetesConfig,
    NodeScalerConfig,
    Placement,
    place,
)
from sophia_infra.model.kubernetes.placement import place_on
from sophia_infra.model.kubernetes.sidecars import running_images
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.model.scaling_site import as_text, scaler_site_of
from sophia_infra.model.stack_config import StackConfig, load_stack_config
from sophia_infra.monitoring.exporter_settings import exporter_settings_of
from sophia_infra.monitoring.terms import PLAN_INFERENCE_USD_PER_MONTH, Terms, services_of, terms_of

CHECKOUT = Path(__file__).resolve().parents[3]
PROMETHEUS = "http://prometheus.monitoring.svc:9090"
TOKEN = "token-that-is-shown-nowhere"
JOIN = '{"address": "10.0.0.5", "agent_token": "agents-token-that-is-shown-nowhere"}'
STACKS = ("local", "production", "local-per-region", "production-keda", "local-logs", "local-scaling")

SCALER = {
    "pools": {
        "inference": {
            "type": "1xA100",
            "regions": ["us-south-1"],
            "max": 4,
            "demand": [{"source": "forecast", "per_node": 8}, {"source": "pending_pods"}],
            "schedule": [{"begin": "09:00", "end": "18:00", "min": 2}],
        }
    },
    "max_gpus": {"1xA100": 6},
}
FLEET = {
    "core": ("gpu_1x_gh200", "us-east-3"),
    "orchestrator": ("gpu_1x_a6000", "us-south-1"),
    "pipeline": ("gpu_1x_a100", "us-south-1"),
    "production": ("gpu_1x_rtx6000", "us-south-1"),
    "development": ("gpu_1x_a10", "us-west-1"),
}


@dataclass(frozen=True)
class Site:
    """One cluster. `items` are those of both phases, in order."""

    kube: KubernetesConfig
    placement: Placement
    cluster: Cluster
    objects: ClusterObjects
    gateway: GatewayConfig | None = None
    watched: Watched | None = field(default=None, repr=False)
    scaling: ScalingParts | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        return self.objects.up_to(2)

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        return tuple(item for item in self.items if isinstance(item, Manifest))

    @property
    def releases(self) -> tuple[ChartRelease, ...]:
        return tuple(item for item in self.items if isinstance(item, ChartRelease))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of one kind; patches are not among them."""
        return [item.body for item in self.manifests if item.kind == kind and not item.is_patch]

    def one(self, kind: str, name: str) -> dict[str, Any]:
        """The only body of this kind and name."""
        (body,) = (body for body in self.of(kind) if body["metadata"]["name"] == name)
        return body


@cache
def sites(stack: str) -> tuple[Site, ...]:
    """The clusters of a stack file; `local-per-region` is `local` with a cluster for each region.

    `production-keda` is `production` with KEDA and a Prometheus of others instead of its own; `local-logs` is
    `local` with Loki, and `local-scaling` is `local` with forecaster and node scaler.
    """
    config = load_stack_config(CHECKOUT / f"Pulumi.{stack.partition('-')[0]}.yaml")
    kube = config.kubernetes
    assert kube is not None
    placement = place(config, 2)
    if stack.endswith("per-region"):
        kube = kube.model_copy(update={"topology": "per_region"})
        placement = place_on(config.instances(2), kube)
    if stack.endswith("keda"):
        on = AutoscalingConfig.model_validate({"keda": {"enabled": True, "prometheus_url": PROMETHEUS}})
        kube = kube.model_copy(update={"autoscaling": on, "monitoring": None})
    if stack.endswith("logs") and kube.monitoring is not None:
        monitoring = kube.monitoring.model_copy(update={"logs": "loki"})
        kube = kube.model_copy(update={"monitoring": monitoring})
    if stack.endswith("scaling"):
        update = {"forecaster": ForecasterConfig(enabled=True), "scaler": NodeScalerConfig(enabled=True)}
        kube = kube.model_copy(update=update)
        config = config.model_copy(update={"scaler": ScalerConfig.model_validate(SCALER)})
    config = config.model_copy(update={"kubernetes": kube})
    if kube.monitoring is None:
        return sites_of(kube, placement, config.gateway)
    name = f"sophia-infra/{stack}"
    settings = exporter_settings_of(config, name).as_json()
    scaling = scaling_parts(config, name, placement)
    return sites_of(kube, placement, config.gateway, terms_of(config, name), settings, scaling)


def sites_of(
    kube: KubernetesConfig,
    placement: Placement,
    gateway: GatewayConfig | None = None,
    terms: Terms | None = None,
    exporter_settings: Mapping[str, Any] | None = None,
    scaling: ScalingParts | None = None,
) -> tuple[Site, ...]:
    """Every cluster of a placement.

    Args:
        terms: of monitoring; None where the section has none.
        exporter_settings: of the exporter in the primary cluster, likewise.
        scaling: of the node scaler there; None without one.
    """
    checksums = dict.fromkeys(
        [*kube.enabled_workloads(), *kube.enabled_databases(), "sophia-exporter"], "abc123"
    )
    made = []
    for cluster in placement.clusters.values():
        settings = exporter_settings if cluster.name == placement.primary else None
        watched = Watched(terms, kube, placement, cluster, settings) if terms is not None else None
        objects = all_objects(
            kube,
            placement,
            cluster,
            token=TOKEN,
            secret_checksums=checksums,
            gateway=gateway,
            watched=watched,
            scaling=scaling if cluster.name == placement.primary else None,
        )
        made.append(Site(kube, placement, cluster, objects, gateway, watched, scaling))
    return tuple(made)


def with_digests(site: Site) -> Site:
    """The same site with every image pinned."""
    digests = dict.fromkeys(running_images(site.kube).values(), f"sha256:{'0' * 64}")
    pins = site.kube.images.model_copy(update={"digests": digests})
    kube = site.kube.model_copy(update={"images": pins})
    terms = site.watched.stack_terms if site.watched is not None else None
    settings = site.watched.exporter_settings if site.watched is not None else None
    every = sites_of(kube, site.placement, site.gateway, terms, settings, site.scaling)
    (pinned,) = (one for one in every if one.cluster.name == site.cluster.name)
    return pinned


def scaling_parts(config: StackConfig, stack: str, placement: Placement) -> ScalingParts | None:
    """What the node scaler of the primary cluster gets; None without one."""
    site = scaler_site_of(config, stack, placement.clusters[placement.primary], "ops")
    return None if site is None else ScalingParts(as_text(site), JOIN, "abc123")


def terms_for(kube: KubernetesConfig) -> Terms | None:
    """Terms of a section that no stack file has; None without monitoring."""
    if kube.monitoring is None:
        return None
    return Terms(
        stack="sophia-infra/test",
        budget_usd_per_month=Decimal(3600),
        budget_alert_percent=80,
        inference_usd_per_hour=Decimal(10),
        inference_usd_per_month=PLAN_INFERENCE_USD_PER_MONTH,
        services=services_of(kube),
        config=kube.monitoring,
        has_gateway=False,
        has_training=kube.training is not None,
        has_secrets=kube.secrets is not None,
        has_keda=kube.autoscaling.keda.enabled,
        has_certificates=kube.ingress is not None,
        has_gpu_metrics=kube.gpu_operator.enabled and kube.gpu_operator.dcgm_exporter,
    )


def all_sites() -> Iterator[Site]:
    for stack in STACKS:
        yield from sites(stack)


def site_of(kube: Mapping[str, Any], machines: Mapping[str, Mapping[str, Any]] | None = None) -> Site:
    """The one cluster of a section written by a test, over the five machines of `FLEET`.

    Args:
        machines: further keys of machines.
    """
    config = KubernetesConfig.model_validate({"topology": "overlay", **kube})
    fleet = {
        name: InstanceConfig.model_validate(
            {"type": kind, "region": region, "purpose": "test", **(machines or {}).get(name, {})}
        )
        for name, (kind, region) in FLEET.items()
    }
    placement = place_on(fleet, config)
    assert not placement.unplaced, placement.unplaced
    has_exporter = config.monitoring is not None and config.monitoring.exporter.enabled
    settings = (
        {"stack": "sophia-infra/test", "machines": {name: {} for name in fleet}} if has_exporter else None
    )
    (site,) = sites_of(config, placement, terms=terms_for(config), exporter_settings=settings)
    return site


def row(**further: Any) -> dict[str, Any]:
    """A workload that lacks nothing, as a stack file would have it."""
    return {
        "image": "ghcr.io/sophia/web:1.0",
        "ports": {"http": 8000},
        "cpu": "100m",
        "memory": "128Mi",
        **further,
    }


def pod_templates(site: Site) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(kind, namespace, template) of everything that makes pods."""
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob"):
        for body in site.of(kind):
            spec = body["spec"]
            template = spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"]
            yield kind, body["metadata"]["namespace"], template
