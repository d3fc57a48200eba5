"""Counts every request that the client sends, and how far our clock is from the service's."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from sophia_infra.lambda_cloud import OUTCOMES, Outcome
from sophia_infra.model.clock import Clock

__all__ = ["ASKED", "Attempts"]

ASKED = ("listInstances", "listInstanceTypes", "listFilesystems")
"""The operations that the exporter uses; each is shown from 0 on, so that a first failure is an increase."""


class Attempts:
    """The client's observer. Safe between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Outcome]] = Counter(
            {(operation, outcome): 0 for operation in ASKED for outcome in OUTCOMES}
        )
        self._skew_s: float | None = None

    def on_attempt(
        self,
        operation_id: str,
        outcome: Outcome,
        duration_s: float,  # noqa: ARG002
        server_time_s: float | None,
    ) -> None:
        """Count one request."""
        now_s = self._clock.now()
        with self._lock:
            self._counts[operation_id, outcome] += 1
            if server_time_s is not None:
                self._skew_s = now_s - server_time_s

    def counts(self) -> Mapping[tuple[str, Outcome], int]:
        """(operation, outcome) -> attempts so far."""
        with self._lock:
            return dict(self._counts)

    @property
    def clock_skew_s(self) -> float | None:
        """Seconds that our clock is ahead, by the last answer with a `Date`; that has whole seconds only."""
        with self._lock:
            return self._skew_s
