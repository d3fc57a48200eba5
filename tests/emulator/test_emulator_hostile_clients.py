"""A client that means harm, and a web page that its user opened: neither changes the account."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from sophia_infra.emulator.requests_seen import RequestsSeen
from tests.emulator.conftest import MakeApi
from tests.emulator.emulator_client import API_KEY, Api
from tests.raw_http import exchange, status_of

TOKEN = "the-token-of-the-control-api"
CHANGES = [
    ("POST", "/reset", None),
    ("POST", "/advance", {"seconds": 1}),
    ("POST", "/settings", {"quota_instances": 0}),
    ("POST", "/faults", {"operation": "listInstances", "when": "before", "action": "drop"}),
    ("DELETE", "/faults", None),
]


def ask(api: Api, request: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{request} HTTP/1.1", "Host: emulator", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return exchange(api.emulator.url, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer " + TOKEN[:-1],
        "Bearer " + TOKEN + "x",
        "Bearer  " + TOKEN,
        "bearer " + TOKEN,
        "Basic " + TOKEN,
        TOKEN,
        "Bearer \u00e9",
        f"Bearer {API_KEY}",
    ],
)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_only_the_control_token_opens_the_control_api(
    make_api: MakeApi, header: str | None, method: str, path: str, body: Any
) -> None:
    api = make_api(control_token=TOKEN)
    headers = [] if header is None else [f"Authorization: {header}"]
    sent = b"" if body is None else json.dumps(body).encode()
    answer = ask(api, f"{method} /_emulator{path}", *headers, body=sent)
    assert status_of(answer) == 401, answer
    assert TOKEN.encode() not in answer
    assert api.cloud.faults.all() == []


@pytest.mark.parametrize(
    "header", ["Origin: https://page.example", "Origin: null", "Sec-Fetch-Site: cross-site"]
)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_web_page_can_not_use_the_control_api_of_its_readers_machine(
    api: Api, header: str, method: str, path: str, body: Any
) -> None:
    """A form needs no permission of the server for a POST of text; its browser names the page, though."""
    sent = b"" if body is None else json.dumps(body).encode()
    answer = ask(api, f"{method} /_emulator{path}", header, "Content-Type: text/plain", body=sent)
    assert status_of(answer) == 403
    assert api.cloud.faults.all() == []
    assert api.cloud.settings.quota_instances != 0


@pytest.mark.parametrize(
    "path",
    [
        "//_emulator/state",
        "/_emulator//state",
        "/_emulator/../_emulator/state",
        "/api/v1/../../_emulator/state",
        "/_emulator%2Fstate",
        "/%5Femulator/state",
        "/_EMULATOR/state",
        "/api/_emulator/state",
        "/api/v1/_emulator/state",
        "/_emulator/state/",
        "/_emulator/state%00",
    ],
)
def test_no_path_leads_around_the_control_token(make_api: MakeApi, path: str) -> None:
    api = make_api(control_token=TOKEN)
    for headers in ([], [f"Authorization: Bearer {API_KEY}"]):
        answer = ask(api, f"GET {path}", *headers)
        assert status_of(answer) in (401, 404), answer
        assert b"ssh_keys" not in answer


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"seconds":' * 50_000, b"\xff", b"{", b"x" * 1_200_001, b'{"seconds": "\\ud800"}'],
    ids=["brackets", "depth", "bytes", "open", "size", "surrogate"],
)
@pytest.mark.parametrize("path", ["/advance", "/settings", "/faults", "/reset", "/capacity"])
def test_a_control_body_that_is_none_answers_400(api: Api, path: str, body: bytes) -> None:
    answer = requests.post(f"{api.emulator.url}/_emulator{path}", data=body, timeout=20)
    assert answer.status_code == 400
    assert len(answer.text) < 2_000


def test_a_body_without_end_is_not_kept(api: Api) -> None:
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = b"POST /_emulator/settings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    end = b"Connection: close\r\n\r\n"
    assert status_of(exchange(api.emulator.url, head, end, *[piece] * 30)) == 400


def test_the_keys_and_the_token_are_in_no_answer_of_the_control_api(make_api: MakeApi) -> None:
    api = make_api(control_token=TOKEN)
    api.get("/instances")
    api.get("/nowhere", headers={"Authorization": f"Bearer wrong-{API_KEY}"})
    for path in ("/health", "/state", "/settings", "/faults", "/requests"):
        answer = api.control("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert API_KEY not in answer.text
        assert TOKEN not in answer.text
    wrong = {"api_keys": [API_KEY], "control_token": 5}
    answer = api.control("POST", "/settings", wrong, headers={"Authorization": f"Bearer {TOKEN}"})
    assert API_KEY not in answer.text


def test_long_paths_do_not_fill_the_memory(api: Api) -> None:
    seen = RequestsSeen()
    seen.open(0.0, "GET", "/" + "a" * 60_000)
    assert len(seen.since(0)[0].path) < 2_000
    assert api.get("/instances/" + "a" * 60_000).status_code in (400, 404)
    assert api.get("/instances/" + "a" * 80_000).status_code == 400


@pytest.mark.parametrize("key", [f"{API_KEY}\r\nX-Evil: 1", "a\x00b", "\x7f", "a" * 70_000])
def test_a_key_with_odd_characters_opens_nothing(api: Api, key: str) -> None:
    answer = ask(api, "GET /api/v1/instances", f"Authorization: Bearer wrong{key}")
    assert status_of(answer) in (400, 401)
    assert b"x-evil" not in answer.lower()
