"""Everything of monitoring in one cluster that is no row's own, in an order in which it can be made."""

from __future__ import annotations

from sophia_infra.manifests.monitoring.logs import logs
from sophia_infra.manifests.monitoring.monitors import platform_monitors
from sophia_infra.manifests.monitoring.release import release
from sophia_infra.manifests.monitoring.rules import dashboard_objects, rule_objects
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.objects import Item

__all__ = ["monitoring"]


def monitoring(watched: Watched) -> list[Item]:
    """The release first: it brings the definitions of what follows, and of the rows' own monitors later."""
    return [
        *release(watched),
        *platform_monitors(watched.kube, watched.cluster),
        *rule_objects(watched),
        *dashboard_objects(watched),
        *logs(watched),
    ]
