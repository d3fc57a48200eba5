"""One address that is asked for text over HTTP: loopback or https, within a deadline, up to a size."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from sophia_infra.metrics_client.errors import AccessRefused, AddressRefused, NotTheSource, Unreachable
from sophia_infra.model.loopback import is_loopback
from sophia_infra.model.printable import printable

__all__ = ["Answer", "HttpSource", "checked_address"]

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Thirty days of every GPU of the largest fleet are below 2 MiB; more is no answer to a query of ours."""

_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 20.0
_CHUNK_BYTES: Final = 65_536
_SHOWN_CHARACTERS: Final = 120


def checked_address(text: str, option: str, *, plain_http: bool = False) -> str:
    """`text` without a slash at its end, when it is an address that may be asked.

    Args:
        option: where it was given, for the message: "--prometheus".
        plain_http: http to another machine is fine: both are inside of one cluster.

    Raises:
        AddressRefused: not http or https, no host, a password or a query in it, or http to another machine.
    """
    example = f"give for example {option} http://127.0.0.1:9090"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused(f"{option} is not an address.", next_step=f"{example}.") from None
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(
            f"{option} has a user or password in it, which would end in logs.",
            next_step="take it out; a token belongs into PROMETHEUS_TOKEN.",
        )
    shown = printable(text)[:_SHOWN_CHARACTERS]
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise AddressRefused(f"{option} {shown!r} is not an http or https address.", next_step=f"{example}.")
    if parts.query or parts.fragment or port == 0:
        raise AddressRefused(
            f"{option} {shown!r} is more than an address.", next_step="leave out what follows the path."
        )
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise AddressRefused(
            f"{option} {shown!r} is http to another machine: anybody on the way can change the figures.",
            next_step="use https, or bring it here: kubectl port-forward, then http://127.0.0.1:PORT.",
        )
    return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: any status, the whole body."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(slots=True)
class HttpSource:
    """Asks one address; not safe to share between threads.

    Attributes:
        address: as `checked_address` returns it.
        name: of what is expected there, for messages: "Prometheus".
        token: sent as a Bearer token, and nowhere else; never part of a text.
        token_variable: where a token would be read from; None where it takes none.
    """

    address: str
    name: str
    token: str | None = field(default=None, repr=False)
    token_variable: str | None = None
    _session: requests.Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._session = requests.Session()
        host = urlsplit(self.address).hostname or ""
        self._session.trust_env = not is_loopback(host)  # a proxy cannot reach our own loopback
        self._session.auth = _Bearer(self.token)
        self._session.headers.update({"User-Agent": "sophia-infra", "Accept": "*/*"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Close the kept connection."""
        self._session.close()

    def get(self, path: str, query: dict[str, str] | None = None) -> Answer:
        """GET `path`.

        Raises:
            Unreachable: no whole answer within 20 s, or none of up to 32 MiB.
            AccessRefused: 401 or 403, where there may be a token.
            NotTheSource: it sends elsewhere; nobody follows, because the token was meant for this address.
        """
        deadline_s = time.monotonic() + _ANSWER_S
        try:
            with self._session.get(
                f"{self.address}{path}",
                params=query,
                timeout=(_CONNECT_S, _ANSWER_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = bytearray()
                for chunk in response.iter_content(_CHUNK_BYTES):
                    body += chunk
                    if time.monotonic() > deadline_s:
                        raise self._unreachable(f"did not end its answer within {_ANSWER_S:.0f} s")
                    if len(body) > MAX_ANSWER_BYTES:
                        raise self._unreachable("answers with more than 32 MiB")
        except requests.exceptions.SSLError:
            raise self._unreachable("shows a certificate that is not trusted here") from None
        except requests.exceptions.ConnectionError:
            raise self._unreachable("does not answer") from None
        except requests.exceptions.Timeout:
            raise self._unreachable(f"did not answer within {_ANSWER_S:.0f} s") from None
        except requests.RequestException as error:
            raise self._unreachable(f"broke its answer off ({type(error).__name__})") from None
        if response.status_code in (401, 403) and self.token_variable is not None:
            raise self._access_refused(response.status_code, self.token_variable)
        if 300 <= response.status_code < 400:
            raise NotTheSource(
                f"{self.name} was looked for at {self.address}, which sends elsewhere "
                f"(status {response.status_code}).",
                next_step="give the address that it sends to, if it is the right one.",
            )
        return Answer(response.status_code, bytes(body))

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable(
            f"{self.name} at {self.address} {what}.",
            next_step="see whether it runs and whether the address is right; then run this again.",
        )

    def _access_refused(self, status: int, variable: str) -> AccessRefused:
        said = f"does not take the token of {variable}" if self.token else "wants to know who asks"
        return AccessRefused(
            f"{self.name} at {self.address} {said} (status {status}).",
            next_step=f"put a token that it takes into the variable {variable}.",
        )


class _Bearer(requests.auth.AuthBase):
    # Set also without a token: else requests would look for one in .netrc.
    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request
