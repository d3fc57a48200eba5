"""What says whether the new side is healthy. Every gate answers with a verdict and never raises for bad news.

Of several, one that fails decides; else one that does not know; only all together are healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

import urllib3

from sophia_infra.monitoring.slo import PAGE, objective_condition
from sophia_infra.rollout.cluster import Cluster
from sophia_infra.rollout.errors import ClusterSilent
from sophia_infra.rollout.shifting import Verdict

__all__ = ["Ask", "BurnRate", "Gate", "HttpAnswers", "PodsReady", "judge_all"]

SLO_NAMES: Final = ("http", "inference")
"""Objectives that have the label `service`, and so tell the two sides apart."""

_TRIES: Final = 3


class Gate(Protocol):
    """One question about the new side."""

    def look(self, weight: int) -> Verdict:
        """Args: weight: percent of the traffic that it has now."""
        ...


Ask = Callable[[str], Sequence[tuple[dict[str, str], float]]]
"""An instant query: PromQL -> (labels, value) of each element; raises OSError for no answer."""


def judge_all(gates: Sequence[Gate], weight: int) -> Verdict:
    """What all gates say together. No gates at all know nothing."""
    verdicts = [gate.look(weight) for gate in gates]
    for health in ("failing", "unknown"):
        reasons = [one.why for one in verdicts if one.health == health]
        if reasons:
            return Verdict("failing" if health == "failing" else "unknown", "; ".join(reasons))
    if not verdicts:
        return Verdict("unknown", "nothing is measured")
    return Verdict("healthy", "; ".join(one.why for one in verdicts))


@dataclass(frozen=True, slots=True)
class PodsReady:
    """The pods of a Deployment. None ready is failing; some is not known, since they may be starting."""

    cluster: Cluster
    namespace: str
    name: str

    def look(self, weight: int) -> Verdict:
        del weight
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"
        try:
            found = self.cluster.read(path)
        except ClusterSilent as error:
            return Verdict("unknown", error.message)
        if found is None:
            return Verdict("failing", f"Deployment {self.name} is gone")
        wanted = int(found["spec"].get("replicas", 1))
        status = found.get("status") or {}
        ready = int(status.get("readyReplicas", 0))
        if int(status.get("observedGeneration", 0)) < int(found["metadata"].get("generation", 0)):
            return Verdict("unknown", f"{self.name} has not been looked at since it was changed")
        words = f"{ready} of {wanted} pods of {self.name} are ready"
        if ready == 0 or wanted == 0:
            return Verdict("failing", words)
        return Verdict("healthy" if ready >= wanted else "unknown", words)


@dataclass(frozen=True, slots=True)
class BurnRate:
    """How fast the new side spends its error budget, over several windows: the rules that page somebody.

    Attributes:
        ask: Prometheus.
        service: name of the Service, as the recorded series have it.
        slo: share of calls that has to succeed, 0 to 1.
    """

    ask: Ask
    namespace: str
    service: str
    slo: Decimal

    def look(self, weight: int) -> Verdict:
        if weight == 0:
            return Verdict("healthy", "no traffic yet")
        try:
            burning = self._mine(objective_condition(PAGE, SLO_NAMES, self.slo))
            rates = self._mine("slo:requests:rate5m")
            ratios = self._mine("slo:errors_per_request:ratio_rate5m")
        except OSError as error:
            return Verdict("unknown", f"Prometheus gave no answer: {error}")
        if burning:
            return Verdict(
                "failing", f"{self.service} spends its error budget: {max(burning):.1%} of calls fail"
            )
        calls = sum(rate for rate in rates if rate > 0)
        if not calls:
            return Verdict("unknown", f"no calls of {self.service} are measured")
        if ratios and max(ratios) > self._tolerated:
            # Under ten failed calls nothing burns by the rules: few calls that fail are no proof of health.
            return Verdict("unknown", f"{max(ratios):.1%} of the few calls of {self.service} fail")
        return Verdict("healthy", f"{calls:.2g} calls/s of {self.service} within the budget")

    @property
    def _tolerated(self) -> float:
        return float(min(PAGE[0].factor * (1 - self.slo), Decimal("0.9")))

    def _mine(self, query: str) -> list[float]:
        return [
            value
            for labels, value in self.ask(query)
            if (labels.get("namespace"), labels.get("service")) == (self.namespace, self.service)
            and labels.get("slo") in SLO_NAMES
        ]


@dataclass(frozen=True, slots=True)
class HttpAnswers:
    """A GET that has to end below 400; one good answer of three is enough, since one lost packet is no news.

    Attributes:
        url: http or https.
        timeout_s: for each try.
    """

    url: str
    timeout_s: float = 3.0

    def look(self, weight: int) -> Verdict:
        del weight
        said = ""
        headers = {"User-Agent": "sophia-infra"}
        with urllib3.PoolManager(retries=False, timeout=self.timeout_s) as pool:
            for _ in range(_TRIES):
                try:
                    answer = pool.request("GET", self.url, headers=headers, redirect=False)
                except (urllib3.exceptions.HTTPError, OSError) as error:
                    said = type(error).__name__
                    continue
                if answer.status < 400:
                    return Verdict("healthy", f"{self.url} answers {answer.status}")
                said = f"HTTP {answer.status}"
        return Verdict("failing", f"{self.url} answers {said}")
