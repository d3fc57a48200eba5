"""What is shown while the API does not answer, or says no: against a real emulator that fails on purpose."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from sophia_infra.exporter.poller import Poller
from sophia_infra.exporter.timing import REFUSED_POLL_S, SIDE_POLL_S, Timing
from sophia_infra.lambda_cloud import OUTCOMES, LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from tests.emulator.emulator_client import API_KEY
from tests.unit.exporter.conftest import MakeStage
from tests.unit.exporter.stage import POLL_S, Stage, machine, settings_of

COST = "lambda_cloud_instance_cost_usd_total"
_WAIT_S = 60.0


def break_it(stage: Stage, **fault: Any) -> None:
    """Every list of machines fails from now on."""
    stage.cloud.faults.add("listInstances", "before", times=None, **fault)


def mend_it(stage: Stage) -> None:
    stage.cloud.faults.clear()


def polls(stage: Stage) -> Mapping[str, float]:
    rows = stage.show().all("lambda_cloud_polls_total")
    return {labels["outcome"]: value for labels, value in rows if value}


def test_before_the_first_success_no_dollar_is_shown(stage: Stage) -> None:
    break_it(stage, action="drop")
    stage.pass_time(120)
    shown = stage.show()
    dollars = [row for row in shown.rows if "usd" in row[0]]
    assert dollars == []
    assert shown.all("lambda_cloud_machines") == shown.all("lambda_cloud_machine_missing") == []
    assert shown.one("lambda_cloud_up") == 0
    assert shown.find("lambda_cloud_data_age_seconds") is None
    assert polls(stage) == {"unreachable": 5}
    assert {labels["outcome"] for labels, _ in shown.all("lambda_cloud_polls_total")} == set(OUTCOMES)


def test_an_hour_without_an_answer_keeps_what_was_known_and_goes_on_counting(stage: Stage) -> None:
    core = stage.launch("core")
    stage.pass_time(3_600)
    before = stage.show()
    break_it(stage, action="drop")
    stage.pass_time(3_600)
    shown = stage.show()
    assert shown.one("lambda_cloud_up") == 0
    assert shown.one("lambda_cloud_data_age_seconds") == 3_600
    assert shown.one("lambda_cloud_last_success_timestamp_seconds") == before.one(
        "lambda_cloud_last_success_timestamp_seconds"
    )
    assert shown.by_owner("lambda_cloud_usd_per_hour")["stack"] == 2.29
    assert shown.one(COST) == pytest.approx(4.58) == 2 * before.one(COST)
    assert shown.by_owner("lambda_cloud_month_spent_usd")["stack"] == pytest.approx(4.58)
    assert shown.one("lambda_cloud_instance_info") == 1
    assert shown.one("lambda_cloud_machine_missing") == 0
    mend_it(stage)
    stage.poller.poll()
    shown = stage.show()
    assert shown.one("lambda_cloud_up") == 1
    assert shown.one("lambda_cloud_data_age_seconds") == 0
    assert shown.one(COST) == float(stage.billed_usd(core))


def test_a_machine_that_went_during_an_outage_is_billed_until_it_is_seen_to_be_gone(stage: Stage) -> None:
    core = stage.launch("core")
    stage.pass_time(3_600)
    break_it(stage, action="drop")
    stage.api.terminate(core)
    stage.pass_time(3_600)
    assert stage.show().one(COST) == pytest.approx(4.58)
    mend_it(stage)
    stage.poller.poll()
    shown = stage.show()
    assert shown.all("lambda_cloud_instance_info") == []
    assert shown.by_owner("lambda_cloud_usd_per_hour")["stack"] == 0
    assert shown.one("lambda_cloud_machine_missing") == 1
    spent = shown.by_owner("lambda_cloud_month_spent_usd")["stack"]
    assert spent == pytest.approx(4.58)
    stage.pass_time(3_600)
    assert stage.show().by_owner("lambda_cloud_month_spent_usd")["stack"] == spent


@pytest.mark.parametrize(
    ("fault", "outcome", "attempts"),
    [
        ({"action": "drop"}, "unreachable", 3),
        ({"action": "truncate"}, "unreachable", 3),
        ({"action": "status", "status": 500}, "server_fault", 3),
        ({"action": "status", "status": 429}, "rate_limited", 3),
        ({"action": "status", "status": 404, "body": "not here"}, "unexpected_answer", 1),
        ({"action": "status", "status": 200, "body": {"data": {"machines": []}}}, "unexpected_answer", 1),
        ({"action": "status", "status": 403, "body": "error code: 1010"}, "forbidden", 1),
        ({"action": "status", "status": 400, "code": "global/invalid-parameters"}, "refused", 1),
    ],
)
def test_every_way_to_fail_has_its_word(
    stage: Stage, fault: dict[str, Any], outcome: str, attempts: int
) -> None:
    break_it(stage, **fault)
    stage.poller.poll()
    assert polls(stage) == {outcome: 1}
    rows = stage.show().all("lambda_cloud_requests_total", operation="listInstances")
    counted = {labels["outcome"]: value for labels, value in rows if value}
    # What an answer holds is read after the attempt: its form was right.
    word = "ok" if fault.get("status") == 200 else outcome
    assert counted == {word: attempts}
    assert len(stage.lists()) == attempts


@pytest.mark.parametrize("poll_s", [5, 30, 60])
def test_no_list_lasts_longer_than_the_interval_whatever_fails(make_stage: MakeStage, poll_s: int) -> None:
    stage = make_stage(settings_of({"core": machine()}, poll_s=poll_s), jitter=1.0)
    break_it(stage, action="status", status=503)
    began_s = stage.clock.now()
    due_s = stage.poller.poll()
    assert stage.clock.now() <= due_s == began_s + poll_s
    # And when nothing comes at all: the last attempt begins in time, and gives up in time.
    timing = Timing(poll_s)
    last_end_s = timing.retry_plan.deadline_s + timing.timeout_connect_s + timing.timeout_read_s
    assert last_end_s <= poll_s


def test_a_revoked_key_is_said_once_asked_rarely_and_recovers_by_itself(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sophia_infra.exporter")
    stage.launch("core")
    stage.pass_time(60)
    asked = len(stage.lists())
    stage.cloud.change_settings({"api_keys": ["another"]})
    stage.pass_time(3_600)
    shown = stage.show()
    assert shown.one("lambda_cloud_up") == 0
    assert polls(stage)["unauthorized"] == len(stage.lists()) - asked == 3_600 / REFUSED_POLL_S + 1
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "Check your API key or create a new one" in warnings[0]
    assert "another LAMBDA_API_KEY is read at a start only" in warnings[0]
    assert API_KEY not in caplog.text
    assert shown.one(COST) == pytest.approx(2.29 * 61 / 60)
    stage.cloud.change_settings({"api_keys": [API_KEY]})
    assert stage.poller.poll() == stage.clock.now() + POLL_S
    assert stage.show().one("lambda_cloud_up") == 1
    said = [record.getMessage() for record in caplog.records if record.name.startswith("sophia_infra.exp")]
    assert (len(said), said[-1]) == (2, "the account answers again")


def test_an_inactive_account_is_not_a_wrong_key(stage: Stage) -> None:
    stage.cloud.change_settings({"account_active": False})
    due_s = stage.poller.poll()
    assert polls(stage) == {"forbidden": 1}
    assert due_s == stage.clock.now() + REFUSED_POLL_S


@pytest.mark.parametrize(("asked_s", "waited_s"), [(10, POLL_S), (120, 120), (7_200, 300)])
def test_a_429_is_obeyed_within_reason(stage: Stage, asked_s: int, waited_s: int) -> None:
    break_it(stage, action="status", status=429, retry_after_s=asked_s)
    began_s = stage.clock.now()
    assert stage.poller.poll() - began_s == waited_s
    assert len(stage.lists()) == 1


def test_the_account_is_asked_once_an_interval_and_never_twice_in_a_second(make_stage: MakeStage) -> None:
    stage = make_stage(account={"limits": "json"})
    stage.close()
    # The pace is that of the real service, which the emulator holds everybody to.
    paced = Stage(stage.api.emulator, stage.settings, pacer=Pacer(None, "test", stage.clock))
    paced.pass_time(3_600)
    lists = paced.lists()
    assert len(lists) == 3_600 / POLL_S + 1
    assert {later - earlier for earlier, later in pairwise(lists)} == {POLL_S}
    seen = paced.cloud.requests.since(0)
    assert {one.status for one in seen} == {200}
    assert min(later.at_s - earlier.at_s for earlier, later in pairwise(seen)) >= 1
    sides = [one.at_s for one in seen if one.path == "/api/v1/instance-types"]
    assert len(sides) == 3_600 / SIDE_POLL_S + 1
    assert len([one for one in seen if one.path == "/api/v1/file-systems"]) == 3_600 / SIDE_POLL_S
    paced.close()
    paced.api.session.close()


def test_a_side_list_that_fails_leaves_the_machines_and_the_last_prices_alone(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.launch("core")
    stage.pass_time(60)
    stage.cloud.faults.add("listInstanceTypes", "before", "status", times=None, status=500)
    stage.cloud.faults.add("listFilesystems", "before", "status", times=None, status=500)
    stage.pass_time(600)
    shown = stage.show()
    assert shown.one("lambda_cloud_up") == 1
    assert shown.one("lambda_cloud_data_age_seconds") == 0
    assert shown.one("lambda_cloud_type_usd_per_hour", instance_type="gpu_1x_gh200") == 2.29
    assert stage.clock.now() - shown.one("lambda_cloud_prices_timestamp_seconds") == 660
    stage.cloud.faults.clear()
    stage.pass_time(120)
    assert stage.clock.now() - stage.show().one("lambda_cloud_prices_timestamp_seconds") <= 120
    assert [record.getMessage().partition(" ")[0] for record in caplog.records if record.levelno > 20] == [
        "prices",
        "filesystems",
    ]


def test_a_scrape_during_a_list_that_hangs_answers_at_once(stage: Stage) -> None:
    """The server holds the list until the end of the test: a scrape that waited for it would never end."""
    stage.launch("core")
    stage.poller.poll()
    rule = stage.cloud.faults.add("listInstances", "before", "hold")
    asking = threading.Thread(target=stage.poller.poll)
    asking.start()
    try:
        until_s = time.monotonic() + _WAIT_S
        while not rule.holding:
            assert time.monotonic() < until_s
            time.sleep(0.002)
        shown = stage.show()
        assert asking.is_alive()
        assert shown.one("lambda_cloud_up") == 1
        assert shown.by_owner("lambda_cloud_usd_per_hour")["stack"] == 2.29
    finally:
        stage.cloud.faults.clear()
        asking.join(_WAIT_S)
    assert polls(stage) == {"ok": 2}


def test_the_loop_lives_through_a_bug_and_ends_when_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    real, calls = LambdaCloud.list_instances, []

    def list_instances(cloud: LambdaCloud) -> Any:
        calls.append(stage.show().one("lambda_cloud_up"))
        if len(calls) == 2:
            raise KeyError("not foreseen")
        if len(calls) == 4:
            stop.set()
        return real(cloud)

    monkeypatch.setattr(LambdaCloud, "list_instances", list_instances)
    began_s = stage.clock.now()
    stage.poller.run(stop)
    assert calls == [0, 1, 0, 1]  # up before each poll: the second one failed
    assert stage.clock.now() - began_s == 4 * POLL_S
    assert "KeyError: 'not foreseen'" in caplog.text


def test_the_pace_is_shown(make_stage: MakeStage) -> None:
    clock = VirtualClock()
    stage = make_stage(clock=clock, pacer=Pacer(None, "test", clock))
    poller: Poller = stage.poller
    assert stage.show().one("lambda_cloud_rate_tokens", limit="request") == 1
    poller.poll()
    clock.advance(0.25)
    shown = stage.show()
    assert shown.one("lambda_cloud_rate_tokens", limit="request") == 0.25
    assert (
        shown.one("lambda_cloud_rate_tokens", limit="launch") == 0.25
    )  # a launch takes a request's slot too
