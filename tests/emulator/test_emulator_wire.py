"""Keys, paths, methods and bodies: what is refused before the account is asked."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.emulator.emulator_client import API_KEY, REGION, RULE, Api, launch_body

BASIC = base64.b64encode(f"{API_KEY}:".encode()).decode()


@pytest.mark.parametrize("header", [f"Bearer {API_KEY}", f"Basic {BASIC}", f"Basic {API_KEY}"])
def test_all_three_documented_key_forms_pass(api: Api, header: str) -> None:
    assert api.get("/regions", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic d3Jvbmc6", "Digest x"])
def test_other_keys_get_401_even_for_paths_that_do_not_exist(api: Api, header: str) -> None:
    for path in ("/regions", "/nowhere"):
        assert api.get(path, headers={"Authorization": header}).status_code == 401


def test_without_configured_keys_any_key_passes_but_none_does_not(make_api: Callable[..., Api]) -> None:
    api = make_api(api_keys=())
    assert api.get("/regions", headers={"Authorization": "Bearer anything"}).status_code == 200
    assert api.get("/regions", headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("path", ["/clusters", "/user", "/instances/", "/instances/a/b", ""])
def test_a_path_that_does_not_exist_answers_404_not_found(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "global/not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/file-systems"),
        ("GET", "/filesystems"),
        ("DELETE", "/firewall-rulesets/global"),
        ("PATCH", "/instances/0920582c7ff041399e34823a0be62549"),
        ("HEAD", "/instances"),
    ],
)
def test_a_wrong_method_answers_405_with_the_right_ones(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"]


@pytest.mark.parametrize("instance_id", ["a%2Fb", "a%0Ab", "%00", "%FF", "..%2F..", "a%3Fb"])
def test_an_encoded_character_stays_inside_an_id(api: Api, instance_id: str) -> None:
    answer = api.get(f"/instances/{instance_id}")
    assert answer.json()["error"]["code"] == "global/object-does-not-exist"


BAD_BODIES: list[tuple[str, str, Any]] = [
    ("POST", "/ssh-keys", {"name": "a", "extra": 1}),
    ("POST", "/ssh-keys", {"name": 1}),
    ("POST", "/ssh-keys", {"name": "a" * 65}),
    ("POST", "/ssh-keys", ["name"]),
    ("POST", "/ssh-keys", {"name": "a", "public_key": "k" * 4097}),
    ("POST", "/filesystems", {"name": "1st", "region": REGION}),
    ("POST", "/filesystems", {"name": "a" * 61, "region": REGION}),
    ("POST", "/filesystems", {"name": "models", "region": "moon-1"}),
    ("POST", "/fabric", {"name": "Upper", "region": REGION}),
    ("POST", "/firewall-rulesets", {"name": "w", "region": REGION}),
    ("POST", "/tickets", {"subject": "s", "description": "d", "type": "incident"}),
    (
        "POST",
        "/tickets",
        {"subject": "s", "description": "d", "type": "service_request", "severity": "sev_1"},
    ),
    ("PUT", "/firewall-rules", {"data": [RULE | {"protocol": "icmp"}]}),
    ("PUT", "/firewall-rules", {"data": [{k: v for k, v in RULE.items() if k != "port_range"}]}),
    ("PUT", "/firewall-rules", {"data": [RULE | {"port_range": [80, 22]}]}),
    ("PUT", "/firewall-rules", {"data": [RULE | {"port_range": [0, 22]}]}),
    ("PUT", "/firewall-rules", {"data": [RULE | {"source_network": "300.0.0.0/8"}]}),
    ("PUT", "/firewall-rules", {"data": [RULE | {"source_network": "::/0"}]}),
    ("PUT", "/firewall-rules", {"data": [RULE | {"description": "d" * 129}]}),
    ("POST", "/instance-operations/launch", {"region_name": REGION}),
    ("POST", "/instance-operations/terminate", {"instance_ids": "all"}),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD_BODIES)
def test_a_body_outside_the_document_answers_400(api: Api, method: str, path: str, body: Any) -> None:
    answer = api.call(method, path, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "global/invalid-parameters")


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"name": "\\ud800"}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_answers_400(api: Api, body: bytes) -> None:
    url = f"{api.emulator.url}/api/v1/ssh-keys"
    answer = api.session.post(url, data=body, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "global/invalid-parameters")


def test_error_texts_never_repeat_the_value(api: Api) -> None:
    answer = api.post("/instance-operations/launch", launch_body(user_data=["hunter2"], hostname="HUNTER2"))
    assert answer.status_code == 400
    assert "hunter2" not in answer.text.lower()


def test_a_body_above_the_limit_is_refused(api: Api) -> None:
    answer = api.post("/ssh-keys", {"name": "a", "public_key": "k" * 1_200_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "global/invalid-parameters")


@pytest.mark.parametrize(
    "query",
    ["start=yesterday", "start=2026-01-01", "page_token=abc", "end=2026-06-30T23:59:60Z", "start=%FF"],
)
def test_a_bad_query_answers_400(api: Api, query: str) -> None:
    assert api.get(f"/audit-events?{query}").status_code == 400


def test_unknown_query_parameters_are_ignored(api: Api) -> None:
    assert api.get("/instances?colour=blue").status_code == 200


def test_a_cluster_has_the_machines_that_were_put_into_it(api: Api) -> None:
    """The API makes none: what a launch made is part of one only when a test says so."""
    node, _ = api.launch(), api.launch()
    cluster_id = "0920582c7ff041399e34823a0be62549"
    path = f"/instances?cluster_id={cluster_id}"
    assert api.get(path).json()["data"] == []
    assert api.control("POST", f"/instances/{node}/cluster", {"cluster_id": cluster_id}).status_code == 200
    assert [row["id"] for row in api.get(path).json()["data"]] == [node]
    assert api.get("/instances?cluster_id=" + "0" * 32).json()["data"] == []
    assert len(api.get("/instances").json()["data"]) == 2
    assert api.control("POST", f"/instances/{node}/cluster", {"cluster_id": None}).status_code == 200
    assert api.get(path).json()["data"] == []


@pytest.mark.parametrize(("target", "cluster_id", "status"), [("0" * 32, "a" * 32, 404), (None, "x", 400)])
def test_what_is_no_machine_or_no_cluster_is_refused(
    api: Api, target: str | None, cluster_id: str, status: int
) -> None:
    node = api.launch()
    answer = api.control("POST", f"/instances/{target or node}/cluster", {"cluster_id": cluster_id})
    assert answer.status_code == status


def test_a_request_that_nobody_finished_does_not_disturb_the_next(api: Api) -> None:
    address = urlsplit(api.emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        head = f"POST /api/v1/ssh-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
        connection.sendall(head.encode() + b"Content-Length: 50\r\n\r\n{")
    assert api.get("/regions").status_code == 200
    assert api.cloud.ssh_keys.all() == []


def test_every_answer_is_dated_by_the_emulators_own_clock(api: Api) -> None:
    api.cloud.advance(86_400)
    for answer in (api.get("/regions"), api.get("/nowhere"), requests.get(api.emulator.url, timeout=10)):
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == int(api.cloud.now())
