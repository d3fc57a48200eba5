"""HTTPS to one API server: one pool for all threads, retries, one sentence per failure."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, ReadTimeoutError, SSLError

from sophia_infra.kubernetes_plugin.credentials import what_expired, why_refused
from sophia_infra.kubernetes_plugin.errors import ApiRefused, ClusterUnreachable
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig
from sophia_infra.kubernetes_plugin.transport import make_pool

REACH_LIMIT_S = 10.0
"""How long the first contact may take, name lookup included."""
UNREACHABLE_FOR_S = 5.0
"""How long a failed first contact answers for later requests, so that a run does not wait 10 s per object."""
RETRY_DELAYS_S = (0.2, 0.6, 1.5, 3.0)
"""Between attempts after a lost connection, 429, 503 and 504; a longer Retry-After of the server wins."""
LONGEST_RETRY_AFTER_S = 30.0

_APPLY = "application/apply-patch+yaml"
_CONNECT_S = 5.0
_TRANSIENT = frozenset({429, 503, 504})


class Connection:
    """Sends requests for many threads. `on_warning` gets what the server says in Warning headers.

    All requests may be sent twice: reads, server-side apply and deletion change nothing the second time.
    """

    def __init__(
        self,
        kubeconfig: Kubeconfig,
        *,
        timeout_s: float = 32.0,
        reach_limit_s: float = REACH_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._timeout = urllib3.Timeout(connect=_CONNECT_S, read=timeout_s)
        self._reach_limit_s = reach_limit_s
        self._clock = clock
        self._sleep = sleep
        self._headers = {"Accept": "application/json", "User-Agent": "sophia-infra"}
        if kubeconfig.token:
            self._headers["Authorization"] = f"Bearer {kubeconfig.token}"
        self._pool = make_pool(kubeconfig)
        self._reach_lock = threading.Lock()
        self._reached = threading.Event()
        self._failure: tuple[float, Exception] | None = None

    @property
    def server(self) -> str:
        return self._kubeconfig.server

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
        on_warning: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the decoded answer.

        Raises:
            ClusterUnreachable: no connection.
            CredentialsRefused: 401, or the server broke off the handshake because of our certificate.
            ApiRefused: any other answer that is not 2xx, after retries where they make sense.
        """
        self.reach()
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = _APPLY if apply else "application/json"
        for delay_s in RETRY_DELAYS_S:
            try:
                return self._once(method, url, data, headers, on_warning)
            except ApiRefused as refused:
                if refused.code not in _TRANSIENT:
                    raise
                self._sleep(max(delay_s, min(refused.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)))
            except ClusterUnreachable as lost:
                if not lost.retry:
                    raise
                self._sleep(delay_s)
        return self._once(method, url, data, headers, on_warning)

    def reach(self) -> None:
        """Make the first contact, once for all threads; return at once when it was made.

        Raises what `request` raises. A failure is remembered for a few seconds.
        """
        if self._reached.is_set():
            return
        with self._reach_lock:
            if self._reached.is_set():
                return
            if self._failure and self._clock() - self._failure[0] < UNREACHABLE_FOR_S:
                raise self._failure[1]
            failure = self._first_contact()
            if failure:
                self._failure = (self._clock(), failure)
                raise failure
            self._reached.set()

    def _first_contact(self) -> Exception | None:
        """Ask for the version in a thread that can be left behind: a name lookup has no time limit."""
        result: list[Exception | None] = []

        def ask() -> None:
            try:
                self._once("GET", f"{self.server}/version", None, self._headers, None)
                result.append(None)
            except ApiRefused as refused:
                # Whoever may not read the version may still be allowed what is asked for.
                result.append(None if refused.code in (403, 404) else refused)
            except Exception as error:
                result.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(self._reach_limit_s)
        if not result:
            return ClusterUnreachable(
                f"The API server {self.server} did not answer within {self._reach_limit_s:g} s: "
                "is the cluster running, and is port and address of the kubeconfig right?"
            )
        return result[0]

    def _once(
        self,
        method: str,
        url: str,
        data: bytes | None,
        headers: dict[str, str],
        on_warning: Callable[[str], None] | None,
    ) -> dict[str, Any]:
        try:
            answer = self._pool.request(
                method, url, body=data, headers=headers, timeout=self._timeout, retries=False, redirect=False
            )
        except (HTTPError, OSError) as error:
            raise self._explain(error) from None
        if on_warning:
            for line in answer.headers.getlist("Warning"):
                on_warning(_warning_text(line))
        if answer.status == 401:
            raise why_refused(self._kubeconfig, datetime.now(UTC))
        decoded = _decode(answer.data)
        if 200 <= answer.status < 300 and decoded is not None:
            return decoded
        raise _refusal(answer.status, decoded, answer.headers.get("Retry-After"), self.server)

    def _explain(self, error: Exception) -> Exception:
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        text = str(cause)
        if isinstance(cause, SSLError | ssl.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
            reason = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "not trusted"
            return _final(
                f"The certificate of the API server {self.server} does not fit this kubeconfig: {reason}."
            )
        if isinstance(cause, ReadTimeoutError):
            return _final(
                f"The API server {self.server} took longer than {self._timeout.read_timeout} s to answer."
            )
        if isinstance(cause, SSLError | ssl.SSLError | ProtocolError):
            # A server that checks certificates in the handshake breaks off, with an alert if we are in luck.
            now = datetime.now(UTC)
            refused = what_expired(self._kubeconfig, now)
            if refused or "alert" in text.lower():
                return refused or why_refused(self._kubeconfig, now)
            return ClusterUnreachable(f"The API server {self.server} broke off the connection.")
        return ClusterUnreachable(
            f"The API server {self.server} cannot be reached ({_short(text)}): "
            "is the cluster running, and is port and address of the kubeconfig right?"
        )


def _decode(data: bytes) -> dict[str, Any] | None:
    try:
        decoded = json.loads(data)
    except ValueError:
        return None
    return decoded if isinstance(decoded, dict) else None


def _refusal(status: int, decoded: dict[str, Any] | None, retry_after: str | None, server: str) -> ApiRefused:
    retry_after_s = float(retry_after) if retry_after and retry_after.isdigit() else None
    if decoded is None or decoded.get("kind") != "Status":
        # Not the API server's words but those of a proxy before it, or no JSON: nothing worth showing.
        return ApiRefused(
            f"{server} answered with status {status} and no Kubernetes message.",
            code=status,
            retry_after_s=retry_after_s,
        )
    details = decoded.get("details") or {}
    return ApiRefused(
        str(decoded.get("message") or f"status {status}"),
        code=status,
        reason=str(decoded.get("reason") or ""),
        causes=details.get("causes") or (),
        retry_after_s=retry_after_s,
    )


def _warning_text(header: str) -> str:
    """`299 - "text"` -> text (RFC 7234, the form that API servers send)."""
    return header.partition('"')[2].rpartition('"')[0].replace('\\"', '"') or header


def _final(message: str) -> ClusterUnreachable:
    """A failure that the next attempt would meet again, or that has already taken long enough."""
    error = ClusterUnreachable(message)
    error.retry = False
    return error


def _short(text: str) -> str:
    """The last part of urllib3's message: what happened, without the object that it happened to."""
    return re.sub(r"^\[Errno -?\d+\] ", "", text.rpartition(": ")[2].strip("')(<> ")) or text
