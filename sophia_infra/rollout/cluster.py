"""The few things that this room does in a cluster, with errors of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.errors import ApiRefused, PluginError
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig
from sophia_infra.rollout.errors import ClusterSilent, RolloutHeld

__all__ = ["MANAGER", "Cluster", "connect", "path_of"]

MANAGER: Final = "sophia-rollout"

_PLURALS: Final = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "EndpointSlice": "endpointslices",
    "ExternalSecret": "externalsecrets",
    "Gateway": "gateways",
    "GatewayClass": "gatewayclasses",
    "HTTPRoute": "httproutes",
    "Ingress": "ingresses",
    "NetworkPolicy": "networkpolicies",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "ServiceMonitor": "servicemonitors",
}


def connect(kubeconfig: Kubeconfig) -> Connection:
    """A connection with short limits: a look that hangs is a look that is missing."""
    return Connection(kubeconfig, timeout_s=10.0)


def path_of(body: Mapping[str, Any]) -> str:
    """Where the API serves this object. Raises KeyError for a kind that this room does not make."""
    version, metadata = str(body["apiVersion"]), body["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = metadata.get("namespace")
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{inside}/{_PLURALS[body['kind']]}/{metadata['name']}"


class Cluster:
    """Read, apply, replace and delete. Every method may be repeated.

    Raises:
        ClusterSilent: no answer, or a refusal that nothing else says.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def read(self, path: str) -> dict[str, Any] | None:
        """The object; None when there is none, or no such kind."""
        return self._ask("GET", path)

    def items(self, path: str, selector: str) -> list[dict[str, Any]]:
        """Objects with these labels; [] where the kind is not served."""
        found = self._ask("GET", path, query={"labelSelector": selector}) or {}
        return list(found.get("items") or ())

    def apply(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        """Server-side apply under our own field manager, in order."""
        for body in bodies:
            query = {"fieldManager": MANAGER, "force": "true"}
            if self._ask("PATCH", path_of(body), query=query, body=dict(body), apply=True) is None:
                raise ClusterSilent(
                    f"The cluster does not serve {body['apiVersion']} {body['kind']}, or has no namespace "
                    f"{body['metadata'].get('namespace')}.",
                    next_step="run `sophia up` for the stack's phase, then this again.",
                )

    def replace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write the whole object, unless somebody wrote it since it was read.

        Raises RolloutHeld when somebody did, or it is gone.
        """
        try:
            answer = self._ask("PUT", path_of(body), query={"fieldManager": MANAGER}, body=dict(body))
        except ClusterSilent as error:
            if isinstance(error.__cause__, ApiRefused) and error.__cause__.code == 409:
                answer = None
            else:
                raise
        if answer is None:
            raise RolloutHeld(
                f"{body['kind']} {body['metadata']['name']} was changed by somebody else meanwhile.",
                next_step="look at its status; run this again when nobody else moves it.",
            )
        return answer

    def delete(self, path: str) -> None:
        """Delete; nothing happens when it is gone."""
        self._ask("DELETE", path)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
    ) -> dict[str, Any] | None:
        try:
            return self._api.request(method, path, query=query, body=body, apply=apply)
        except ApiRefused as refused:
            if refused.code == 404:
                return None
            raise _silent(refused) from refused
        except PluginError as error:
            raise _silent(error) from error


def _silent(error: PluginError) -> ClusterSilent:
    return ClusterSilent(
        f"The cluster did not do what was asked: {error}",
        next_step="look whether its API runs and lets you change routes, then run this again.",
    )
