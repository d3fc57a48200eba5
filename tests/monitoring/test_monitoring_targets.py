"""The synthetic platform is scraped as the manifests of stack `local` have it scraped."""

from __future__ import annotations

import re
from typing import Any

from tests.monitoring.healthy import healthy_platform
from tests.unit.manifests.sites import sites

BY_THE_CHART = frozenset(
    {"alertmanager", "apiserver", "kube-state-metrics", "kubelet", "node-exporter", "prometheus"}
)
"""Jobs of kube-prometheus-stack's own monitors; the chart's values set their labels."""

NOT_SHOWN = frozenset({"alloy", "cert-manager", "grafana", "keda", "loki"})
"""Jobs about which no rule and no dashboard of ours says anything in stack `local`."""

_OF_A_POD = frozenset({"job", "instance", "namespace", "pod", "container", "endpoint"})


def monitored() -> dict[str, frozenset[str]]:
    """Job -> labels that its monitor gives to targets."""
    (site,) = sites("local")
    found = {}
    for kind, further in (("ServiceMonitor", {"service"}), ("PodMonitor", set())):
        for body in site.of(kind):
            (endpoint,) = body["spec"].get("endpoints") or body["spec"]["podMetricsEndpoints"]
            job, labels = relabelled(body["metadata"]["name"], _OF_A_POD | further, endpoint)
            found[job] = labels
    return found


def relabelled(job: str, labels: frozenset[str], endpoint: dict[str, Any]) -> tuple[str, frozenset[str]]:
    """Job and labels after the relabelings of an endpoint."""
    for rule in endpoint.get("relabelings", ()):
        if rule["action"] == "labeldrop":
            labels = frozenset(label for label in labels if not re.fullmatch(rule["regex"], label))
        else:
            labels |= {rule["targetLabel"]}
            if rule["targetLabel"] == "job":
                job = rule["replacement"]
    return job, labels


def shown() -> dict[str, frozenset[str]]:
    """Job -> labels of its targets on the platform."""
    return {page.job: frozenset({"job", *page.labels}) for page in healthy_platform().pages}


def test_every_monitor_has_its_pages_and_every_page_a_monitor() -> None:
    assert set(shown()) - BY_THE_CHART == set(monitored()) - NOT_SHOWN


def test_targets_have_the_labels_that_their_monitors_give() -> None:
    """Labels decide what becomes of an exporter's own: without `service` there is no `exported_service`."""
    given = monitored()
    wrong = {
        job: {"not given": sorted(labels - given[job]), "not shown": sorted(given[job] - labels)}
        for job, labels in shown().items()
        if job in given and labels != given[job]
    }
    assert wrong == {}
