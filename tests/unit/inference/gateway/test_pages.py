"""Models, health, readiness, metrics and the document: who may see them and what they say."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from sophia_infra.inference.gateway.app import make_app
from sophia_infra.inference.gateway.schemas import COMPONENTS
from tests.inference_clock import run_async
from tests.unit.inference.gateway.asgi import Connection
from tests.unit.inference.gateway.door import QWEN, SCOUT, Site


def get(site: Site, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Connection:
    async def scene() -> Connection:
        await site.pool.probe("own")
        connection = Connection(path, headers=headers or {}, method=method)
        await make_app(site.door)(connection.scope, connection.receive, connection.send)
        return connection

    return run_async(scene())


def test_models_show_prices_limits_and_readiness(tmp_path: Path) -> None:
    site = Site(tmp_path)
    document = get(site, "/v1/models", site.headers()).json
    scout = next(model for model in document["data"] if model["id"] == SCOUT)
    assert (scout["usd_per_million_input"], scout["usd_per_million_output"]) == ("0.08", "0.30")
    assert (scout["context_tokens"], scout["max_output_tokens"]) == (1_000_000, 100_000)
    assert "llama-4-scout-17b" in scout["aliases"]
    assert scout["ready"] is True
    schema = {"$ref": "#/components/schemas/Models", "components": {"schemas": COMPONENTS}}
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(document)


def test_a_user_sees_the_models_that_it_may_use(tmp_path: Path) -> None:
    site = Site(tmp_path)
    headers = {"authorization": f"Bearer {site.limited}"}
    assert [model["id"] for model in get(site, "/v1/models", headers).json["data"]] == [QWEN]
    assert get(site, f"/v1/models/{QWEN}", headers).json["id"] == QWEN
    assert get(site, f"/v1/models/{SCOUT}", headers).status == 404


def test_models_need_a_key(tmp_path: Path) -> None:
    assert get(Site(tmp_path), "/v1/models").status == 401


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/openapi.json"])
def test_these_need_no_key(tmp_path: Path, path: str) -> None:
    assert get(Site(tmp_path), path).status == 200


def test_ready_needs_a_loaded_model_and_a_ledger_and_no_sigterm(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert get(site, "/ready").json["warm_backends"] == {QWEN: 1, SCOUT: 1}
    site.ledger_works = lambda: False
    assert (get(site, "/ready").status, get(site, "/health").status) == (503, 200)
    site.ledger_works = lambda: True
    site.door.leaving = True
    assert get(site, "/ready").status == 503

    cold = Connection("/ready", method="GET")
    other = Site(tmp_path)
    run_async(make_app(other.door)(cold.scope, cold.receive, cold.send))
    assert cold.status == 503
    assert cold.json["cold"] == {"own": "not probed yet"}


def test_other_addresses_and_methods_are_refused_in_the_same_form(tmp_path: Path) -> None:
    site = Site(tmp_path)
    missing = get(site, "/v1/embeddings")
    assert (missing.status, missing.json["error"]["code"]) == (404, "not_found")
    wrong = get(site, "/v1/chat/completions")
    assert (wrong.status, wrong.json["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_the_document_lists_each_address_that_is_served(tmp_path: Path) -> None:
    site = Site(tmp_path)
    served = {route.path for route in make_app(site.door).routes}  # type: ignore[attr-defined]
    described = set(get(site, "/openapi.json").json["paths"])
    assert served - described == {"/openapi.json", "/v1/models/{model:path}"}
    assert described <= served
