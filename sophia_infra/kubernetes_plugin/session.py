"""The cluster behind one provider: opened at the first need, and told to stop by the engine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.cluster import Cluster
from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.discovery import Discovery, namespaced_without_server
from sophia_infra.kubernetes_plugin.errors import ClusterUnreachable, KindUnknown
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig, load_kubeconfig
from sophia_infra.kubernetes_plugin.settings import Settings
from sophia_infra.kubernetes_plugin.tokens import ObjectType
from sophia_infra.kubernetes_plugin.waiting import Waiter


class Session:
    """Shared by all requests. `cancelled` is set once, when the engine wants waits to end."""

    def __init__(self, settings: Settings, cancelled: threading.Event | None = None) -> None:
        self.settings = settings
        self.cancelled = cancelled or threading.Event()
        self._lock = threading.Lock()
        self._kubeconfig: Kubeconfig | None = None
        self._cluster: Cluster | None = None

    @property
    def kubeconfig(self) -> Kubeconfig:
        """The kubeconfig in use. Raises SettingsRefused."""
        with self._lock:
            if self._kubeconfig is None:
                self._kubeconfig = load_kubeconfig(self.settings.kubeconfig, self.settings.context)
            return self._kubeconfig

    @property
    def cluster(self) -> Cluster:
        """The cluster. Sends nothing yet. Raises SettingsRefused."""
        kubeconfig = self.kubeconfig
        with self._lock:
            if self._cluster is None:
                connection = Connection(kubeconfig, timeout_s=self.settings.request_timeout_s)
                discovery = Discovery(connection, cancelled=self.cancelled)
                self._cluster = Cluster(connection, discovery, cancelled=self.cancelled)
            return self._cluster

    @property
    def waiter(self) -> Waiter:
        return Waiter(self.cluster, self.cancelled)

    @property
    def namespace(self) -> str:
        """Where objects go that name no namespace."""
        if self.settings.namespace:
            return self.settings.namespace
        if self.settings.render_directory:
            return "default"
        return self.kubeconfig.namespace or "default"

    def is_namespaced(self, of: ObjectType) -> bool | None:
        """Whether a kind lives in namespaces; None when only a server that is not there could tell."""
        known = namespaced_without_server(of.api_version, of.kind)
        if known is not None or self.settings.render_directory:
            return known
        try:
            return self.cluster.discovery.find(of.api_version, of.kind).namespaced
        except (KindUnknown, ClusterUnreachable):
            return None

    def place(self, body: Mapping[str, Any], *, namespaced: bool) -> dict[str, Any]:
        """The object with a namespace where its kind needs one and it names none."""
        metadata = dict(body["metadata"])
        if namespaced and not metadata.get("namespace"):
            metadata["namespace"] = self.namespace
        return {**body, "metadata": metadata}
