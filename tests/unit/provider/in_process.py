"""An emulated account that answers in the thread that asks: the whole client and emulator, without HTTP.

A life of ten thousand requests spends most of its time in `requests`, sockets and thread switches, which are
the subject of tests/unit/lambda_cloud and tests/emulator. That a client cannot tell the two apart is shown by
`test_provider_in_process.py`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Coroutine, Mapping, MutableMapping
from http.client import IncompleteRead
from types import TracebackType
from typing import Any, Final, Self
from unittest import mock
from urllib.parse import unquote, urlencode, urlsplit

import requests
from requests.exceptions import ChunkedEncodingError
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ProtocolError

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.emulator.wire.app import create_app
from sophia_infra.http_server import TRANSPORT_EXTENSION

__all__ = ["InProcessServer"]

# Nobody listens on ports as low as these: what is sent to an account that is closed is refused at once.
_PORTS: Final = itertools.count(1)
_OPEN: Final[dict[str, InProcessServer]] = {}
_OVER_HTTP: Final = requests.Session.request


class InProcessServer(EmulatorServer):
    """An `EmulatorServer` without a port: an account under a URL of its own while the `with` block lasts.

    Whatever a `requests.Session` of this process asks it is answered before the call returns; what it asks
    others goes its usual way. A fault that holds an answer back has nobody who could let it go, and fails.

    Args:
        cloud: the account to serve, or settings for a new one with a virtual clock.
    """

    def __init__(self, cloud: Cloud | CloudSettings | None = None) -> None:
        super().__init__(cloud)
        self.url = f"http://127.0.0.1:{next(_PORTS)}"
        self._app = create_app(self.cloud)

    def __enter__(self) -> Self:
        if not _OPEN:
            _PATCH.start()
        _OPEN[self.url] = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del _OPEN[self.url]
        if not _OPEN:
            _PATCH.stop()

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> requests.Response:
        """What the account answers. requests.ConnectionError: it cut the connection, before or within."""
        line = _Line(body)
        _finish(self._app(_scope(method, url, headers, line), line.receive, line.send))
        if line.status is None:
            raise requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError()))
        missing = int(line.headers.get("content-length", len(line.sent))) - len(line.sent)
        if missing:
            raise ChunkedEncodingError(ProtocolError("cut off", IncompleteRead(line.sent, missing)))
        answer = requests.Response()
        answer.status_code, answer.headers, answer.url = line.status, line.headers, url
        answer.encoding, answer._content = "utf-8", line.sent
        return answer


def _request(
    session: requests.Session,
    method: str,
    url: str,
    params: Any = None,
    headers: Mapping[str, str] | None = None,
    auth: Any = None,
    json: Any = None,
    **more: Any,
) -> requests.Response:
    account = _OPEN.get(url[: url.find("/", len("http://"))])
    if account is None:
        return _OVER_HTTP(session, method, url, params, headers=headers, auth=auth, json=json, **more)
    request = requests.PreparedRequest()
    request.headers = CaseInsensitiveDict()
    for name, value in (*session.headers.items(), *(headers or {}).items()):
        request.headers[name] = str(value)
    auth = auth or session.auth
    if auth is not None:
        auth(request)
    query = f"?{urlencode(params, doseq=True)}" if params else ""
    return account.answer(method.upper(), url + query, request.headers, _body(json, more.get("data")))


_PATCH: Final = mock.patch.object(requests.Session, "request", _request)


class _Line:
    """One request and its answer; also what the emulator takes for the connection, to cut it."""

    def __init__(self, body: bytes) -> None:
        self.status: int | None = None
        self.headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        self.sent = b""
        self._messages = iter([{"type": "http.request", "body": body}])

    async def receive(self) -> MutableMapping[str, Any]:
        return next(self._messages, {"type": "http.disconnect"})

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                self.headers[name.decode("latin-1")] = value.decode("latin-1")
        else:
            self.sent += message.get("body", b"")

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """What was sent has arrived; nothing more does."""

    def abort(self) -> None:
        self.status = None


def _scope(method: str, url: str, headers: Mapping[str, str], line: _Line) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": parts.scheme,
        "server": (parts.hostname, parts.port),
        "root_path": "",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ],
        "extensions": {TRANSPORT_EXTENSION: line},
    }


def _body(value: Any, data: str | bytes | None) -> bytes:
    if value is not None:
        return json.dumps(value).encode()
    return data.encode() if isinstance(data, str) else data or b""


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise AssertionError("the account waits, and nobody else is here to let it go on")
