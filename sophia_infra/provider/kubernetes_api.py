"""A few reading calls to a cluster's API server, over TLS that trusts this cluster's authority alone."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

__all__ = ["Answer", "ApiAccess", "ask_api"]

_MOST_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """How to reach one API server. Nothing of it but the address is shown by repr."""

    url: str
    server_name: str = field(repr=False)
    ca_certificate: str = field(repr=False)
    client_certificate: str = field(repr=False)
    client_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        kind: "ok" (2xx), "refused" (401, 403: it does not accept our certificate), "stranger" (TLS: it is
            not the server of this cluster), "busy" (any other status), "silent" (no answer).
        words: why, for a person; "" when ok.
        body: text of an ok answer.
    """

    kind: Literal["ok", "refused", "stranger", "busy", "silent"]
    words: str = ""
    body: str = ""

    def document(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def ask_api(access: ApiAccess, path: str, timeout_s: float = 5.0) -> Answer:
    """GET `path`. Never raises for what the network or the server does; `timeout_s` of real time per step."""
    try:
        connection = _Connection(access, timeout_s)
    except (ssl.SSLError, ValueError):
        return Answer("refused", "the certificates in the state, or the address, cannot be read")
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        text = response.read(_MOST_BYTES).decode("utf-8", "replace")
    except ssl.SSLCertVerificationError as error:
        return Answer("stranger", f"its certificate is not of this cluster: {error.verify_message}")
    except ssl.SSLError as error:
        return Answer("refused", f"TLS: {error.reason}")
    except (OSError, http.client.HTTPException) as error:
        return Answer("silent", (error.strerror if isinstance(error, OSError) else None) or "no answer")
    finally:
        connection.close()
    if 200 <= response.status < 300:
        return Answer("ok", body=text)
    if response.status in (401, 403):
        return Answer(
            "refused", f"HTTP {response.status}: it does not accept the administrator's certificate"
        )
    return Answer("busy", f"HTTP {response.status}")


class _Connection(http.client.HTTPSConnection):
    """Asks for the server by a name that is in its certificate, whatever its address is now."""

    def __init__(self, access: ApiAccess, timeout_s: float) -> None:
        parts = urlsplit(access.url)
        self._tls = _context(access)
        self._server_name = access.server_name
        super().__init__(parts.hostname or "", parts.port or 443, timeout=timeout_s, context=self._tls)

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)


def _context(access: ApiAccess) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=access.ca_certificate)
    # The ssl module takes a key only as a file: one that nobody else can read, for as long as it takes.
    descriptor, path = tempfile.mkstemp(prefix="sophia-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(access.client_certificate + access.client_key)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
