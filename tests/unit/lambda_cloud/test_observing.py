"""Every attempt is told, in one word, with its time and the service's own clock."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from sophia_infra.emulator import EmulatorServer
from sophia_infra.lambda_cloud import (
    OUTCOMES,
    LambdaCloud,
    LambdaCloudError,
    Outcome,
    Pacer,
    RateLimited,
    RetryPlan,
    UnexpectedAnswer,
    errors,
    outcome_of,
)
from sophia_infra.lambda_cloud.pacing import LAUNCH_INTERVAL_S, REQUEST_INTERVAL_S
from sophia_infra.lambda_cloud.retry_after import parse_http_date
from sophia_infra.model.clock import VirtualClock
from tests.unit.lambda_cloud.service import DROP, Reply, ScriptedService, data, error

from .conftest import API_KEY

LIST = "GET /api/v1/instances"
WORDS: dict[str, Outcome] = {
    "Unauthorized": "unauthorized",
    "Forbidden": "forbidden",
    "AccountInactive": "forbidden",
    "EdgeBlocked": "forbidden",
    "RateLimited": "rate_limited",
    "ServerFault": "server_fault",
    "Unreachable": "unreachable",
    "UnexpectedAnswer": "unexpected_answer",
}


class Told:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, Outcome, float, float | None]] = []

    def on_attempt(
        self, operation_id: str, outcome: Outcome, duration_s: float, server_time_s: float | None
    ) -> None:
        self.attempts.append((operation_id, outcome, duration_s, server_time_s))

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for _, outcome, _, _ in self.attempts]


def client(url: str, told: Told, clock: VirtualClock | None = None) -> LambdaCloud:
    clock = clock or VirtualClock()
    pacer = Pacer(None, "test", clock, 0.0, 0.0)
    plan = RetryPlan(base_s=0.0, attempts_max=3)
    return LambdaCloud(url, API_KEY, clock=clock, pacer=pacer, retry_plan=plan, observer=told)


@pytest.mark.parametrize(
    "name", [name for name in errors.__all__ if name not in ("Fault", "LambdaCloudError")]
)
def test_every_error_has_its_word(name: str) -> None:
    kind: type[LambdaCloudError] = getattr(errors, name)
    assert outcome_of(kind("no")) == WORDS.get(name, "refused")
    assert outcome_of(kind("no")) in OUTCOMES


def test_repeated_attempts_are_told_one_by_one(service: ScriptedService) -> None:
    told = Told()
    service.script(LIST, Reply(429, b"slow down"), DROP, data([]))
    with client(service.url, told) as cloud:
        assert cloud.list_instances() == []
    assert told.outcomes == ["rate_limited", "unreachable", "ok"]
    assert {operation for operation, *_ in told.attempts} == {"listInstances"}
    # A real server sends its Date with every answer; a lost one has none.
    assert [server_s is None for *_, server_s in told.attempts] == [False, True, False]


def test_the_last_attempt_is_told_too_when_all_fail(service: ScriptedService) -> None:
    told = Told()
    service.script(LIST, error(429, "global/too-many-requests"))
    with client(service.url, told) as cloud, pytest.raises(RateLimited):
        cloud.list_instances()
    assert told.outcomes == ["rate_limited"] * 3


def test_a_success_in_the_wrong_form_is_told_by_what_could_be_seen(service: ScriptedService) -> None:
    told = Told()
    service.script(LIST, Reply(200, {"data": [{"id": 1}]}), Reply(200, {"other": 1}))
    with client(service.url, told) as cloud:
        for _ in range(2):
            with pytest.raises(UnexpectedAnswer):
                cloud.list_instances()
    assert told.outcomes == ["ok", "unexpected_answer"]


def test_nobody_has_to_listen(cloud: LambdaCloud, service: ScriptedService) -> None:
    service.script(LIST, data([]))
    assert cloud.list_instances() == []


def test_time_and_date_are_the_clocks(api_key: str) -> None:
    with EmulatorServer() as emulator:
        told, ours = Told(), VirtualClock(1_800_000_000.0)
        emulator.cloud.advance(1234.5)
        with client(emulator.url, told, ours) as cloud:
            cloud.list_instances()
            emulator.cloud.faults.add("listInstances", "before", "status", status=500)
            cloud.list_instances()
    # The Date header has whole seconds, and refusals have it too.
    assert told.attempts == [
        ("listInstances", "ok", 0.0, 1_790_001_234.0),
        ("listInstances", "server_fault", 0.0, 1_790_001_234.0),
        ("listInstances", "ok", 0.0, 1_790_001_234.0),
    ]


@pytest.mark.parametrize(
    ("header", "moment_s"),
    [
        (formatdate(1_790_000_000, usegmt=True), 1_790_000_000.0),
        ("Mon, 21 Sep 2026 14:13:20 -0000", 1_790_000_000.0),
        (None, None),
        ("", None),
        ("tomorrow", None),
        ("12", None),
    ],
)
def test_a_date_is_read_or_left(header: str | None, moment_s: float | None) -> None:
    assert parse_http_date(header) == moment_s


def test_the_free_share_of_a_slot_grows_with_time_and_takes_none() -> None:
    clock = VirtualClock()
    pacer = Pacer(None, "test", clock)
    assert pacer.free_share("request") == pacer.free_share("launch") == 1.0
    pacer.wait("launch")
    assert pacer.free_share("request") == pacer.free_share("launch") == 0.0
    clock.advance(REQUEST_INTERVAL_S / 2)
    assert pacer.free_share("request") == 0.5
    clock.advance(LAUNCH_INTERVAL_S / 2 - REQUEST_INTERVAL_S / 2)
    assert (pacer.free_share("request"), pacer.free_share("launch")) == (1.0, 0.5)
    assert pacer.wait("request") == 0.0
    assert pacer.free_share("launch") == 0.0  # a launch takes the slot of a request too
    assert Pacer(None, "test", clock, 0.0, 0.0).free_share("launch") == 1.0
