"""What is sent again, what never is, and how long the client waits between."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.lambda_cloud import (
    OPERATIONS,
    InUse,
    LambdaCloud,
    NoCapacity,
    NotFound,
    Pacer,
    RateLimited,
    RetryPlan,
    ServerFault,
    Unreachable,
)
from sophia_infra.lambda_cloud.retry_after import parse_retry_after
from sophia_infra.model.clock import VirtualClock
from tests.unit.lambda_cloud.every_call import CALLS, ID
from tests.unit.lambda_cloud.service import DROP, Reply, ScriptedService, error

from .conftest import route_of, success_of

# The machine that runs this may be busy: what an example takes says nothing.
patient = settings(deadline=None)

ONCE = {
    "launchInstance",
    "restartInstance",
    "addSSHKey",
    "createFilesystem",
    "createFirewallRuleset",
    "createFabricPartition",
    "createTicket",
    "updateTicket",
    "initiateAttachmentUpload",
    "completeAttachmentUpload",
}
UNCLEAR = {
    "503": error(503, "global/internal-error"),
    "409 internal-error": error(409, "global/internal-error"),
    "502 of the edge": Reply(502, b"<html>bad gateway</html>"),
    "provider": error(500, "provider/internal-unavailable"),
    "dropped": DROP,
    "cut": Reply(200, {"data": {"instance_ids": [ID]}}, cut=True),
    "cut but whole by length": Reply(200, b'{"data": {"instance_'),
}


def test_only_operations_that_leave_the_same_when_done_twice_are_repeatable() -> None:
    assert {name for name, operation in OPERATIONS.items() if not operation.repeatable} == ONCE
    assert {name for name, operation in OPERATIONS.items() if operation.slot == "launch"} == {
        "launchInstance"
    }


@pytest.mark.parametrize("operation_id", sorted(CALLS))
def test_a_429_is_tried_again_by_every_operation(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str
) -> None:
    service.script(route_of(operation_id), Reply(429, b"slow down"), success_of(operation_id))
    CALLS[operation_id](cloud)
    assert len(service.asked) == 2


@pytest.mark.parametrize("unclear", UNCLEAR)
@pytest.mark.parametrize("operation_id", sorted(set(CALLS) - ONCE))
def test_an_unclear_answer_is_tried_again_where_twice_is_like_once(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str, unclear: str
) -> None:
    service.script(route_of(operation_id), UNCLEAR[unclear], success_of(operation_id))
    CALLS[operation_id](cloud)
    assert len(service.asked) == 2


@pytest.mark.parametrize("unclear", UNCLEAR)
@pytest.mark.parametrize("operation_id", sorted(ONCE))
def test_an_unclear_answer_to_anything_else_is_never_followed_by_another_request(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str, unclear: str
) -> None:
    service.script(route_of(operation_id), UNCLEAR[unclear])
    with pytest.raises((ServerFault, Unreachable)) as caught:
        CALLS[operation_id](cloud)
    assert len(service.asked) == 1
    assert caught.value.may_have_happened
    assert caught.value.retry is False
    assert caught.value.attempts == 1
    assert "list before trying again" in str(caught.value)


@pytest.mark.parametrize("refused", [error(400, "instance-operations/launch/insufficient-capacity")])
def test_a_refusal_is_not_tried_again(cloud: LambdaCloud, service: ScriptedService, refused: Reply) -> None:
    service.script(route_of("launchInstance"), refused)
    with pytest.raises(NoCapacity) as caught:
        CALLS["launchInstance"](cloud)
    assert len(service.asked) == 1
    assert not caught.value.may_have_happened


def test_in_use_is_left_to_the_caller_for_it_takes_minutes(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    service.script(route_of("filesystemDelete"), error(400, "filesystems/filesystem-in-use"))
    with pytest.raises(InUse) as caught:
        CALLS["filesystemDelete"](cloud)
    assert caught.value.retry is True
    assert len(service.asked) == 1


def test_an_unclear_attempt_is_remembered_when_a_later_one_is_refused(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    service.script(route_of("terminateInstance"), DROP, error(404, "global/object-does-not-exist"))
    with pytest.raises(NotFound) as caught:
        CALLS["terminateInstance"](cloud)
    assert caught.value.may_have_happened, "the first attempt may be what ended it"
    assert caught.value.attempts == 2


def test_a_read_never_may_have_happened(cloud: LambdaCloud, service: ScriptedService) -> None:
    service.script(route_of("listRegions"), DROP)
    with pytest.raises(Unreachable) as caught:
        CALLS["listRegions"](cloud)
    assert not caught.value.may_have_happened
    assert caught.value.retry is True
    assert caught.value.attempts == RetryPlan().attempts_max
    assert "8 attempts" in str(caught.value)


def test_the_waits_double_up_to_the_cap(
    cloud: LambdaCloud, service: ScriptedService, clock: VirtualClock
) -> None:
    began_s = clock.now()
    service.script(route_of("listRegions"), error(503, "global/internal-error"))
    with pytest.raises(ServerFault):
        CALLS["listRegions"](cloud)
    # Half of 1, 2, 4, 8, 16, 20 and 20 s.
    assert clock.now() - began_s == pytest.approx(0.5 + 1 + 2 + 4 + 8 + 10 + 10)


@pytest.fixture
def hasty(service: ScriptedService, clock: VirtualClock) -> Iterator[LambdaCloud]:
    """A client whose jitter is always 0: only Retry-After makes it wait."""
    with LambdaCloud(
        service.url, "k", clock=clock, pacer=Pacer(None, "k", clock, 0, 0), random_part=lambda: 0.0
    ) as client:
        yield client


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_a_floor_under_the_wait(
    hasty: LambdaCloud, service: ScriptedService, clock: VirtualClock, as_date: bool
) -> None:
    began_s = clock.now()
    header = formatdate(began_s + 7, usegmt=True) if as_date else "7"
    service.script(
        route_of("launchInstance"), Reply(429, b"", {"Retry-After": header}), success_of("launchInstance")
    )
    CALLS["launchInstance"](hasty)
    assert clock.now() - began_s == pytest.approx(7)


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(
    hasty: LambdaCloud, service: ScriptedService, clock: VirtualClock
) -> None:
    began_s = clock.now()
    service.script(route_of("listRegions"), Reply(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(RateLimited) as caught:
        CALLS["listRegions"](hasty)
    assert caught.value.retry_after_s == 3600
    assert clock.now() == began_s
    assert len(service.asked) == 1


def test_no_attempt_begins_after_the_deadline(
    hasty: LambdaCloud, service: ScriptedService, clock: VirtualClock
) -> None:
    began_s = clock.now()
    service.script(route_of("listRegions"), Reply(503, b"", {"Retry-After": "50"}))
    with pytest.raises(ServerFault):
        CALLS["listRegions"](hasty)
    assert len(service.asked) == 3
    assert clock.now() - began_s == pytest.approx(100)


def test_the_wait_for_a_slot_does_not_count_against_the_deadline(
    service: ScriptedService, clock: VirtualClock
) -> None:
    pacer = Pacer(None, "slow", clock, 200.0, 200.0)
    with LambdaCloud(service.url, "k", clock=clock, pacer=pacer) as client:
        service.script(route_of("launchInstance"), Reply(429, b""), success_of("launchInstance"))
        CALLS["launchInstance"](client)
    assert len(service.asked) == 2


@patient
@given(
    attempts=st.integers(1, 10_000),
    part=st.floats(0, 1),
    retry_after_s=st.none() | st.floats(0, 1e6),
    base_s=st.floats(0, 100),
    cap_s=st.floats(0, 1000),
)
def test_the_jitter_stays_within_its_bounds(
    attempts: int, part: float, retry_after_s: float | None, base_s: float, cap_s: float
) -> None:
    plan = RetryPlan(base_s=base_s, cap_s=cap_s)
    delay_s = plan.delay_s(attempts, retry_after_s, lambda: part)
    assert delay_s >= (retry_after_s or 0.0)
    assert 0 <= delay_s <= max(retry_after_s or 0.0, cap_s)
    assert delay_s <= max(retry_after_s or 0.0, base_s * 2.0 ** min(attempts - 1, 30))


@patient
@given(part_a=st.floats(0, 1), part_b=st.floats(0, 1), attempts=st.integers(1, 12))
def test_the_jitter_is_full_and_follows_the_random_part(part_a: float, part_b: float, attempts: int) -> None:
    plan = RetryPlan()
    low, high = sorted((part_a, part_b))
    assert plan.delay_s(attempts, None, lambda: low) <= plan.delay_s(attempts, None, lambda: high)
    assert plan.delay_s(attempts, None, lambda: 0.0) == 0
    assert plan.delay_s(attempts, None, lambda: 1.0) == min(20.0, 2.0 ** (attempts - 1))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("-3", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("99999999999", None),
        ("Thu, 01 Jan 1970 00:17:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:17:00 -0000", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, 1000.0) == seconds


@patient
@given(st.text())
def test_no_retry_after_header_breaks_the_client(header: str) -> None:
    found = parse_retry_after(header, 1000.0)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    "wrong", [{"base_s": -1.0}, {"cap_s": -1.0}, {"deadline_s": -1.0}, {"attempts_max": 0}]
)
def test_an_impossible_plan_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no wait may be negative"):
        RetryPlan(**wrong)  # type: ignore[arg-type]
