"""What one cluster's monitoring knows: its share of the stack's terms, and rules and dashboards of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sophia_infra.manifests.namespaces import gpu_operator_namespace, training_here
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement
from sophia_infra.monitoring.rule import RuleGroup
from sophia_infra.monitoring.rules import all_rules
from sophia_infra.monitoring.terms import Terms

__all__ = ["Watched"]


@dataclass(frozen=True)
class Watched:
    """Made once for each cluster: rules and dashboards take tens of milliseconds.

    Attributes:
        stack_terms: of the whole stack.
        kube, placement, cluster: the typed configuration, and which cluster this is.
        exporter_settings: what `sophia exporter` reads, as plain data; None: there is none in this cluster.
    """

    stack_terms: Terms
    kube: KubernetesConfig
    placement: Placement
    cluster: Cluster
    exporter_settings: Mapping[str, Any] | None = None

    @property
    def is_primary(self) -> bool:
        return self.cluster.name == self.placement.primary

    @cached_property
    def terms(self) -> Terms:
        """The stack's terms for what this cluster's Prometheus can see.

        Rules about the fleet belong to the primary cluster: elsewhere their series would be missing for ever,
        and their silence an alarm.
        """
        placed = {**self.placement.workload_cluster, **self.placement.database_cluster}
        here = tuple(
            service for service in self.stack_terms.services if placed.get(service.name) == self.cluster.name
        )
        config = self.stack_terms.config
        if self.exporter_settings is None:
            off = config.exporter.model_copy(update={"enabled": False})
            config = config.model_copy(update={"exporter": off})
        return replace(
            self.stack_terms,
            services=here,
            config=config,
            has_gateway=any(service.kind == "gateway" for service in here),
            has_training=training_here(self.kube, self.cluster),
            has_gpu_metrics=self.stack_terms.has_gpu_metrics
            and bool(gpu_operator_namespace(self.kube, self.cluster)),
        )

    @cached_property
    def rules(self) -> tuple[RuleGroup, ...]:
        """Groups of rules for `terms`."""
        return all_rules(self.terms)

    @cached_property
    def dashboards(self) -> Mapping[str, str]:
        """Name -> dashboard as compact JSON."""
        # Imported here: Grafana's SDK takes a tenth of a second, and only stacks with dashboards need it.
        from sophia_infra.monitoring.dashboards import all_dashboards

        boards = all_dashboards(self.terms)
        return {name: json.dumps(board, separators=(",", ":")) for name, board in boards.items()}
