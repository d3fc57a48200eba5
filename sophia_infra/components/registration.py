"""Registers what the manifests room hands out: an object, a patch or a Helm release, in its order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi

from sophia_infra.charts import as_helm_chart_object, find_chart, write_offline_chart
from sophia_infra.components.cluster_access import ClusterAccess
from sophia_infra.components.kubernetes_object import KubernetesObject
from sophia_infra.manifests import ChartRelease, Item, Manifest

__all__ = ["Registration"]

_RELEASE_TIMEOUT_S = 900
"""A fresh GPU node pulls several gigabytes of images before the operator's pods are ready."""


class Registration:
    """The objects of one cluster.

    Args:
        access: the cluster.
        offline_charts: folder for charts of our own that stand in for the real ones, where those cannot be
            downloaded; None installs the real ones.
    """

    def __init__(self, access: ClusterAccess, offline_charts: Path | None) -> None:
        self._access = access
        self._offline_charts = offline_charts
        self._made: dict[str, pulumi.Resource] = {}

    @property
    def access(self) -> ClusterAccess:
        return self._access

    def add(self, items: Iterable[Item], parent: pulumi.Resource) -> dict[str, pulumi.Resource]:
        """Register `items` below `parent`; what each comes after has been added before it.

        Returns:
            logical name -> resource.
        """
        added: dict[str, pulumi.Resource] = {}
        for item in items:
            options = pulumi.ResourceOptions(
                parent=parent,
                provider=self._access.provider,
                depends_on=[*self._access.ready, *(self._made[name] for name in item.after)],
                retain_on_delete=self._goes_with_its_machine(item) or None,
            )
            resource = (
                KubernetesObject(item.name, item.body, is_patch=item.is_patch, opts=options)
                if isinstance(item, Manifest)
                else self._release(item, options)
            )
            self._made[item.name] = added[item.name] = resource
        return added

    def _goes_with_its_machine(self, item: Item) -> bool:
        """Whether `item` patches a node of ours, which is gone when the patch is deleted.

        Pulumi's plugin takes the fields of a patch away by applying one without fields, and where there is
        no object any more that makes an empty one: a Node without a machine.
        """
        is_node_patch = isinstance(item, Manifest) and item.is_patch and item.kind == "Node"
        return is_node_patch and self._access.of_machines

    def _release(self, item: ChartRelease, options: pulumi.ResourceOptions) -> pulumi.Resource:
        pinned = find_chart(item.chart)
        chart = replace(pinned, version=item.version or pinned.version)
        if self._access.renders:
            # Helm needs a cluster; k3s installs a chart from this object of its own.
            body = as_helm_chart_object(item.release, chart, item.namespace, item.values)
            return KubernetesObject(item.name, body, opts=options)
        from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

        source: dict[str, Any]
        if self._offline_charts is not None:
            source = {"chart": str(write_offline_chart(chart, self._offline_charts))}
        elif chart.is_oci:
            source = {"chart": chart.reference}
        else:
            source = {
                "chart": chart.name,
                "repository_opts": RepositoryOptsArgs(repo=chart.repository),
            }
        return Release(
            item.name,
            name=item.release,
            namespace=item.namespace,
            version=chart.version,
            values=item.values,
            # Half an operator is worse than none, and a retry finds a clean place.
            atomic=True,
            timeout=_RELEASE_TIMEOUT_S,
            opts=options,
            **source,
        )
