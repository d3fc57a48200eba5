"""The custom resources that every k3s server brings: its Helm controller's. Read and written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sophia_infra.charts.table import CustomResource, ResourceVersion

__all__ = ["K3S_RESOURCES"]

_GROUP = "helm.cattle.io"
# Fields from doc/helmchart.md of k3s-io/helm-controller at commit 0ff5795cd204.
_SOURCE = "k3s-io/helm-controller 0ff5795cd204, doc/helmchart.md"


def _kind(kind: str, plural: str, fields: Mapping[str, str], *, has_status: bool) -> CustomResource:
    version = ResourceVersion(
        name="v1",
        served=True,
        storage=True,
        deprecated=False,
        has_spec=True,
        fields=MappingProxyType(dict(fields)),
        required=(),
        has_status=has_status,
        has_scale=False,
    )
    return CustomResource("k3s", _SOURCE, _GROUP, kind, plural, (), "Namespaced", (version,))


_FAILURE_POLICY = "string(abort|reinstall)"

K3S_RESOURCES = (
    _kind(
        "HelmChart",
        "helmcharts",
        {
            "authPassCredentials": "boolean",
            "authSecret": "object",
            "backOffLimit": "integer",
            "bootstrap": "boolean",
            "chart": "string",
            "chartContent": "string",
            "createNamespace": "boolean",
            "dockerRegistrySecret": "object",
            "driver": "string(secret|configmap)",
            "failurePolicy": _FAILURE_POLICY,
            "helmVersion": "string",
            "insecureSkipTLSVerify": "boolean",
            "jobImage": "string",
            "plainHTTP": "boolean",
            "podSecurityContext": "object",
            "repo": "string",
            "repoCA": "string",
            "repoCAConfigMap": "object",
            "securityContext": "object",
            "set": "map<int-or-string>",
            "takeOwnership": "boolean",
            "targetNamespace": "string",
            "timeout": "string",
            "values": "any",
            "valuesContent": "string",
            "valuesSecrets": "array<object>",
            "version": "string",
        },
        has_status=True,
    ),
    _kind(
        "HelmChartConfig",
        "helmchartconfigs",
        {
            "failurePolicy": _FAILURE_POLICY,
            "values": "any",
            "valuesContent": "string",
            "valuesSecrets": "array<object>",
        },
        has_status=False,
    ),
)
"""Rows of the table for the two kinds that every k3s server brings."""
