"""The ESC emulator holds stand-ins for secrets; whoever has no token gets none, however it asks."""

from __future__ import annotations

import pytest
import requests

from sophia_infra.esc.client import EscClient
from sophia_infra.esc.emulator.server import EscEmulatorServer
from tests.raw_http import exchange, status_of
from tests.unit.esc.esc_values import TOKEN, save

SECRET = "value-that-only-a-token-opens"
TEXT = f"values: {{password: {{fn::secret: {SECRET}}}}}"
PLACE = "/api/esc/environments/sophia/platform/test"


@pytest.mark.parametrize(
    "header",
    ["", f"token {TOKEN}x", f"token {TOKEN[:-1]}", f"Bearer {TOKEN}", TOKEN, f"Token {TOKEN}"],
)
def test_another_token_opens_nothing(emulator: EscEmulatorServer, client: EscClient, header: str) -> None:
    save(client, TEXT)
    for method, path in (("GET", PLACE), ("POST", f"{PLACE}/open"), ("GET", f"{PLACE}/decrypt")):
        answer = requests.request(
            method, emulator.url + path, headers={"Authorization": header} if header else {}, timeout=10
        )
        assert answer.status_code in (401, 404)
        assert SECRET not in answer.text
        assert TOKEN not in answer.text


@pytest.mark.parametrize("path", [f"/{PLACE}", f"{PLACE}/../test", "/api/esc/%2e%2e/esc/environments", "/.."])
def test_no_path_leads_around_the_token(emulator: EscEmulatorServer, client: EscClient, path: str) -> None:
    save(client, TEXT)
    answer = exchange(emulator.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) in (401, 404)
    assert SECRET.encode() not in answer


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
@pytest.mark.parametrize(("method", "path"), [("POST", "faults"), ("DELETE", "faults"), ("GET", "requests")])
def test_a_web_page_can_set_no_fault(
    emulator: EscEmulatorServer, header: str, method: str, path: str
) -> None:
    answer = requests.request(
        method,
        f"{emulator.url}/_emulator/{path}",
        data='{"operation": "*", "status": 500}',
        headers={header: "null"},
        timeout=10,
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("body", [b"[" * 100_000, b"x" * 3_000_000, b"\xff"], ids=["depth", "size", "bytes"])
@pytest.mark.usefixtures("client")
def test_a_body_that_is_none_is_refused(emulator: EscEmulatorServer, body: bytes) -> None:
    headers = {"Authorization": f"token {TOKEN}"}
    for method, path in (
        ("POST", "/_emulator/faults"),
        ("PATCH", PLACE),
        ("POST", "/api/esc/environments/sophia"),
    ):
        answer = requests.request(method, emulator.url + path, data=body, headers=headers, timeout=20)
        assert answer.status_code in (400, 413, 422), (path, answer.text[:200])
        assert len(answer.text) < 2_000
