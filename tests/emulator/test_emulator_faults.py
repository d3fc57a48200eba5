"""Faults: at which operation, before or after the work, and what the client and the account see."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.emulator.emulator_client import Api, launch_body

LOST = requests.exceptions.ConnectionError


def add_fault(api: Api, operation: str, when: str, action: str, **more: Any) -> str:
    body = {"operation": operation, "when": when, "action": action, **more}
    answer = api.control("POST", "/faults", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["fault_id"])


def launch(api: Api) -> requests.Response:
    return api.post("/instance-operations/launch", launch_body())


@pytest.mark.parametrize(("when", "exist"), [("before", 0), ("after", 1)])
def test_drop_loses_the_answer_and_after_the_work_also_a_machine(api: Api, when: str, exist: int) -> None:
    api.add_key()
    fault_id = add_fault(api, "launchInstance", when, "drop")
    with pytest.raises(LOST):
        launch(api)
    assert len(api.cloud.instances.ever()) == exist
    assert launch(api).status_code == 200
    assert api.control("GET", f"/faults/{fault_id}").json()["hits"] == 1
    seen = [one for one in api.control("GET", "/requests").json() if one["operation"] == "launchInstance"]
    assert [(one["status"], one["answered"]) for one in seen] == [(None, False), (200, True)]


@pytest.mark.parametrize(("when", "exist"), [("before", 0), ("after", 1)])
def test_truncate_sends_half_an_answer(api: Api, when: str, exist: int) -> None:
    api.add_key()
    add_fault(api, "launchInstance", when, "truncate")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, LOST)):
        launch(api)
    assert len(api.cloud.instances.ever()) == exist
    seen = api.control("GET", "/requests").json()[-1]
    assert (seen["status"], seen["answered"]) == (200, False)


@pytest.mark.parametrize(("when", "exist"), [("before", 0), ("after", 1)])
def test_status_hides_what_was_done(api: Api, when: str, exist: int) -> None:
    api.add_key()
    add_fault(api, "launchInstance", when, "status", status=502, body="Bad Gateway", retry_after_s=7)
    answer = launch(api)
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (502, "Bad Gateway", "7")
    assert len(api.cloud.instances.ever()) == exist


def test_a_status_may_carry_json_or_a_code_of_the_upstream(api: Api) -> None:
    add_fault(api, "listRegions", "before", "status", status=400, body={"odd": True})
    assert api.get("/regions").json() == {"odd": True}
    add_fault(api, "listRegions", "before", "status", status=503, code="provider/internal-unavailable")
    assert api.get("/regions").json()["error"]["code"] == "provider/internal-unavailable"


def test_delay_moves_a_virtual_clock_and_nobody_waits(api: Api) -> None:
    before_s = api.cloud.now()
    add_fault(api, "*", "after", "delay", delay_s=3600)
    assert api.get("/regions").status_code == 200
    assert api.cloud.now() - before_s == 3600


@pytest.mark.parametrize(("when", "exist"), [("before", 0), ("after", 1)])
def test_hold_keeps_a_request_at_its_moment_until_released(api: Api, when: str, exist: int) -> None:
    api.add_key()
    fault_id = add_fault(api, "launchInstance", when, "hold")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(launch, api)
        wait_until(lambda: api.control("GET", f"/faults/{fault_id}").json()["holding"] == 1)
        assert len(api.cloud.instances.ever()) == exist
        assert not held.done()
        assert api.control("POST", f"/faults/{fault_id}/release").json() == {"released": 1}
        assert held.result(5).status_code == 200
    assert len(api.cloud.instances.ever()) == 1


def test_a_release_ends_the_rule_even_one_without_a_number_of_times(api: Api) -> None:
    fault_id = add_fault(api, "listRegions", "before", "hold", times=None)
    assert api.control("POST", f"/faults/{fault_id}/release").json() == {"released": 0}
    assert api.get("/regions").status_code == 200
    assert api.control("GET", f"/faults/{fault_id}").json()["hits"] == 0


def test_a_held_request_can_be_dropped_as_if_it_never_arrived(api: Api) -> None:
    api.add_key()
    fault_id = add_fault(api, "launchInstance", "before", "hold")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(launch, api)
        wait_until(lambda: api.control("GET", f"/faults/{fault_id}").json()["holding"] == 1)
        api.control("POST", f"/faults/{fault_id}/release", {"drop": True})
        with pytest.raises(LOST):
            held.result(5)
    assert api.cloud.instances.ever() == []


def test_work_held_before_is_done_after_the_release_although_the_client_has_gone(api: Api) -> None:
    api.add_key()
    fault_id = add_fault(api, "launchInstance", "before", "hold")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(
            f"{api.emulator.url}/api/v1/instance-operations/launch",
            json=launch_body(),
            headers=dict(api.session.headers),
            timeout=(1, 0.05),
        )
    assert api.cloud.instances.ever() == []
    api.control("DELETE", f"/faults/{fault_id}")
    wait_until(lambda: len(api.cloud.instances.ever()) == 1)
    wait_until(lambda: api.control("GET", "/requests").json()[-1]["status"] == 200)
    assert api.control("GET", "/requests").json()[-1]["answered"] is False


def test_a_server_that_ends_drops_what_it_holds(make_api: Callable[..., Api]) -> None:
    api = make_api()
    fault_id = add_fault(api, "listRegions", "before", "hold")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(api.get, "/regions")
        wait_until(lambda: api.control("GET", f"/faults/{fault_id}").json()["holding"] == 1)
        api.emulator.__exit__(None, None, None)
        with pytest.raises(LOST):
            held.result(5)


def test_rules_apply_in_order_as_often_as_asked(api: Api) -> None:
    add_fault(api, "listRegions", "before", "status", status=500, times=2)
    add_fault(api, "*", "before", "status", status=503, times=None)
    assert [api.get("/regions").status_code for _ in range(4)] == [500, 500, 503, 503]
    assert api.get("/images").status_code == 503
    api.control("DELETE", "/faults")
    assert api.get("/regions").status_code == 200
    assert api.control("GET", "/faults").json() == []


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "listMoons", "when": "before", "action": "drop"},
        {"operation": "*", "when": "during", "action": "drop"},
        {"operation": "*", "when": "before", "action": "explode"},
        {"operation": "*", "when": "before", "action": "status"},
        {"operation": "*", "when": "before", "action": "drop", "times": 0},
        {"operation": "*", "when": "before", "action": "delay", "delay_s": -1},
        {"operation": "*", "when": "before", "action": "drop", "colour": "red"},
        {"operation": "*", "when": "before"},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(api: Api, body: dict[str, Any]) -> None:
    answer = api.control("POST", "/faults", body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_rule_that_is_not_there(api: Api) -> None:
    assert api.control("GET", "/faults/fault-9").status_code == 404
    assert api.control("DELETE", "/faults/fault-9").status_code == 404
    assert api.control("POST", "/faults/fault-9/release").status_code == 404


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition that another thread makes true; at most 5 s, usually a millisecond."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not become true within 5 s")
