"""The forecast of the next hour's load as metrics: it reads Prometheus, and Prometheus reads it."""

from __future__ import annotations

from typing import Final

from sophia_infra.manifests.classes import priority_class_manifest_name
from sophia_infra.manifests.names import FORECASTER, SCALING_NAMESPACE
from sophia_infra.manifests.namespaces import namespace_manifest_name, scaling_here
from sophia_infra.manifests.network_policies import build_policy, from_prometheus, to_names
from sophia_infra.manifests.objects import Manifest, names_of
from sophia_infra.manifests.pod_files import CONFIG_FOLDER, PodFiles, config_map
from sophia_infra.manifests.pods import service_account
from sophia_infra.manifests.scaling.site import PORT, Program, deployment, seen_by_prometheus, to_prometheus
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement
from sophia_infra.model.scaling_site import ForecasterSite, as_text

__all__ = ["FORECASTER_FILE", "forecaster"]

FORECASTER_FILE: Final = "forecaster.json"


def forecaster(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Manifest]:
    """Every object of it; nothing where it is off, and outside of the primary cluster."""
    config, url = kube.forecaster, kube.prometheus_url
    if not config.enabled or url is None or not scaling_here(kube, placement, cluster):
        return []
    base = (namespace_manifest_name(cluster, SCALING_NAMESPACE),)
    site = ForecasterSite(
        prometheus_url=url, query=config.query, every_s=config.every_s, calendar=config.calendar
    )
    program = Program(
        name=FORECASTER,
        image=kube.images.pinned(config.image),
        arguments=("forecast", "--config", f"{CONFIG_FOLDER}/{FORECASTER_FILE}"),
        files=PodFiles(config={FORECASTER_FILE: as_text(site)}),
    )
    ways_out = [to_names(), *to_prometheus(url)]
    needs = [
        service_account(FORECASTER, SCALING_NAMESPACE, base),
        *config_map(FORECASTER, SCALING_NAMESPACE, program.files, base),
        build_policy(FORECASTER, SCALING_NAMESPACE, [from_prometheus(PORT)], ways_out, base),
    ]
    after = (*base, *names_of(*needs), priority_class_manifest_name(cluster, "standard"))
    return [*needs, deployment(program, after), *seen_by_prometheus(FORECASTER, kube, cluster)]
