"""Helm charts and custom resources: pins, checks of values and objects, and stand-ins for offline clusters.

Pure Python and packaged data; nothing here talks to a cluster, a registry or the engine.
The data are read when they are asked for.
"""

from __future__ import annotations

from sophia_infra.charts.definitions import custom_resource_definitions
from sophia_infra.charts.errors import ChartsError, NotPlainValues, UnknownChart, UnknownGroup
from sophia_infra.charts.helm_chart_object import as_helm_chart_object
from sophia_infra.charts.objects import check_custom_object, is_custom_object
from sophia_infra.charts.offline import OFFLINE_SUFFIX, write_offline_chart
from sophia_infra.charts.pins import CHARTS, PINNED_ON, Chart, find_chart
from sophia_infra.charts.resources import custom_resources, find_resource, groups, resources_of
from sophia_infra.charts.table import CustomResource, ResourceVersion
from sophia_infra.charts.values import check_values

__all__ = [
    "CHARTS",
    "OFFLINE_SUFFIX",
    "PINNED_ON",
    "Chart",
    "ChartsError",
    "CustomResource",
    "NotPlainValues",
    "ResourceVersion",
    "UnknownChart",
    "UnknownGroup",
    "as_helm_chart_object",
    "check_custom_object",
    "check_values",
    "custom_resource_definitions",
    "custom_resources",
    "find_chart",
    "find_resource",
    "groups",
    "is_custom_object",
    "resources_of",
    "write_offline_chart",
]
