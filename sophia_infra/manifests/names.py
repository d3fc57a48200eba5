"""Names, labels and annotations that several objects have to agree on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sophia_infra.model.kubernetes import LABEL_PREFIX

__all__ = [
    "ADAPTER_NAMESPACE",
    "ARCHITECTURES_ANNOTATION",
    "ARCH_LABEL",
    "ARM64_TAINT",
    "COMMON_LABELS",
    "CONFIG_CHECKSUM_ANNOTATION",
    "CRON_JOB_NAME_CHARACTERS",
    "ESC_STORE",
    "ESC_TOKEN_KEY",
    "ESC_TOKEN_SECRET",
    "EXTERNAL_SECRETS_NAMESPACE",
    "FIELD_MANAGER",
    "FORECASTER",
    "GPU_LABEL",
    "GPU_OPERATOR_NAMESPACE",
    "GPU_RESOURCE",
    "KEDA_NAMESPACE",
    "KUEUE_NAMESPACE",
    "MONITORING_NAMESPACE",
    "NAMESPACE_LABEL",
    "NAME_LABEL",
    "NODE_SCALER",
    "PURPOSE_LABEL",
    "ROLE_LABEL_PREFIX",
    "SCALER_JOIN_KEY",
    "SCALER_JOIN_SECRET",
    "SCALING_NAMESPACE",
    "SCRAPED_LABEL",
    "SECRET_CHECKSUM_ANNOTATION",
    "bounded",
    "gpu_label_value",
]

FIELD_MANAGER: Final = "sophia-infra"
"""Field manager of our objects; a patch has `sophia-infra-<purpose>`, so that purposes do not overwrite."""

NAME_LABEL: Final = "app.kubernetes.io/name"
COMMON_LABELS: Mapping[str, str] = MappingProxyType(
    {"app.kubernetes.io/part-of": "sophia", "app.kubernetes.io/managed-by": "pulumi"}
)
PURPOSE_LABEL: Final = f"{LABEL_PREFIX}purpose"
"""On a namespace: `workloads`, `training` or `platform`. The admission policies hold in the first two."""
SCRAPED_LABEL: Final = f"{LABEL_PREFIX}scraped"
"""On the one Service of a row that Prometheus asks: a store has a headless one beside it."""
NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
"""The API server puts it on every namespace."""

ARCH_LABEL: Final = "kubernetes.io/arch"
GPU_LABEL: Final = f"{LABEL_PREFIX}gpu"
ROLE_LABEL_PREFIX: Final = f"workload.{LABEL_PREFIX}"
GPU_RESOURCE: Final = "nvidia.com/gpu"
ARM64_TAINT: Mapping[str, str] = MappingProxyType(
    {"key": ARCH_LABEL, "value": "arm64", "effect": "NoSchedule"}
)
"""Set when an arm64 node joins, so that an image for amd64 alone never lands there."""

ARCHITECTURES_ANNOTATION: Final = f"{LABEL_PREFIX}architectures"
CONFIG_CHECKSUM_ANNOTATION: Final = f"{LABEL_PREFIX}config-checksum"
SECRET_CHECKSUM_ANNOTATION: Final = f"{LABEL_PREFIX}secret-checksum"

ADAPTER_NAMESPACE: Final = "prometheus-adapter"
GPU_OPERATOR_NAMESPACE: Final = "gpu-operator"
EXTERNAL_SECRETS_NAMESPACE: Final = "external-secrets"
KEDA_NAMESPACE: Final = "keda"
KUEUE_NAMESPACE: Final = "kueue-system"
MONITORING_NAMESPACE: Final = "monitoring"
SCALING_NAMESPACE: Final = "sophia-scaling"

FORECASTER: Final = "sophia-forecaster"
NODE_SCALER: Final = "sophia-node-scaler"
"""Pods, Service, account and job of each of the two."""
SCALER_JOIN_SECRET: Final = "sophia-node-scaler-join"  # noqa: S105 - the name of a Secret, not a secret
"""What the scaler's machines join with; as with ESC_TOKEN_SECRET, the policy has to allow its name."""
SCALER_JOIN_KEY: Final = "join.json"

ESC_STORE: Final = "pulumi-esc-store"
ESC_TOKEN_SECRET: Final = "pulumi-esc-token"  # noqa: S105 - the name of a Secret, not a secret
"""A Secret that this program writes; the policy `secrets-by-external-secret` has to allow its name."""
ESC_TOKEN_KEY: Final = "token"  # noqa: S105 - a key inside that Secret

NAME_CHARACTERS: Final = 63
CRON_JOB_NAME_CHARACTERS: Final = 52
"""A CronJob's jobs get eleven characters more."""


def bounded(name: str, characters: int = NAME_CHARACTERS) -> str:
    """`name`, or when it is longer its beginning and a hash of the whole: the same each time, and unique."""
    if len(name) <= characters:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: characters - 9].rstrip('-.')}-{digest}"


def gpu_label_value(model: str) -> str:
    """Value of the node label of a GPU model: `GH200` -> `gh200`."""
    return model.lower()
