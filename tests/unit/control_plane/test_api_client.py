"""A connection that the server closed while it was idle: reads are asked again, once; nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.control_plane import api_client
from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.errors import Unreachable


class Answer:
    status = 200

    def read(self) -> bytes:
        return b'{"kind": "Status"}'


class Server:
    """What each connection answers: one script of answers per connection, in order."""

    def __init__(self, *connections: list[Answer | RemoteDisconnected]) -> None:
        self._connections: Iterator[list[Answer | RemoteDisconnected]] = iter(connections)
        self.sent = 0

    def __call__(self, *_arguments: Any, **_settings: Any) -> Server:
        self._script = iter(next(self._connections))
        return self

    def request(self, *_arguments: Any, **_settings: Any) -> None:
        self.sent += 1

    def getresponse(self) -> Answer:
        answer = next(self._script)
        if isinstance(answer, RemoteDisconnected):
            raise answer
        return answer

    def close(self) -> None:
        pass


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    file = tmp_path / "kubeconfig"
    file.write_text(
        '{"clusters": [{"cluster": {"server": "https://127.0.0.1:1"}}], "users": [{"user": {}}]}',
        encoding="utf-8",
    )
    monkeypatch.setattr(api_client, "_tls_context", lambda _cluster, _user: None)
    return ApiClient(file)


def test_a_read_on_an_idle_connection_is_asked_again(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([Answer(), RemoteDisconnected("")], [Answer()])
    monkeypatch.setattr(api_client, "HTTPSConnection", server)
    assert client.request("GET", "/version") == client.request("GET", "/version") == {"kind": "Status"}
    assert server.sent == 3


def test_a_connection_that_was_idle_for_long_is_opened_anew_before_anything_is_sent(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server([Answer(), RemoteDisconnected("")], [Answer()])
    monkeypatch.setattr(api_client, "HTTPSConnection", server)
    now_s = 0.0
    monkeypatch.setattr(client, "_clock", lambda: now_s)
    client.request("GET", "/version")
    now_s = 31.0
    assert client.request("POST", "/version") == {"kind": "Status"}
    assert server.sent == 2


@pytest.mark.parametrize(
    ("method", "connections"),
    [
        ("POST", ([Answer(), RemoteDisconnected("")],)),
        ("GET", ([Answer(), RemoteDisconnected("")], [RemoteDisconnected("")])),
    ],
)
def test_a_change_and_a_second_failure_are_reported(
    client: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    connections: tuple[list[Answer | RemoteDisconnected], ...],
) -> None:
    monkeypatch.setattr(api_client, "HTTPSConnection", Server(*connections))
    client.request("GET", "/version")
    with pytest.raises(Unreachable):
        client.request(method, "/version")
