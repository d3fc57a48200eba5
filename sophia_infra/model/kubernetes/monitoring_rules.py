"""What does not go together between monitoring and what it needs of the section. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["find_monitoring_conflicts"]


def find_monitoring_conflicts(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    """All of them, with paths relative to the section. What is in `unreadable` is taken for right."""
    yield from _find_nobody_to_ask(kube, unreadable)
    config = kube.monitoring
    if config is None:
        return
    if kube.secrets is None and "secrets" not in unreadable:
        asked: list[tuple[str, ...]] = [("alerting",)] if config.alerting.secret_paths else []
        if config.grafana.enabled and config.grafana.admin_password is not None:
            asked.append(("grafana", "admin_password"))
        if config.exporter.enabled:
            asked.append(("exporter",))
        for loc in asked:
            refused = Refused(
                "needs sophia:kubernetes.secrets, which says where secrets come from",
                allowed="enabled: false, or a section secrets" if loc == ("exporter",) else None,
            )
            yield Conflict(("monitoring", *loc), refused)
    if config.grafana.host is not None and kube.ingress is None and "ingress" not in unreadable:
        refused = Refused("needs sophia:kubernetes.ingress, which says the domain and the IngressClass")
        yield Conflict(("monitoring", "grafana", "host"), refused, config.grafana.host)


def _find_nobody_to_ask(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    if "monitoring" in unreadable or "autoscaling" in unreadable:
        return
    if kube.autoscaling.keda.enabled and kube.prometheus_url is None:
        refused = Refused(
            "is missing, and KEDA has nobody to ask: there is no section monitoring",
            allowed="http://prometheus.monitoring.svc:9090, or enabled: false",
        )
        yield Conflict(("autoscaling", "keda", "prometheus_url"), refused)
    if kube.autoscaling.adapter.enabled and kube.prometheus_url is None:
        refused = Refused(
            "is on, and the adapter has nobody to ask: there is no section monitoring",
            allowed="a section monitoring, autoscaling.keda.prometheus_url, or enabled: false",
        )
        yield Conflict(("autoscaling", "adapter", "enabled"), refused, True)
