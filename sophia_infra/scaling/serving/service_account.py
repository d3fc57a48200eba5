"""The API server as a pod asks it: by the token of its account, which the kubelet renews every hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig
from sophia_infra.scaling.nodes.cluster import connect
from sophia_infra.scaling.serving.errors import NotInCluster

__all__ = ["ACCOUNT_FOLDER", "ServiceAccountApi"]

ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ServiceAccountApi:
    """`KubernetesApi` of the cluster that this process runs in.

    Args:
        folder: with `token` and `ca.crt`, both read again for each request: a new token is a new connection.
        environ: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which every pod has.

    Raises:
        NotInCluster: one of them is missing.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        connect: Callable[[Kubeconfig], KubernetesApi] = connect,
    ) -> None:
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            raise NotInCluster(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set.",
                next_step="run it in a pod; outside of a cluster `sophia scaler run` does the same.",
            )
        self._server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._folder = folder
        self._connect = connect
        self._known: tuple[str, bytes] | None = None
        self._api = self._open()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
    ) -> dict[str, Any]:
        """As `Connection.request`. Raises NotInCluster too: the token is not there any more."""
        return self._open().request(method, path, query=query, body=body, apply=apply)

    def _open(self) -> KubernetesApi:
        try:
            token = (self._folder / "token").read_text("utf-8").strip()
            authority = (self._folder / "ca.crt").read_bytes()
        except OSError as error:
            raise NotInCluster(
                f"{self._folder} cannot be read: {error.strerror}.",
                next_step="give the pod the token of its account (automountServiceAccountToken: true).",
            ) from None
        if self._known != (token, authority):
            self._api = self._connect(Kubeconfig(self._server, "service-account", ca=authority, token=token))
            self._known = (token, authority)
        return self._api
