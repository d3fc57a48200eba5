"""A few calls to a cluster's API server, over TLS that trusts this cluster's authority alone."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

__all__ = ["Answer", "ApiAccess", "Verb", "ask_api", "send_api"]

Verb = Literal["POST", "PATCH", "DELETE"]

_MOST_BYTES = 8_000_000
_TIMEOUT_S = 5.0
_WORDS_CHARACTERS = 200
_CONTENT_TYPES: Mapping[str, str] = {"PATCH": "application/merge-patch+json"}


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
            not the server of this cluster), "absent" (404), "later" (429: not now), "busy" (any other
            status), "silent" (no answer).
        words: why, for a person; "" when ok.
        body: text of an ok answer.
    """

    kind: Literal["ok", "refused", "stranger", "absent", "later", "busy", "silent"]
    words: str = ""
    body: str = ""

    def document(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def items(self) -> list[dict[str, Any]] | None:
        """The objects of a list; None when this is no list, which is not the same as an empty one."""
        document = self.document() if self.kind == "ok" else None
        items = document.get("items") if isinstance(document, dict) else None
        return items if isinstance(items, list) else None


def ask_api(access: ApiAccess, path: str) -> Answer:
    """GET `path`. Never raises for what the network or the server does; 5 s of real time per step."""
    return _call(access, "GET", path, None)


def send_api(access: ApiAccess, verb: Verb, path: str, body: Mapping[str, Any] | None = None) -> Answer:
    """Change something: POST an object, PATCH by a merge patch, or DELETE. As `ask_api` otherwise."""
    return _call(access, verb, path, body)


def _call(access: ApiAccess, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
    try:
        connection = _Connection(access, _TIMEOUT_S)
    except (ssl.SSLError, ValueError):
        return Answer("refused", "the certificates in the state, or the address, cannot be read")
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = _CONTENT_TYPES.get(method, "application/json")
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
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
    return _answer(response.status, text)


def _answer(status: int, text: str) -> Answer:
    if 200 <= status < 300:
        return Answer("ok", body=text)
    if status in (401, 403):
        return Answer("refused", f"HTTP {status}: it does not accept the administrator's certificate")
    document = Answer("busy", body=text).document()
    said = document.get("message") if isinstance(document, dict) else None
    words = f"HTTP {status}: {str(said)[:_WORDS_CHARACTERS]}" if said else f"HTTP {status}"
    if status == 404:
        return Answer("absent", words)
    return Answer("later" if status == 429 else "busy", words)


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
