from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from tests.unit.lambda_cloud.document import declared_operations, example
from tests.unit.lambda_cloud.every_call import filled
from tests.unit.lambda_cloud.service import Reply, ScriptedService

# Put together at run time, so that no scanner takes this file for a leak.
API_KEY = "_".join(["secret", "ops", "0123456789abcdef" * 2]) + "." + "Zx9" * 8


@pytest.fixture
def api_key() -> str:
    return API_KEY


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def _one_service() -> Iterator[ScriptedService]:
    scripted = ScriptedService()
    yield scripted
    scripted.close()


@pytest.fixture
def service(_one_service: ScriptedService) -> ScriptedService:
    """One server for the whole run, which forgets everything between two tests."""
    _one_service.reset()
    return _one_service


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def cloud(service: ScriptedService, clock: VirtualClock) -> Iterator[LambdaCloud]:
    """A client that is never paced, and whose backoff is always half of what it may be."""
    with LambdaCloud(
        service.url,
        API_KEY,
        clock=clock,
        pacer=Pacer(None, "test", clock, 0.0, 0.0),
        random_part=lambda: 0.5,
    ) as client:
        yield client


def success_of(operation_id: str) -> Reply:
    """A success as the document declares it, pages ended."""
    declared = declared_operations()[operation_id]
    body = example(declared.success_schema)
    end_pages(body)
    return Reply(declared.success_status, body)


def end_pages(body: dict[str, Any]) -> None:
    """Make this the last page, if it is a page."""
    for holder in (body, body["data"]):
        if isinstance(holder, dict) and "page_token" in holder:
            holder["page_token"] = None


def route_of(operation_id: str) -> str:
    """`METHOD path` of an operation, with the ids of `every_call`."""
    declared = declared_operations()[operation_id]
    return f"{declared.method} {filled(declared.path)}"
