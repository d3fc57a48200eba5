"""The way to a backend: OpenAI's own client, raw and without its retries: the dispatcher has one deadline."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from sophia_infra.inference.clock import Clock, SystemClock
from sophia_infra.inference.errors import BackendEnded, SettingsRefused
from sophia_infra.inference.openai_paths import (
    HEALTH_PATH,
    MODELS_PATH,
    PATHS,
    read_count,
    read_models,
    root_of,
    tokenize_body,
)
from sophia_infra.inference.sse import EventStream
from sophia_infra.inference.transport_errors import attempt_failed
from sophia_infra.inference.upstream import AttemptFailed, Endpoint, RawAnswer, RawStream, Transport
from sophia_infra.model.gateway import BackendConfig, GatewayConfig
from sophia_infra.model.loopback import is_loopback

__all__ = ["BackendTransport", "EndedTransport", "make_transport", "make_transports"]

_CONNECT_TIMEOUT_S = 5.0
_LAST_RESORT_S = 1.0  # calls end at the dispatcher's deadline, which books them; this comes after it


class BackendTransport:
    """One backend over HTTP.

    Args:
        base_url: up to and with /v1.
        api_key: sent as a bearer token; None sends a word in its place, which vLLM without a key ignores.
        connections: at once; more wait for one.
    """

    def __init__(
        self, base_url: str, api_key: str | None, connections: int = 64, clock: Clock | None = None
    ) -> None:
        self._root_url = root_of(base_url)
        self._clock = clock or SystemClock()
        is_local = is_loopback(urlsplit(base_url).hostname or "")
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            max_retries=0,
            http_client=httpx2.AsyncClient(
                limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
                trust_env=not is_local,  # a proxy of the environment does not know our loopback
                follow_redirects=False,
            ),
        )

    async def complete(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawAnswer:
        """See `Transport.complete`."""
        response = await self._post(PATHS[endpoint], body, request_id, timeout_s, stream=False)
        return RawAnswer(response.status_code, response.content, _headers(response))

    async def open_stream(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawStream:
        """See `Transport.open_stream`."""
        response = await self._post(PATHS[endpoint], body, request_id, timeout_s, stream=True)
        return _ResponseStream(response, self._clock)

    async def count(self, model: str, body: Mapping[str, Any], timeout_s: float) -> int | None:
        """See `Transport.count`: vLLM's POST /tokenize, which applies the chat template too."""
        wanted = tokenize_body(model, body)
        try:
            response = await self._post(f"{self._root_url}/tokenize", wanted, "", timeout_s, stream=False)
        except AttemptFailed:
            return None
        return read_count(response.content)

    async def models(self, timeout_s: float) -> list[str]:
        """Names that the backend serves (GET /models).

        Raises:
            AttemptFailed: no answer, or none in OpenAI's form.
        """
        response = await self._get(MODELS_PATH, timeout_s)
        names = read_models(response.content)
        if names is None:
            raise AttemptFailed("malformed", status=response.status_code)
        return names

    async def is_healthy(self, timeout_s: float) -> bool:
        """Whether GET /health of the server's root answers 200, as vLLM's does once the model is loaded."""
        try:
            return (await self._get(f"{self._root_url}{HEALTH_PATH}", timeout_s)).status_code == 200
        except AttemptFailed:
            return False

    async def aclose(self) -> None:
        """See `Transport.aclose`."""
        await self._client.close()

    async def _post(
        self, path: str, body: Mapping[str, Any], request_id: str, timeout_s: float, *, stream: bool
    ) -> httpx2.Response:
        headers = {"x-request-id": request_id} if request_id else {}
        try:
            return await self._client.post(
                path,
                body=body,
                cast_to=httpx2.Response,
                stream=stream,
                options={"headers": headers, "timeout": _timeout(timeout_s + _LAST_RESORT_S)},
            )
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise attempt_failed(error, self._clock.now()) from None

    async def _get(self, path: str, timeout_s: float) -> httpx2.Response:
        try:
            return await self._client.get(
                path, cast_to=httpx2.Response, options={"timeout": _timeout(timeout_s)}
            )
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise attempt_failed(error, self._clock.now()) from None


class _ResponseStream:
    """`RawStream` over an open response."""

    def __init__(self, response: httpx2.Response, clock: Clock) -> None:
        self._response = response
        self._clock = clock
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()
        self._events = EventStream(self._next_piece)

    async def next(self) -> bytes | None:
        return await self._events.next()

    async def aclose(self) -> None:
        await self._response.aclose()

    async def _next_piece(self) -> bytes | None:
        try:
            return await anext(self._pieces, None)
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise attempt_failed(error, self._clock.now()) from None


class EndedTransport:
    """Lambda's Inference API: each use fails with the sentence that says so."""

    def __init__(self, backend: str) -> None:
        self._backend = backend

    async def complete(
        self,
        endpoint: Endpoint,  # noqa: ARG002
        body: Mapping[str, Any],  # noqa: ARG002
        *,
        request_id: str,  # noqa: ARG002
        timeout_s: float,  # noqa: ARG002
    ) -> RawAnswer:
        raise BackendEnded(self._backend)

    async def open_stream(
        self,
        endpoint: Endpoint,  # noqa: ARG002
        body: Mapping[str, Any],  # noqa: ARG002
        *,
        request_id: str,  # noqa: ARG002
        timeout_s: float,  # noqa: ARG002
    ) -> RawStream:
        raise BackendEnded(self._backend)

    async def count(self, model: str, body: Mapping[str, Any], timeout_s: float) -> int | None:  # noqa: ARG002
        return None

    async def aclose(self) -> None:
        """Nothing is open."""


def make_transport(
    name: str,
    backend: BackendConfig,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Transport:
    """The way to one backend of the configuration.

    Args:
        environ: where the key is looked up; the process's environment when None.

    Raises:
        SettingsRefused: the variable of the key is not set, or the address is not resolved yet.
    """
    if backend.kind == "lambda":
        return EndedTransport(name)
    if backend.base_url is None:
        raise SettingsRefused(f"backends.{name} has no base_url: the gateway's own file has addresses only.")
    api_key = None
    if backend.api_key_env is not None:
        api_key = (os.environ if environ is None else environ).get(backend.api_key_env)
        if not api_key:
            raise SettingsRefused(
                f"backends.{name}.api_key_env names {backend.api_key_env}, which is not set.",
                next_step="Set the variable and start again.",
            )
    return BackendTransport(backend.base_url, api_key, backend.max_in_flight + 8, clock)  # 8: probes, counts


def make_transports(
    config: GatewayConfig, environ: Mapping[str, str] | None = None, clock: Clock | None = None
) -> dict[str, Transport]:
    """The ways to all backends, by name. Errors as `make_transport`."""
    return {name: make_transport(name, backend, environ, clock) for name, backend in config.backends.items()}


def _timeout(timeout_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
