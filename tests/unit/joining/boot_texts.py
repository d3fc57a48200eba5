"""Boot texts as cloud-init takes them apart, for the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sophia_infra.joining import (
    user_data,
)
from sophia_infra.model.kubernetes import KubernetesConfig, Node
from tests.unit.joining.stack import SERVER_ADDRESS, cluster_of, config, credentials

CLOUD_INIT = Path(os.environ.get("SOPHIA_CLOUD_INIT", "/")) / "usr/lib/python3/dist-packages"
"""Debian's package, unpacked and not installed: installed, it would run at the next boot."""
SCHEMA = CLOUD_INIT / "cloudinit/config/schemas/schema-cloud-config-v1.json"
MISSING = "cloud-init is not unpacked here (SOPHIA_CLOUD_INIT); .ci/run does it, and there it must be"


def need_cloud_init() -> None:
    """Skip without cloud-init; in CI, fail."""
    if not SCHEMA.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)


def text_of(one: Node, kube: KubernetesConfig | None = None) -> str:
    address = None if one.is_server else SERVER_ADDRESS
    return user_data(one, cluster_of(one), credentials(), address, kube or config())
