"""Asking one backend how it is: alive, which models it has loaded, how busy it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from sophia_infra.inference.openai_paths import HEALTH_PATH, MODELS_PATH, PATHS, read_models, root_of
from sophia_infra.model.gateway import BackendConfig

__all__ = ["BackendLoad", "HttpProbe", "Probe", "ProbeFailed", "parse_load"]

PROBE_TIMEOUT_S = 5.0
WARM_UP_TIMEOUT_S = 120.0
"""The first call of a model just loaded compiles kernels: seconds, on a large one more than a minute."""

_MAX_ANSWER_BYTES = 8_388_608
_WAITING = "vllm:num_requests_waiting"
_RUNNING = "vllm:num_requests_running"
_CACHE_USE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
"""The second is the older name; both are shares from 0 to 1, whatever the name says."""


class ProbeFailed(Exception):
    """The backend cannot take calls. `reason` is one line without anything the backend wrote.

    Attributes:
        sure: it said so or nobody listens; False when it was only too slow, which a busy one may be.
    """

    def __init__(self, reason: str, *, sure: bool) -> None:
        self.reason = reason
        self.sure = sure
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class BackendLoad:
    """What a backend says about itself; None where it does not.

    Attributes:
        waiting, running: calls inside it.
        cache_use: share of the KV cache in use, 0 to 1.
    """

    waiting: float | None = None
    running: float | None = None
    cache_use: float | None = None


class Probe(Protocol):
    """How the warm pool looks at one backend."""

    async def served(self) -> frozenset[str]:
        """Names of the models that it has loaded, as it spells them. Raises ProbeFailed."""
        ...

    async def warm_up(self, served_name: str) -> None:
        """One call for one token. Raises ProbeFailed."""
        ...

    async def load(self) -> BackendLoad:
        """How busy it is; an empty one when it does not say."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class HttpProbe:
    """Probes over HTTP, on connections of its own: a full pool of calls must not hold up a probe.

    Args:
        backend: with base_url.
        api_key: sent to it; never shown.
    """

    def __init__(self, backend: BackendConfig, api_key: str | None = None) -> None:
        if backend.base_url is None:
            raise ValueError("the backend has no base_url")
        self._api = backend.base_url.rstrip("/")
        self._root = root_of(self._api)
        self._own = backend.kind == "vllm"
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx2.AsyncClient(headers=headers, timeout=PROBE_TIMEOUT_S, trust_env=False)

    async def served(self) -> frozenset[str]:
        """See `Probe`. Others than vLLM have no /health: their list of models says it all."""
        if self._own:
            await self._ask("GET", self._root + HEALTH_PATH)
        names = read_models(await self._ask("GET", self._api + MODELS_PATH))
        if names is None:
            raise ProbeFailed("its list of models cannot be read", sure=True)
        return frozenset(names)

    async def warm_up(self, served_name: str) -> None:
        """See `Probe`. Only for our own: elsewhere each token is paid."""
        if not self._own:
            return
        await self._ask(
            "POST",
            self._api + PATHS["completions"],
            body={"model": served_name, "prompt": "warm-up", "max_tokens": 1, "temperature": 0},
            timeout_s=WARM_UP_TIMEOUT_S,
        )

    async def load(self) -> BackendLoad:
        """See `Probe`."""
        if not self._own:
            return BackendLoad()
        try:
            return parse_load((await self._ask("GET", f"{self._root}/metrics")).decode("utf-8", "replace"))
        except ProbeFailed:
            return BackendLoad()

    async def aclose(self) -> None:
        """See `Probe`."""
        await self._client.aclose()

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        body: Mapping[str, Any] | None = None,
        timeout_s: float = PROBE_TIMEOUT_S,
    ) -> bytes:
        try:
            answer = await self._client.request(method, url, json=body, timeout=timeout_s)
        except httpx2.TimeoutException:
            raise ProbeFailed(f"no answer in {timeout_s:g} s", sure=False) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProbeFailed(f"no connection ({type(error).__name__})", sure=True) from None
        if answer.status_code != httpx2.codes.OK:
            raise ProbeFailed(f"it answers {answer.status_code}", sure=True)
        if len(answer.content) > _MAX_ANSWER_BYTES:
            raise ProbeFailed("its answer is too large", sure=True)
        return answer.content


def parse_load(text: str) -> BackendLoad:
    """The few series of vLLM's /metrics that matter here; those of several models are added up."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for line in text.splitlines():
        if not line.startswith("vllm:"):
            continue
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        try:
            sums[name] = sums.get(name, 0.0) + float(value)
        except ValueError:
            continue
        counts[name] = counts.get(name, 0) + 1
    cache = next((name for name in _CACHE_USE if name in sums), None)
    return BackendLoad(
        waiting=sums.get(_WAITING),
        running=sums.get(_RUNNING),
        cache_use=None if cache is None else sums[cache] / counts[cache],
    )
