"""The table of custom resources: which groups, kinds, versions and first-level fields the platform knows.

Taken from the definitions of the pinned charts, without prose, deeper fields, enumerations below the first
level and CEL rules. k3s's own two kinds are in `k3s_resources`, by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from sophia_infra.charts.errors import UnknownGroup
from sophia_infra.charts.k3s_resources import K3S_RESOURCES
from sophia_infra.charts.packaged import load_data
from sophia_infra.charts.table import CustomResource, ResourceVersion, Scope

__all__ = ["custom_resources", "find_resource", "groups", "resources_of"]


@cache
def custom_resources() -> Mapping[tuple[str, str], CustomResource]:
    """The whole table by (group, kind). Kind alone is not unique."""
    packaged = (_from_row(row) for row in load_data("custom-resources"))
    return MappingProxyType(
        {(resource.group, resource.kind): resource for resource in (*packaged, *K3S_RESOURCES)}
    )


def find_resource(group: str, kind: str) -> CustomResource | None:
    """The row of this group and kind, or None."""
    return custom_resources().get((group, kind))


def groups() -> tuple[str, ...]:
    """Every API group of the table, sorted."""
    return tuple(sorted({group for group, _ in custom_resources()}))


def resources_of(*, chart: str | None = None, only_groups: Iterable[str] = ()) -> tuple[CustomResource, ...]:
    """Rows of one chart, or of some groups, or of both; the whole table without arguments.

    Raises:
        UnknownGroup: a group of `only_groups` is not in the table.
    """
    wanted = set(only_groups)
    for group in sorted(wanted):
        if group not in groups():
            raise UnknownGroup(group, groups())
    return tuple(
        resource
        for resource in custom_resources().values()
        if (chart is None or resource.chart == chart) and (not wanted or resource.group in wanted)
    )


def _from_row(row: Mapping[str, Any]) -> CustomResource:
    return CustomResource(
        chart=row["chart"],
        source=row["source"],
        group=row["group"],
        kind=row["kind"],
        plural=row["plural"],
        short_names=tuple(row["shortNames"]),
        scope=cast("Scope", row["scope"]),
        versions=tuple(_version_from_row(version) for version in row["versions"]),
    )


def _version_from_row(row: Mapping[str, Any]) -> ResourceVersion:
    fields = row.get("specFields", row.get("topFields"))
    return ResourceVersion(
        name=row["name"],
        served=row.get("served", False),
        storage=row.get("storage", False),
        deprecated=row.get("deprecated", False),
        has_spec="topFields" not in row,
        fields=None if fields is None else MappingProxyType(fields),
        required=tuple(row.get("required", ())),
        has_status=row.get("status", False),
        has_scale=row.get("scale", False),
    )
