"""Answers kept to be given again, where a request has one right answer: temperature 0, no stream."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sophia_infra.inference.clock import Clock
from sophia_infra.model.gateway import CacheConfig

__all__ = ["AnswerCache", "cache_key", "is_cacheable"]

_Answer = TypeVar("_Answer")

_WITHOUT_EFFECT = frozenset({"user", "metadata", "stream", "stream_options", "store", "safety_identifier"})


def is_cacheable(body: Mapping[str, Any]) -> bool:
    """Whether the body has one right answer. An absent temperature is OpenAI's default of 1: no."""
    temperature = body.get("temperature")
    is_zero = isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0
    return is_zero and not body.get("stream")


def cache_key(endpoint: str, body: Mapping[str, Any]) -> str:
    """SHA-256 of the request without what cannot change its answer; the order of keys does not count.

    Raises:
        ValueError: the body holds something that JSON cannot.
    """
    effective = {key: value for key, value in body.items() if key not in _WITHOUT_EFFECT}
    text = json.dumps(
        [endpoint, effective], sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class _Kept(Generic[_Answer]):
    answer: _Answer
    until_s: float


class AnswerCache(Generic[_Answer]):
    """Keeps the answers used last, each for `ttl_s` seconds. One gateway process, in memory."""

    def __init__(self, config: CacheConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._kept: OrderedDict[str, _Kept[_Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> _Answer | None:
        """The answer, or None when it is not kept or too old."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._clock.monotonic() >= kept.until_s:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return kept.answer

    def put(self, key: str, answer: _Answer) -> None:
        """Keep `answer`; the longest unused one goes when there are too many."""
        if not self._config.enabled:
            return
        self._kept[key] = _Kept(answer, self._clock.monotonic() + self._config.ttl_s)
        self._kept.move_to_end(key)
        while len(self._kept) > self._config.max_entries:
            self._kept.popitem(last=False)
