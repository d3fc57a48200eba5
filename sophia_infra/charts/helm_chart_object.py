"""The installation of a chart as one object for k3s' own Helm controller.

It stands for a release where no Helm runs on our side: manifests on disk say what k3s shall install.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from sophia_infra.charts.errors import NotPlainValues
from sophia_infra.charts.pins import Chart, find_chart

__all__ = ["HELM_CHARTS_NAMESPACE", "as_helm_chart_object"]

HELM_CHARTS_NAMESPACE = "kube-system"
"""Where the HelmChart objects live; k3s runs their jobs there with full rights."""


def as_helm_chart_object(
    release: str,
    chart: str | Chart,
    namespace: str,
    values: Mapping[str, Any],
    *,
    timeout_s: int | None = None,
) -> dict[str, Any]:
    """The `HelmChart` object that makes k3s install a pinned chart.

    The object stands in `kube-system`; the release goes to `namespace`, which is made if it is missing. A
    failed upgrade stays for somebody to look at: k3s' default would uninstall the chart, and with its
    definitions every object of its kinds.

    Args:
        release: name of the release and of the object.
        chart: a pinned chart or its name.
        values: plain data. They stand readable in the object: hand secrets over by name only.
        timeout_s: seconds for each Helm operation; None for Helm's own 5 minutes.

    Raises:
        UnknownChart: no chart of this name is pinned.
        NotPlainValues: `values` hold something that is no plain data.
    """
    pinned = find_chart(chart) if isinstance(chart, str) else chart
    spec: dict[str, Any] = {"chart": pinned.reference}
    if not pinned.is_oci:
        spec["repo"] = pinned.repository
    spec |= {
        "version": pinned.version,
        "targetNamespace": namespace,
        "createNamespace": True,
        "failurePolicy": "abort",
    }
    if timeout_s is not None:
        spec["timeout"] = f"{timeout_s}s"
    plain = _plain(values, "")
    if plain:
        spec["valuesContent"] = yaml.safe_dump(plain, sort_keys=True, allow_unicode=True)
    return {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChart",
        "metadata": {
            "name": release,
            "namespace": HELM_CHARTS_NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": "sophia", "app.kubernetes.io/managed-by": "pulumi"},
        },
        "spec": spec,
    }


def _plain(value: object, path: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{position}]") for position, item in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise NotPlainValues(path, type(value).__name__)
