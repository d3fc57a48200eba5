"""The real API server for every test of this tier; its tools are found, or built with a line that says so."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.plane import Plane, make_home, running_plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One control plane per worker: starting one takes three seconds, and namespaces keep tests apart."""
    with running_plane(make_home(tmp_path_factory.mktemp("plane"))) as running:
        yield running


@pytest.fixture
def namespace(plane: Plane) -> Iterator[str]:
    """A fresh namespace, with the service account that pods need; deleted after, without waiting for it."""
    name = f"test-{secrets.token_hex(4)}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    plane.wait_for(lambda: plane.request("GET", accounts)["items"])
    yield name
    plane.request("DELETE", f"/api/v1/namespaces/{name}")
