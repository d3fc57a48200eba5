"""PersistentVolumeClaims: data that outlives a pod."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.names import bounded
from sophia_infra.manifests.objects import Manifest, build_metadata

__all__ = ["build_claim", "claim_name", "claim_spec"]


def claim_name(owner: str, volume: str) -> str:
    """Name of the claim behind a volume."""
    return bounded(f"{owner}-{volume}")


def claim_spec(size: str, storage_class: str, access: str = "ReadWriteOnce") -> dict[str, Any]:
    """`spec` of a claim, also inside a StatefulSet."""
    return {
        "accessModes": [access],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
    }


def build_claim(
    owner: str, volume: str, namespace: str, spec: dict[str, Any], after: tuple[str, ...]
) -> Manifest:
    """A claim that stands alone; the pods that mount it come and go."""
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": build_metadata(claim_name(owner, volume), namespace),
        "spec": spec,
    }
    return Manifest(f"{owner}-{volume}-claim", body, after)
