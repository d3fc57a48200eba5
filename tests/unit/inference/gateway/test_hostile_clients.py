"""The gateway on a real socket and a client that means harm: nothing is called, echoed, logged or kept."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.http_server import ThreadedServer
from sophia_infra.inference.gateway.app import make_app
from sophia_infra.inference.gateway.keys import make_key
from sophia_infra.inference.gateway.logs import set_up_logs
from sophia_infra.model.gateway import GatewayLimits
from tests.raw_http import exchange, status_of
from tests.unit.inference.gateway.door import QWEN, Site

PROMPT = "the-text-of-a-prompt-that-nobody-else-may-read"
BODY = json.dumps({"model": QWEN, "messages": [{"role": "user", "content": PROMPT}]}).encode()
CHAT = "/v1/chat/completions"
MAX_BODY_BYTES = 65_536


class Gate:
    """One gateway, whose calls are only noted, with its log."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder, GatewayLimits(max_body_bytes=MAX_BODY_BYTES))
        self.log = io.StringIO()
        self.server = ThreadedServer(make_app(self.site.door), "gateway")

    def post(self, body: bytes, *headers: str, path: str = CHAT, key: str | None = None) -> bytes:
        lines = [f"POST {path} HTTP/1.1", "Host: gateway", "Connection: close", *headers]
        if key:
            lines.append(f"Authorization: Bearer {key}")
        if not any("ontent-" in line or "chunked" in line for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        answer = exchange(self.server.url, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        self.server.server.call(asyncio.sleep(0))  # the line of the log comes after the answer
        return answer

    def is_serving(self) -> bool:
        health = b"GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
        return status_of(exchange(self.server.url, health)) == 200


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    made = Gate(tmp_path)
    set_up_logs("debug", made.log)
    try:
        with made.server:
            yield made
    finally:
        root.handlers[:], root.level = handlers, level


def refused(gate: Gate, answer: bytes, status: int) -> None:
    """Answered with `status`; no call was made, and the server still serves."""
    assert status_of(answer) == status, answer[:300]
    assert gate.site.calls.asked == []
    assert gate.site.door.held_bytes == 0
    assert gate.is_serving()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Authorization:",
        "Authorization: Bearer",
        "Authorization: Basic {key}",
        "Authorization: {key}",
        "Authorization: Bearer {key}x",
        "Authorization: Bearer {key}, Bearer {key}",
        "Authorization: Bearer {other}",
        "Authorization: Bearer " + "a" * 60_000,
        "Authorization: Bearer sk-sophia-\u00e9-{key}",
        "X-Api-Key: {key}",
        "Cookie: Authorization=Bearer {key}",
    ],
)
def test_without_the_right_key_nothing_is_called_and_no_key_comes_back(
    gate: Gate, header: str | None
) -> None:
    other = make_key("backend")
    headers = [] if header is None else [header.format(key=gate.site.key, other=other)]
    answer = gate.post(BODY, *headers)
    refused(gate, answer, 401)
    for key in (gate.site.key, other):
        assert key.encode() not in answer
        assert key.rpartition("-")[2] not in gate.log.getvalue()


def test_a_key_in_the_address_opens_nothing_and_is_not_logged(gate: Gate) -> None:
    refused(gate, gate.post(BODY, path=f"{CHAT}?api_key={gate.site.key}"), 401)
    assert gate.site.key not in gate.log.getvalue()


@pytest.mark.parametrize(
    "path",
    [
        f"/{CHAT}",
        f"{CHAT}/",
        f"/x/..{CHAT}",
        "/v1/./chat/completions",
        "/v1/chat%2Fcompletions%00",
        "/v1//chat/completions",
        "/V1/chat/completions",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/metrics",
        "/\\metrics",
        "/metrics;x",
        "/health%0d%0aX-Evil:%201",
        f"http://elsewhere{CHAT}/x",
    ],
)
def test_an_address_that_only_looks_like_one_of_ours_is_refused(gate: Gate, path: str) -> None:
    answer = gate.post(BODY, path=path, key=gate.site.key)
    assert status_of(answer) in (400, 404, 405), answer[:300]
    assert b"x-evil" not in answer.lower()
    assert b"passwd" not in answer
    assert gate.site.calls.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 5", "Content-Length: 900"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
        ["Content-Length: -1"],
        ["Content-Length: 1e3"],
        ["Content-Length : 5"],
        ["X-A: b\r\n Content-Length: 5", "Content-Length: 900"],
        ["X-A: b\x00c"],
        ["X A: b"],
    ],
)
def test_a_request_that_two_servers_could_read_differently_is_refused(gate: Gate, headers: list[str]) -> None:
    """What one server takes for a body, the next one could take for a request of somebody else."""
    answer = gate.post(b"0\r\n\r\n" + BODY, *headers, key=gate.site.key)
    refused(gate, answer, 400)
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("name", ["x-session-id", "x-sophia-latency", "x-sophia-strategy", "x-request-id"])
@pytest.mark.parametrize("value", ["a\nX-Evil: 1", "a\rX-Evil: 1", "\x7fa", "a" * 3_000])
def test_no_header_of_a_caller_comes_back_or_breaks_a_line(gate: Gate, name: str, value: str) -> None:
    answer = gate.post(BODY, f"{name}: {value}", key=gate.site.key)
    assert b"x-evil" not in answer.lower().partition(b"\r\n\r\n")[0]
    assert b"a" * 100 not in answer
    assert "a" * 200 not in gate.log.getvalue()
    assert all(json.loads(line) for line in gate.log.getvalue().splitlines())


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]
)
def test_a_form_of_a_web_page_is_refused(gate: Gate, kind: str) -> None:
    headers = (f"Content-Type: {kind}", f"content-length: {len(BODY)}")
    refused(gate, gate.post(BODY, *headers, key=gate.site.key), 415)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 60_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b'{"model": ' + b"9" * 60_000 + b"}", 400),
        (b'{"messages": "' + PROMPT.encode() + b'"}', 400),
        (BODY.replace(PROMPT.encode(), b"\xff\xfe"), 400),
        (BODY.replace(PROMPT.encode(), b"\\ud800"), 400),
        (b"\x1f\x8b" + BODY, 400),
        (b"x" * (MAX_BODY_BYTES + 1), 413),
    ],
    ids=["brackets", "depth", "number", "type", "bytes", "surrogate", "compressed", "size"],
)
def test_a_body_that_is_no_call_is_refused_without_its_text(gate: Gate, body: bytes, status: int) -> None:
    answer = gate.post(body, key=gate.site.key)
    refused(gate, answer, status)
    assert PROMPT.encode() not in answer
    assert len(answer) < 2_000
    assert PROMPT not in gate.log.getvalue()


def test_a_body_without_a_stated_end_is_cut_at_the_limit(gate: Gate) -> None:
    piece = b"1000\r\n" + b"x" * 4_096 + b"\r\n"
    answer = gate.post(piece * 40 + b"0\r\n\r\n", "Transfer-Encoding: chunked", key=gate.site.key)
    refused(gate, answer, 413)


def test_a_key_in_the_place_of_a_model_is_in_no_log(gate: Gate) -> None:
    gate.post(BODY.replace(QWEN.encode(), gate.site.key.encode()), key=gate.site.key)
    gate.post(BODY, key=gate.site.key)
    log = gate.log.getvalue()
    assert gate.site.key.rpartition("-")[2] not in log
    assert log.count(f'"asked_model":"{QWEN}"') == 1


def test_a_prompt_is_in_no_log_even_at_its_lowest_level(gate: Gate) -> None:
    assert status_of(gate.post(BODY, key=gate.site.key)) == 200
    gate.site.calls.error = RuntimeError(f"something with {PROMPT} and {gate.site.key}")
    answer = gate.post(BODY, key=gate.site.key)
    assert status_of(answer) == 500
    assert PROMPT.encode() not in answer
    assert gate.site.key.encode() not in answer
    log = gate.log.getvalue()
    assert log.count('"message":"call"') == 2
    assert PROMPT not in log
    assert gate.site.key.rpartition("-")[2] not in log
