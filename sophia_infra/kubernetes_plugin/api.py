"""What callers need of a Kubernetes API: one request. `connection.Connection` is it over HTTPS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["KubernetesApi", "KubernetesReader"]


class KubernetesReader(Protocol):
    """One cluster's API for those that only look."""

    def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Send one request and return the decoded answer. Raises PluginError, see `Connection.request`."""
        ...


class KubernetesApi(Protocol):
    """One cluster's API."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
    ) -> dict[str, Any]:
        """As `KubernetesReader.request`; `apply`: server-side, `body` being the object."""
        ...
