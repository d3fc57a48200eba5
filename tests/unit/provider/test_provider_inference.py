"""An inference endpoint counts only when it answers as an OpenAI-compatible server does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sophia_infra.provider.errors import EndpointUnusable
from sophia_infra.provider.inference_endpoint import InferenceEndpointKind
from tests.unit.provider.stage import Stage

MODELS = {"object": "list", "data": [{"id": "llama-3"}, {"id": "hermes-4"}]}
PRICES = {"llama-3": {"usd_per_million_input": "0.08"}}
VARIABLE = "SOPHIA_TEST_INFERENCE_KEY"


class Endpoint:
    """A small real HTTP server; `status`, `body` and `headers` are what it answers next."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes = json.dumps(MODELS).encode()
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, str | None]] = []
        endpoint = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.seen.append((self.path, self.headers.get("Authorization")))
                self.send_response(endpoint.status)
                for name, value in {**endpoint.headers, "Content-Length": str(len(endpoint.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.close()


@pytest.fixture
def kind(stage: Stage) -> InferenceEndpointKind:
    return InferenceEndpointKind(stage.session())


def news(endpoint: Endpoint, **changes: Any) -> dict[str, Any]:
    return {"base_url": endpoint.url, **changes}


def test_what_the_server_says_of_its_models_is_recorded(
    kind: InferenceEndpointKind, endpoint: Endpoint
) -> None:
    price = {"usd_per_million_input": "0.08", "usd_per_million_output": "0.30"}
    rows = [
        {"id": "gateway-s", "context_tokens": 1_000_000, "max_output_tokens": 100_000, **price},
        {"id": "vllm-s", "max_model_len": 32_768},
        {"id": "odd", "context_tokens": "many", "usd_per_million_input": 1},
        {"id": "priced-here"},
    ]
    endpoint.body = json.dumps({"data": rows}).encode()
    made = kind.create(news(endpoint, prices={"priced-here": {**price, "context_tokens": 8_192}})).outputs
    assert made["limits"] == {
        "gateway-s": {"context_tokens": 1_000_000, "max_output_tokens": 100_000},
        "priced-here": {"context_tokens": 8_192},
        "vllm-s": {"context_tokens": 32_768},
    }
    assert made["listed_prices"] == {"gateway-s": price}
    assert made["unpriced_models"] == ["odd", "vllm-s"]


def test_its_models_are_recorded_beside_their_prices(kind: InferenceEndpointKind, endpoint: Endpoint) -> None:
    created = kind.create(news(endpoint, prices=PRICES))
    assert created.id == endpoint.url
    assert created.outputs == {
        "base_url": endpoint.url,
        "prices": PRICES,
        "models": ["hermes-4", "llama-3"],
        "limits": {},
        "listed_prices": {},
        "unpriced_models": ["hermes-4"],
        "healthy": True,
    }
    assert endpoint.seen == [("/v1/models", None)]


def test_no_proxy_is_asked_for_a_server_of_this_machine(
    kind: InferenceEndpointKind, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert kind.create(news(endpoint)).id == endpoint.url


def test_a_slash_at_the_end_of_the_address_changes_nothing(
    kind: InferenceEndpointKind, endpoint: Endpoint
) -> None:
    kind.create({"base_url": endpoint.url + "/"})
    assert endpoint.seen == [("/v1/models", None)]


def test_the_key_is_read_at_the_moment_of_the_request_and_kept_nowhere(
    kind: InferenceEndpointKind, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "only-in-the-environment")
    created = kind.create(news(endpoint, api_key_env=VARIABLE))
    assert endpoint.seen == [("/v1/models", "Bearer only-in-the-environment")]
    assert "only-in-the-environment" not in repr(created)


def test_a_key_that_is_not_set_sends_nothing(kind: InferenceEndpointKind, endpoint: Endpoint) -> None:
    with pytest.raises(EndpointUnusable, match=f"export {VARIABLE}"):
        kind.create(news(endpoint, api_key_env=VARIABLE))
    assert endpoint.seen == []


def test_a_key_that_no_header_can_carry_is_a_sentence_not_a_traceback(
    kind: InferenceEndpointKind, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("käy–", "two\nlines"):
        monkeypatch.setenv(VARIABLE, key)
        with pytest.raises(EndpointUnusable) as caught:
            kind.create(news(endpoint, api_key_env=VARIABLE))
        assert key not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_as_such(kind: InferenceEndpointKind, endpoint: Endpoint, status: int) -> None:
    endpoint.status = status
    with pytest.raises(EndpointUnusable, match=rf"refuses the key \(HTTP {status}\).*`api_key_env`"):
        kind.create(news(endpoint))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b""),
        (200, b"[]"),
        (200, b"null"),
        (200, b'{"models": []}'),
        (200, b'{"data": ["llama-3"]}'),
        (200, b'{"data": {"id": "llama-3"}}'),
        (200, b'{"data": [{"name": "llama-3"}]}'),
        (200, b"\xff\xfe"),
        (404, b'{"data": []}'),
        (500, b""),
        (204, b""),
    ],
)
def test_an_answer_without_a_list_of_models_is_refused(
    kind: InferenceEndpointKind, endpoint: Endpoint, status: int, body: bytes
) -> None:
    endpoint.status, endpoint.body = status, body
    with pytest.raises(EndpointUnusable, match=f"HTTP {status} and no list of models"):
        kind.create(news(endpoint))


def test_a_redirect_is_not_followed_with_the_key(
    kind: InferenceEndpointKind, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "secret")
    endpoint.status, endpoint.headers = 302, {"Location": endpoint.url + "/elsewhere"}
    with pytest.raises(EndpointUnusable, match="HTTP 302"):
        kind.create(news(endpoint, api_key_env=VARIABLE))
    assert [path for path, _ in endpoint.seen] == ["/v1/models"]


def test_a_priced_model_that_is_not_served_is_named_with_those_that_are(
    kind: InferenceEndpointKind, endpoint: Endpoint
) -> None:
    with pytest.raises(EndpointUnusable, match="does not serve gpt-9; it serves hermes-4, llama-3"):
        kind.create(news(endpoint, prices={"gpt-9": {}}))
    endpoint.body = b'{"data": []}'
    with pytest.raises(EndpointUnusable, match="it serves nothing"):
        kind.create(news(endpoint, prices={"gpt-9": {}}))


def test_nobody_listens(kind: InferenceEndpointKind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(EndpointUnusable, match="does not answer"):
        kind.create({"base_url": f"http://127.0.0.1:{port}/v1"})


@pytest.mark.parametrize(
    "host", ["api.lambda.ai", "API.Lambda.AI", "api.lambdalabs.com", "api.lambda.ai.", "api.lambda.ai:443"]
)
def test_the_address_of_the_service_that_ended_is_refused(kind: InferenceEndpointKind, host: str) -> None:
    [(name, reason)] = kind.check({}, {"base_url": f"https://{host}/v1"}).failures
    assert name == "base_url"
    assert "2025-09-25" in reason


@pytest.mark.parametrize("url", ["", "localhost:8000", "not an address", "http://", "http://[::1/v1"])
def test_what_is_no_address_is_refused(kind: InferenceEndpointKind, url: str) -> None:
    assert [name for name, _ in kind.check({}, {"base_url": url}).failures] == ["base_url"]


def test_a_good_address_passes(kind: InferenceEndpointKind, endpoint: Endpoint) -> None:
    assert kind.check({}, news(endpoint)).failures == ()


def test_only_another_address_is_another_endpoint(kind: InferenceEndpointKind, endpoint: Endpoint) -> None:
    olds = news(endpoint, prices=PRICES)
    assert kind.diff(endpoint.url, olds, olds).changes == ()
    priced = kind.diff(endpoint.url, olds, news(endpoint, prices={}))
    assert (priced.changes, priced.replaces) == (("prices",), ())
    assert kind.diff(endpoint.url, olds, {"base_url": "http://127.0.0.2/v1"}).replaces == ("base_url",)


def test_an_update_asks_again(kind: InferenceEndpointKind, endpoint: Endpoint) -> None:
    outputs = kind.update(endpoint.url, {}, news(endpoint, prices=PRICES))
    assert outputs["unpriced_models"] == ["hermes-4"]


def test_a_refresh_while_it_is_down_keeps_what_was_known(
    kind: InferenceEndpointKind, endpoint: Endpoint
) -> None:
    created = kind.create(news(endpoint, prices=PRICES))
    endpoint.status = 503
    found = kind.read(created.id, created.outputs)
    assert (found.id, found.inputs) == (created.id, None)
    assert found.outputs == {**created.outputs, "healthy": False}
    endpoint.status = 200
    assert kind.read(created.id, found.outputs).outputs == created.outputs


def test_deleting_it_touches_nothing(kind: InferenceEndpointKind, endpoint: Endpoint) -> None:
    kind.delete(endpoint.url, {})
    assert endpoint.seen == []
