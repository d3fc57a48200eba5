"""The healthy platform: stack `local` as all of its exporters show it when nothing is wrong.

Every figure is a line, so six hours of it are as easy as a moment. What a rule calls sick has to be made sick
by a test: `healthy_platform().with_line("DCGM_FI_DEV_GPU_TEMP", constant(95), node="sophia-ai-core")`.
"""

from __future__ import annotations

from tests.monitoring.healthy_cluster import cluster_pages
from tests.monitoring.healthy_fleet import fleet_pages
from tests.monitoring.healthy_services import service_pages
from tests.monitoring.platform import Platform
from tests.monitoring.site import local_site

__all__ = ["ABSENT_IN_HEALTH", "healthy_platform"]

ABSENT_IN_HEALTH = frozenset(
    {
        "kube_job_failed",
        "kube_pod_container_status_last_terminated_reason",
        "kube_pod_container_status_waiting_reason",
        "kube_pod_init_container_status_waiting_reason",
        "kube_pod_status_unschedulable",
    }
)
"""Series that exist only while something is wrong: kube-state-metrics does not write them with a 0."""


def healthy_platform(origin_s: float = 0.0) -> Platform:
    """The platform whose lines begin at `origin_s`, seconds since 1970; 0 for promtool."""
    site = local_site()
    return Platform((*fleet_pages(site, origin_s), *cluster_pages(site), *service_pages(site)), origin_s)
