"""One scaler acts for a stack: by a Lease of the cluster, or by a locked file where there is no cluster.

No clock is compared with another one. The holder counts from before it asked, and stops after two thirds of
the duration; whoever waits counts the whole duration from when it saw the last renewal. So there is a third
of the duration in which nobody acts, and none in which two do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.kubernetes_plugin.errors import ApiRefused, PluginError
from sophia_infra.scaling.nodes.errors import LeaseHeld, LeaseLost

__all__ = ["LEASE_S", "FileLease", "KubernetesLease", "Lease", "NoLease"]

LEASE_S: Final = 60.0
"""Longer than any single request takes (10 s to connect, seconds to answer), twice over."""


class Lease(Protocol):
    """The right to act."""

    @property
    def holder(self) -> str:
        """Who holds it, as far as it was seen; "" when nobody does."""
        ...

    def take(self) -> bool:
        """Take or renew it; False while somebody else has it. Raises LeaseLost: no answer."""
        ...

    def ensure(self) -> None:
        """Return when this process may act now; renews when due. Raises LeaseLost."""
        ...

    @property
    def term(self) -> int:
        """Goes up each time it is taken from somebody else, whose last launch may not be listed. 0: never."""
        ...

    def give_up(self) -> None:
        """Let the next one have it at once. Never raises."""
        ...


class NoLease:
    """For a dry run: nobody acts, so nobody leads."""

    holder = ""
    term = 0

    def take(self) -> bool:
        return True

    def ensure(self) -> None:
        raise LeaseLost("A dry run does not act.", next_step="run with --apply.")

    def give_up(self) -> None:
        return None


class FileLease:
    """A file locked by this process. The system lets go of it when the process ends, however it does.

    Its term is always 0: the journal of launches lies beside it and tells what the last holder began.
    """

    term = 0

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._descriptor: int | None = None

    @property
    def holder(self) -> str:
        if self._descriptor is not None:
            return self._identity
        try:
            with self._path.open(encoding="utf-8") as file:
                # A lock that can be had is nobody's, whatever a process that died left written there.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return ""
        except OSError:
            return self._path.read_text(encoding="utf-8").strip()
        return ""

    def take(self) -> bool:
        if self._descriptor is not None:
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, self._identity.encode(), 0)
        self._descriptor = descriptor
        return True

    def ensure(self) -> None:
        if self._descriptor is None:
            raise LeaseLost("The lock file is not held.", next_step="this is a mistake of the program.")

    def give_up(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


class KubernetesLease:
    """`coordination.k8s.io/v1` Lease, changed only at the resourceVersion that was read.

    Args:
        identity: of this process, unique: another start of the same program is another one.
        now: seconds that never run backwards (`time.monotonic`).
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        name: str,
        namespace: str,
        identity: str,
        now: Callable[[], float],
        duration_s: float = LEASE_S,
    ) -> None:
        self._api = api
        self._name = name
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._identity = identity
        self._now = now
        self._duration_s = duration_s
        self._renewed_at_s: float | None = None
        self._seen: tuple[str, float] | None = (
            None  # resourceVersion of another's, and when it was first seen
        )
        self._holder = ""
        self._is_new = True
        self._term = 0

    @property
    def holder(self) -> str:
        return self._holder

    @property
    def term(self) -> int:
        return self._term

    def take(self) -> bool:
        if self._is_valid() and not self._is_due():
            return True
        began_s = self._now()
        try:
            taken = self._take(began_s)
        except PluginError as error:
            if self._is_valid():
                return True  # one missed renewal; two thirds of the duration leave time for the next
            self._renewed_at_s = None
            raise LeaseLost(
                f"The lease {self._name} could not be read or renewed: {error}",
                next_step="look at the cluster; the scaler acts again once it has the lease.",
            ) from None
        self._renewed_at_s = began_s if taken else None
        if taken and self._is_new:
            self._is_new = False
            self._term += 1
        return taken

    def ensure(self) -> None:
        if not self.take():
            raise LeaseHeld(
                f"{self._holder or 'Another scaler'} holds the lease {self._name} now.",
                next_step="nothing: this one waits, and takes over when the other one ends.",
            )
        if not self._is_valid():
            self._renewed_at_s = None
            raise LeaseLost(
                f"Renewing the lease {self._name} took too long.", next_step="nothing: it is tried again."
            )

    def give_up(self) -> None:
        if self._renewed_at_s is None:
            return
        self._renewed_at_s = None
        with contextlib.suppress(PluginError, KeyError):
            lease = self._api.request("GET", f"{self._folder}/{self._name}")
            if lease["spec"].get("holderIdentity") == self._identity:
                self._put(lease, holder="")

    def _is_valid(self) -> bool:
        return self._renewed_at_s is not None and self._now() < self._renewed_at_s + self._duration_s * 2 / 3

    def _is_due(self) -> bool:
        return self._renewed_at_s is None or self._now() >= self._renewed_at_s + self._duration_s / 3

    def _take(self, began_s: float) -> bool:
        try:
            lease = self._api.request("GET", f"{self._folder}/{self._name}")
        except ApiRefused as refused:
            if not refused.is_gone:
                raise
            return self._create()
        spec = lease.get("spec") or {}
        self._holder = str(spec.get("holderIdentity") or "")
        if self._holder == self._identity:
            return self._put(lease, holder=self._identity)
        if self._holder:
            version = str(lease["metadata"]["resourceVersion"])
            if self._seen is None or self._seen[0] != version:
                self._seen = (version, began_s)
            # What the other one stated binds, however short ours is.
            duration_s = max(self._duration_s, float(spec.get("leaseDurationSeconds") or 0))
            if began_s - self._seen[1] < duration_s:
                return False
        # Before it is sent: should its answer be lost, the next look finds our own name there.
        self._is_new = True
        return self._put(lease, holder=self._identity)

    def _create(self) -> bool:
        stamp = _stamp()
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(self._duration_s),
                "acquireTime": stamp,
                "renewTime": stamp,
                "leaseTransitions": 0,
            },
        }
        try:
            self._api.request("POST", self._folder, body=body)
        except ApiRefused as refused:
            if refused.code == 409:
                return False
            raise
        self._holder = self._identity
        return True

    def _put(self, lease: dict[str, Any], *, holder: str) -> bool:
        spec = dict(lease.get("spec") or {})
        stamp = _stamp()
        if holder and spec.get("holderIdentity") != holder:
            spec["acquireTime"] = stamp
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        spec.update(holderIdentity=holder, renewTime=stamp, leaseDurationSeconds=int(self._duration_s))
        try:
            self._api.request("PUT", f"{self._folder}/{self._name}", body={**lease, "spec": spec})
        except ApiRefused as refused:
            if refused.code == 409:
                return False
            raise
        self._holder = holder
        return True


def _stamp() -> str:
    """For people and other programs; nothing here is judged by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
