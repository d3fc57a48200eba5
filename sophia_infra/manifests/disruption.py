"""PodDisruptionBudgets: how many pods a drain may take at once."""

from __future__ import annotations

from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.manifests.pods import selector_labels

__all__ = ["disruption_budget"]


def disruption_budget(
    name: str, namespace: str, most_replicas: int, max_unavailable: int, after: tuple[str, ...]
) -> list[Manifest]:
    """The budget of the pods of `name`; none for a single pod, where it could only block every drain."""
    if most_replicas < 2:
        return []
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": build_metadata(name, namespace),
        "spec": {
            "maxUnavailable": max_unavailable,
            "selector": {"matchLabels": selector_labels(name)},
            # A pod that crashes on its own must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
    return [Manifest(f"{name}-budget", body, after)]
