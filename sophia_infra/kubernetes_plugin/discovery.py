"""Which kinds the server has, and whether they live in namespaces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.errors import ApiRefused, Cancelled, KindUnknown
from sophia_infra.kubernetes_plugin.tokens import group_of

KIND_APPEARS_WITHIN_S = 15.0
"""A CRD that was created a moment ago is served after a second or two; a slow server takes some more."""
_POLL_S = 0.5

CLUSTER_SCOPED = frozenset(
    {
        ("", "ComponentStatus"),
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    }
)
"""Kinds of Kubernetes 1.36 itself that live in no namespace, for when no server can be asked."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as the server has it. `plural` is its name in paths."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str | None) -> str:
        """Path of all objects of this kind, in `namespace` where it has one."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if self.namespaced else f"{root}/{self.plural}"

    @property
    def resource(self) -> str:
        """The kind as the server's messages write it: deployments.apps, configmaps."""
        group = group_of(self.api_version)
        return f"{self.plural}.{group}" if group else self.plural


class Discovery:
    """Answers from memory; a kind that is not there is asked for again."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._cancelled = cancelled or threading.Event()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Kind] = {}

    def find(self, api_version: str, kind: str, *, wait_s: float = 0.0) -> Kind:
        """Return the kind.

        Args:
            wait_s: how long to ask again for a kind that may appear, such as one of a new CRD. Kinds of
                Kubernetes' own groups do not appear: they are refused at once.

        Raises:
            KindUnknown: the server does not serve it.
            Cancelled: while waiting.
        """
        found = self._known.get((api_version, kind))
        deadline = self._clock() + (wait_s if _may_appear(api_version) else 0.0)
        while found is None:
            with self._lock:
                found = self._known.get((api_version, kind)) or self._ask(api_version, kind)
            if found is None and self._clock() >= deadline:
                raise KindUnknown(
                    f"The API server {self._connection.server} has no kind {kind} in {api_version}: "
                    "is its custom resource definition installed, and is the version right?"
                )
            if found is None and self._cancelled.wait(_POLL_S):
                raise Cancelled(f"Stopped while waiting for the kind {kind} of {api_version}.")
        return found

    def forget(self, kind: Kind) -> None:
        """Drop a kind that the server no longer serves."""
        self._known.pop((kind.api_version, kind.kind), None)

    def _ask(self, api_version: str, kind: str) -> Kind | None:
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            answer = self._connection.request("GET", path)
        except ApiRefused as refused:
            if refused.is_gone:
                return None
            raise
        for row in answer.get("resources") or ():
            if "/" not in row["name"]:  # a slash marks a part of a kind, such as deployments/scale
                one = Kind(api_version, row["kind"], row["name"], bool(row["namespaced"]))
                self._known[(api_version, one.kind)] = one
        return self._known.get((api_version, kind))


def is_builtin(api_version: str) -> bool:
    """Whether a group belongs to Kubernetes itself: no dot, or one of the names in *.k8s.io that it ships."""
    group = group_of(api_version)
    return "." not in group or group in _BUILTIN_GROUPS


_BUILTIN_GROUPS = frozenset(group for group, _ in CLUSTER_SCOPED) | {
    "authentication.k8s.io",
    "authorization.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
}


def namespaced_without_server(api_version: str, kind: str) -> bool | None:
    """Whether a kind lives in namespaces, by the table; None for kinds that are not Kubernetes' own."""
    if not is_builtin(api_version):
        return None
    return (group_of(api_version), kind) not in CLUSTER_SCOPED


def _may_appear(api_version: str) -> bool:
    return not is_builtin(api_version)
