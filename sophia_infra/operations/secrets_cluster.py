"""What `sophia secrets` asks of a cluster: the ExternalSecrets, and the checksum on its consumers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.operations.owned_fields import NotManaged, applied_by
from sophia_infra.operations.secrets import Consumer, SecretFinding

__all__ = ["CHECKSUM_ANNOTATION", "FIELD_MANAGER", "Restart", "SecretsCluster", "SyncedSecret"]

FIELD_MANAGER = "sophia-infra"
"""That of the program: a field of its own would stay behind when the program applies again."""

CHECKSUM_ANNOTATION = "sophia.internal/secret-checksum"
FORCE_SYNC_ANNOTATION = "force-sync"

_FORCE_MANAGER = "sophia-infra-force-sync"
_EXTERNAL_SECRETS = "/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets"
_PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class SyncedSecret:
    """An ExternalSecret as the operator left it. `ready` None: the operator has not looked yet."""

    namespace: str
    name: str
    ready: bool | None
    reason: str
    refreshed: str

    def finding(self) -> SecretFinding | None:
        """None when it is in order."""
        subject = f"{self.namespace}/{self.name}"
        if self.ready:
            return None
        if self.ready is None:
            return SecretFinding(
                "not-synced",
                subject,
                "was never synced by the External Secrets Operator",
                f"kubectl describe externalsecret {self.name} -n {self.namespace}; does the operator run?",
            )
        return SecretFinding(
            "not-synced",
            subject,
            f"is not ready: {self.reason}",
            f"kubectl describe externalsecret {self.name} -n {self.namespace}",
        )


@dataclass(frozen=True, slots=True)
class Restart:
    """What became of a consumer: `restarts`, `unchanged`, `reread`, `absent`, `not-ours`, `not-synced`."""

    consumer: Consumer
    outcome: str

    def as_json(self) -> dict[str, str]:
        return {
            "kind": self.consumer.kind,
            "namespace": self.consumer.namespace,
            "name": self.consumer.name,
            "outcome": self.outcome,
        }


class SecretsCluster:
    """One cluster. Errors are those of `kubernetes_plugin.errors`.

    Args:
        connection: sends requests.
        monotonic, sleep: for waiting on the operator, in seconds.
    """

    def __init__(
        self, connection: KubernetesApi, *, monotonic: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._sleep = sleep

    def external_secrets(self, namespaces: Sequence[str]) -> list[SyncedSecret]:
        """All ExternalSecrets of these namespaces. Empty where the kind is not served."""
        found = []
        for namespace in namespaces:
            try:
                answer = self._connection.request("GET", _EXTERNAL_SECRETS.format(namespace=namespace))
            except ApiRefused as refused:
                if refused.is_gone:
                    continue
                raise
            found += [_synced(item) for item in answer.get("items", ())]
        return found

    def force_sync(self, secrets: Sequence[SyncedSecret], now: datetime) -> None:
        """Have the operator read ESC again at once for each of `secrets`."""
        for secret in secrets:
            self._connection.request(
                "PATCH",
                f"{_EXTERNAL_SECRETS.format(namespace=secret.namespace)}/{secret.name}",
                query={"fieldManager": _FORCE_MANAGER, "force": "true"},
                body={
                    "apiVersion": "external-secrets.io/v1",
                    "kind": "ExternalSecret",
                    "metadata": {
                        "name": secret.name,
                        "namespace": secret.namespace,
                        "annotations": {FORCE_SYNC_ANNOTATION: now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
                    },
                },
                apply=True,
            )

    def wait_for_sync(self, before: Sequence[SyncedSecret], timeout_s: float) -> set[tuple[str, str]]:
        """Namespace and name of those that were read again and are ready, after at most `timeout_s`."""
        waiting = {(one.namespace, one.name): one.refreshed for one in before}
        done: set[tuple[str, str]] = set()
        namespaces = sorted({one.namespace for one in before})
        deadline = self._monotonic() + timeout_s
        while waiting:
            for one in self.external_secrets(namespaces):
                key = (one.namespace, one.name)
                if key in waiting and one.ready and one.refreshed != waiting[key]:
                    done.add(key)
                    del waiting[key]
            if not waiting or self._monotonic() >= deadline:
                break
            self._sleep(_POLL_S)
        return done

    def mark(self, consumer: Consumer, checksum: str, *, dry_run: bool = False) -> Restart:
        """Put `checksum` on the consumer's pod template; its pods restart when it is another one."""
        if consumer.kind == "Secret":
            return Restart(consumer, "reread")
        path = f"/apis/apps/v1/namespaces/{consumer.namespace}/{_PLURALS[consumer.kind]}/{consumer.name}"
        try:
            live = self._connection.request("GET", path)
        except ApiRefused as refused:
            if refused.is_gone:
                return Restart(consumer, "absent")
            raise
        template = live["spec"]["template"]
        if (template.get("metadata") or {}).get("annotations", {}).get(CHECKSUM_ANNOTATION) == checksum:
            return Restart(consumer, "unchanged")
        try:
            body = applied_by(live, FIELD_MANAGER)
        except NotManaged:
            return Restart(consumer, "not-ours")
        metadata = body.setdefault("spec", {}).setdefault("template", {}).setdefault("metadata", {})
        metadata.setdefault("annotations", {})[CHECKSUM_ANNOTATION] = checksum
        if not dry_run:
            self._connection.request(
                "PATCH", path, query={"fieldManager": FIELD_MANAGER}, body=body, apply=True
            )
        return Restart(consumer, "restarts")


def _synced(item: Mapping[str, Any]) -> SyncedSecret:
    status = item.get("status") or {}
    ready = next((row for row in status.get("conditions", ()) if row.get("type") == "Ready"), None)
    return SyncedSecret(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        ready=None if ready is None else ready.get("status") == "True",
        # The message may quote the provider's answer; the reason is one word.
        reason=str((ready or {}).get("reason", "")),
        refreshed=str(status.get("refreshTime", "")),
    )
