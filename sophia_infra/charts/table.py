"""Rows of the table of custom resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["CustomResource", "ResourceVersion", "Scope"]

Scope = Literal["Namespaced", "Cluster"]


@dataclass(frozen=True, slots=True)
class ResourceVersion:
    """One version of a kind.

    Attributes:
        name: for example `v1beta2`.
        served: whether the API server takes objects of this version.
        storage: whether objects are stored in this version; true for exactly one version of a kind.
        deprecated: whether the server warns when it is used.
        has_spec: False when the fields stand beside `metadata` and there is no `spec`.
        fields: first-level field -> type as text: `string`, `string(a|b)`, `integer`, `number`, `boolean`,
            `object`, `any`, `int-or-string`, `array<...>` or `map<...>` of such. None when the version is
            not served, so that nothing is known of it.
        required: dotted paths that must be given where their parent is, `[]` after a list; whole list of
            what the definition says down to four levels below spec.
        has_status, has_scale: subresources.
    """

    name: str
    served: bool
    storage: bool
    deprecated: bool
    has_spec: bool
    fields: Mapping[str, str] | None
    required: tuple[str, ...]
    has_status: bool
    has_scale: bool


@dataclass(frozen=True, slots=True)
class CustomResource:
    """One custom kind.

    Attributes:
        chart: name of the chart that installs its definition; `k3s` for what k3s brings itself.
        source: project and version that it was read from.
        plural: lower-case name in URLs.
        short_names: what kubectl takes beside the plural.
        versions: in the order of the definition.
    """

    chart: str
    source: str
    group: str
    kind: str
    plural: str
    short_names: tuple[str, ...]
    scope: Scope
    versions: tuple[ResourceVersion, ...]

    @property
    def served_versions(self) -> tuple[str, ...]:
        """Names of the versions that objects may have, the stored one first."""
        served = sorted((version for version in self.versions if version.served), key=lambda v: not v.storage)
        return tuple(version.name for version in served)

    def version(self, name: str) -> ResourceVersion | None:
        """The version of this name, served or not; None when there is none."""
        return next((version for version in self.versions if version.name == name), None)
