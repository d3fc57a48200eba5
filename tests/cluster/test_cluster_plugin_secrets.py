"""Secret values: encrypted in the state, whole in the cluster."""

from __future__ import annotations

import base64
import json

import pytest

from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import deployment, engine, stack
from tests.cluster.plugin_project import PluginProject, row

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine


def test_secrets_are_encrypted_in_the_state_and_reach_the_cluster(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    secret = {
        "metadata": {"name": "login", "namespace": namespace},
        "stringData": {"password": "correct-horse"},
    }
    env = [{"name": "TOKEN", "value": {"$secret": "battery-staple"}}]
    stack.write(
        row("core/v1:Secret", "login", secret),
        row("apps/v1:Deployment", "web", deployment(namespace, container={"env": env})),
        provider=stack.arguments(enable_secret_mutable=True),
    )
    stack.up()
    state = json.dumps(stack.resources())
    encoded = base64.b64encode(b"correct-horse").decode()
    for text in ("correct-horse", encoded, "battery-staple"):
        assert text not in state
    live = plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets/login")
    assert live["data"] == {"password": encoded}
    assert stack.run("refresh").changes["same"] == 4

    del secret["stringData"]["password"]
    stack.write(row("core/v1:Secret", "login", secret), provider=stack.arguments(enable_secret_mutable=True))
    stack.up()
    assert not plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets/login").get("data")
