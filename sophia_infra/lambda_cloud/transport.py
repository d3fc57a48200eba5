"""Sends one operation: slot, attempt, and another attempt where that cannot do a thing twice.

Retried are 429, 5xx, `global/internal-error`, `provider/...` and broken connections, within one deadline.
An operation that is not repeatable is retried only when it cannot have been carried out: after a 429, which
is a refusal before any work, or when no connection could be opened.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy

import requests
import requests.adapters
import requests.auth
import urllib3.exceptions

from sophia_infra.lambda_cloud.addresses import BaseUrl
from sophia_infra.lambda_cloud.broken_connections import unreachable
from sophia_infra.lambda_cloud.errors import (
    LambdaCloudError,
    RateLimited,
    ServerFault,
    UnexpectedAnswer,
    Unreachable,
)
from sophia_infra.lambda_cloud.observing import Observer, Outcome, outcome_of
from sophia_infra.lambda_cloud.operations import Operation
from sophia_infra.lambda_cloud.pacing import Pacer
from sophia_infra.lambda_cloud.redaction import excerpt
from sophia_infra.lambda_cloud.refusals import refusal
from sophia_infra.lambda_cloud.retry_after import parse_http_date, parse_retry_after
from sophia_infra.lambda_cloud.retrying import RetryPlan
from sophia_infra.model.clock import Clock

__all__ = ["Answer", "Transport", "user_agent"]

REQUEST_ID_HEADERS = ("X-Request-Id", "Request-Id", "CF-Ray")
"""Where a request id may stand when the body has none; CF-Ray is the edge's own."""

RETRIED = (RateLimited, ServerFault, Unreachable)
"""What a wait of seconds can cure. Conflict and InUse take minutes: their wait is the caller's."""

_CONNECTIONS_KEPT = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A success of the API."""

    envelope: Mapping[str, object]
    """The whole body: `data`, and `page_token` where the operation has pages."""

    http_status: int
    request_id: str | None

    @property
    def payload(self) -> object:
        """What stands under `data`."""
        return self.envelope["data"]


class Transport:
    """Sends operations to one base URL with one key. Safe to share between threads.

    Args:
        base: where to; never in clear to another machine.
        api_key: sent as a Bearer token, and nowhere else.
        clock: for backoff, deadline and Retry-After dates. Socket timeouts are real seconds.
        pacer: asked before every attempt.
        timeout_connect_s: seconds to open a connection.
        timeout_read_s: seconds between two pieces of an answer.
        retry_plan: waits and deadline.
        random_part: gives 0 to 1, for the jitter.
        observer: told of every attempt; nobody when None.
    """

    def __init__(
        self,
        base: BaseUrl,
        api_key: str,
        *,
        clock: Clock,
        pacer: Pacer,
        timeout_connect_s: float,
        timeout_read_s: float,
        retry_plan: RetryPlan,
        random_part: Callable[[], float] = random.random,
        observer: Observer | None = None,
    ) -> None:
        self._base = base
        self._api_key = api_key
        self._clock = clock
        self._pacer = pacer
        self._timeouts_s = (timeout_connect_s, timeout_read_s)
        self._plan = retry_plan
        self._random_part = random_part
        self._observer = observer
        self._session = self._new_session()

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def send(
        self,
        operation: Operation,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        body: object = None,
        before_attempt: Callable[[], None] | None = None,
    ) -> Answer:
        """Perform `operation` at `path` (its own path with the ids filled in) and return the success.

        Args:
            before_attempt: called each time right before the request leaves, after all waiting; what it
                raises ends the call, and nothing is sent.

        Raises:
            LambdaCloudError: the class and its `may_have_happened` tell what is known. The latter stays
                True once any attempt was unclear, also when the last one was a plain refusal.
        """
        unclear = False
        spent_s = 0.0
        for attempt in range(1, self._plan.attempts_max + 1):
            self._pacer.wait(operation.slot)
            began_s = self._clock.now()
            if before_attempt is not None:
                before_attempt()
            try:
                return self._attempt(operation, path, query, body)
            except LambdaCloudError as error:
                unclear = unclear or error.may_have_happened
                error.during(
                    operation.operation_id, repeatable=operation.repeatable, may_have_happened=unclear
                )
                error.attempts = attempt
                spent_s += self._clock.now() - began_s
                delay_s = self._delay_s(error, spent_s)
                if delay_s is None:
                    raise
                _log.info("attempt %d failed, next in %.1f s: %s", attempt, delay_s, error)
            self._clock.sleep(delay_s)
            spent_s += delay_s
        raise AssertionError("the last attempt either returns or raises")

    def _delay_s(self, error: LambdaCloudError, spent_s: float) -> float | None:
        """Seconds until the next attempt; None when there must be none."""
        if not isinstance(error, RETRIED) or not error.retry or error.attempts >= self._plan.attempts_max:
            return None
        delay_s = self._plan.delay_s(error.attempts, error.retry_after_s, self._random_part)
        return delay_s if spent_s + delay_s <= self._plan.deadline_s else None

    def _attempt(
        self,
        operation: Operation,
        path: str,
        query: Mapping[str, str | Sequence[str]] | None,
        body: object,
    ) -> Answer:
        began_s = self._clock.now()
        response: requests.Response | None = None
        try:
            response = self._request(operation, path, query, body)
            answer = self._read(operation, response)
        except LambdaCloudError as error:
            self._tell(operation, outcome_of(error), began_s, response)
            raise
        self._tell(operation, "ok", began_s, response)
        return answer

    def _tell(
        self, operation: Operation, outcome: Outcome, began_s: float, response: requests.Response | None
    ) -> None:
        if self._observer is None:
            return
        server_s = None if response is None else parse_http_date(response.headers.get("Date"))
        duration_s = self._clock.now() - began_s
        self._observer.on_attempt(operation.operation_id, outcome, duration_s, server_s)

    def _request(
        self,
        operation: Operation,
        path: str,
        query: Mapping[str, str | Sequence[str]] | None,
        body: object,
    ) -> requests.Response:
        session = self._session if operation.repeatable else self._new_session()
        try:
            return session.request(
                operation.method,
                f"{self._base.url}{path}",
                params=query,
                json=body,
                timeout=self._timeouts_s,
                allow_redirects=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise unreachable(operation, error, self._base.url) from error
        finally:
            if session is not self._session:
                session.close()

    def _read(self, operation: Operation, response: requests.Response) -> Answer:
        headers = response.headers
        request_id = next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), None)
        if not 200 <= response.status_code < 300:
            raise refusal(
                response.status_code,
                response.content,
                is_write=operation.is_write,
                request_id=request_id,
                retry_after_s=parse_retry_after(headers.get("Retry-After"), self._clock.now()),
            )
        try:
            envelope = json.loads(response.content)
        except ValueError as error:
            raise _unreadable(operation, response, request_id) from error
        if not isinstance(envelope, dict) or "data" not in envelope:
            raise UnexpectedAnswer(
                f"a success without `data`: {excerpt(response.text)}",
                http_status=response.status_code,
                request_id=request_id,
                may_have_happened=operation.is_write,
            )
        return Answer(envelope, response.status_code, request_id)

    def _new_session(self) -> requests.Session:
        """A session with our own headers and nothing from `.netrc`.

        What must not be sent twice gets a session of its own: a kept connection that the server closes
        while we write looks the same as one that broke after the work was done.
        """
        session = requests.Session()
        session.trust_env = not self._base.is_loopback  # a proxy cannot reach our own loopback
        session.auth = _Bearer(self._api_key)
        session.headers.update({"User-Agent": user_agent(), "Accept": "application/json"})
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = requests.adapters.HTTPAdapter(
            pool_connections=1, pool_maxsize=_CONNECTIONS_KEPT, max_retries=0
        )
        session.mount(self._base.url, adapter)
        return session


class _Bearer(requests.auth.AuthBase):
    # As an object and not as a header, because requests lets `.netrc` overwrite a header.
    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


@cache
def user_agent() -> str:
    """`sophia-infra/<version>`. Lambda's edge refuses the default ones of Python's libraries."""
    try:
        version = importlib.metadata.version("sophia-infra")
    except importlib.metadata.PackageNotFoundError:
        version = "0+source"
    return f"sophia-infra/{version}"


def _unreadable(
    operation: Operation, response: requests.Response, request_id: str | None
) -> LambdaCloudError:
    """A success whose body is no JSON: cut off on the way, or not from the API at all."""
    is_cut = response.headers.get("Content-Type", "").startswith("application/json")
    chosen = Unreachable if is_cut else UnexpectedAnswer
    found = "the answer was cut off" if is_cut else f"a success that is no JSON: {excerpt(response.text)}"
    return chosen(
        found,
        http_status=response.status_code,
        request_id=request_id,
        may_have_happened=operation.is_write,
    )
