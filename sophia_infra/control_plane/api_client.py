"""A small client of the API server: certificates both ways, answers as plain data, errors as it says them."""

from __future__ import annotations

import base64
import json
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from sophia_infra.control_plane.errors import RequestRefused, Unreachable

__all__ = ["APPLY", "JSON", "MERGE", "ApiClient"]

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"

FIELD_MANAGER = "sophia-infra-control-plane"

REQUEST_TIMEOUT_S = 20.0
IDLE_LIMIT_S = 30.0
"""A connection that was idle for longer is opened anew: the server closes it after 90 s."""


class ApiClient:
    """Talks to the API server of a kubeconfig that `build_kubeconfig` made. Not for several threads.

    http.client, not requests: `sophia status` looks at the plane, and must not pay for more imports.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        document = json.loads(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.server: str = cluster["server"]
        self._address = urlsplit(self.server)
        self._timeout_s = timeout_s
        self._tls = _tls_context(cluster, user)
        self._connection: HTTPSConnection | None = None
        self._clock = clock
        self._used_at_s = clock()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> Any:
        """Send one request and return the answer: parsed JSON, or text where it is none (`ok`).

        Raises:
            RequestRefused: the server answered with an error, in its own words.
            Unreachable: there was no answer.
        """
        status, text = self._send(method, path, body, content_type, query)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text
        if status >= 400:
            fields = answer if isinstance(answer, dict) else {}
            message = str(fields.get("message") or text.strip() or f"HTTP {status}")
            raise RequestRefused(message, status=status, reason=str(fields.get("reason", "")))
        return answer

    def apply(self, path: str, body: Mapping[str, Any]) -> Any:
        """Server-side apply as this room's field manager, also where somebody else set a field."""
        return self.request("PATCH", path, body, content_type=APPLY, fieldManager=FIELD_MANAGER, force="true")

    def _send(
        self, method: str, path: str, body: Any, content_type: str, query: Mapping[str, str]
    ) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": JSON, **({"Content-Type": content_type} if data else {})}
        target = f"{path}?{urlencode(query)}" if query else path
        if self._clock() - self._used_at_s > IDLE_LIMIT_S:
            self.close()
        is_reused = self._connection is not None
        try:
            return self._ask(method, target, data, headers)
        except (RemoteDisconnected, ssl.SSLEOFError) as error:
            self.close()
            # The server may close a connection just now; these two may be sent again.
            if is_reused and method in ("GET", "DELETE"):
                return self._send(method, path, body, content_type, query)
            raise self._unreachable(error) from error
        except (OSError, HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _ask(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        if self._connection is None:
            self._connection = HTTPSConnection(
                str(self._address.hostname), self._address.port, timeout=self._timeout_s, context=self._tls
            )
        self._connection.request(method, target, body=data, headers=headers)
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        self._used_at_s = self._clock()
        return response.status, text

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.server} does not answer: {error}")


def _tls_context(cluster: Mapping[str, str], user: Mapping[str, str]) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode("ascii")
    context = ssl.create_default_context(cadata=authority)
    pair = b"\n".join(base64.b64decode(user[name]) for name in ("client-certificate-data", "client-key-data"))
    with _private_file(pair) as file:
        context.load_cert_chain(file)
    return context


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """A file of mode 0600 for the moment in which OpenSSL reads it: it takes no key from memory."""
    descriptor, name = tempfile.mkstemp(prefix="sophia-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        yield name
    finally:
        Path(name).unlink(missing_ok=True)
