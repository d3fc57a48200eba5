"""How an instance moves on, by each of the three clocks; no test waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.emulator.emulator_client import Api, launch_body

MakeApi = Callable[..., Api]


def test_seconds_no_address_then_an_address_then_active(api: Api) -> None:
    instance_id = api.launch()
    assert "ip" not in api.instance(instance_id)
    api.cloud.advance(70.9)
    assert "ip" not in api.instance(instance_id)
    api.cloud.advance(0.1)
    booting = api.instance(instance_id)
    assert (booting["status"], booting["ip"], booting["hostname"]) == ("booting", "192.0.2.1", "192-0-2-1")
    assert booting["private_ip"].startswith("10.")
    assert "jupyter_url" not in booting
    api.cloud.advance(168.9)
    assert api.instance(instance_id)["status"] == "booting"
    api.cloud.advance(0.1)
    assert api.instance(instance_id)["status"] == "active"


def test_eight_gpus_take_ten_to_twenty_five_minutes(api: Api) -> None:
    ids = [api.launch(instance_type_name="gpu_8x_h100_sxm5") for _ in range(20)]
    api.cloud.advance(599)
    assert {api.instance(one)["status"] for one in ids} == {"booting"}
    api.cloud.advance(400)
    assert {api.instance(one)["status"] for one in ids} == {"booting", "active"}
    api.cloud.advance(501)
    assert {api.instance(one)["status"] for one in ids} == {"active"}


def test_per_read_one_step_for_every_second_look(make_api: MakeApi) -> None:
    api = make_api(transitions="per_read", reads_per_step=2)
    instance_id = api.launch()
    seen = []
    for _ in range(4):
        instance = api.instance(instance_id)
        seen.append((instance["status"], "ip" in instance))
    assert seen == [("booting", False), ("booting", True), ("booting", True), ("active", True)]
    api.cloud.advance(10_000)
    api.terminate(instance_id)
    (listed,) = api.data("GET", "/instances")
    assert listed["status"] == "terminating"
    (listed,) = api.data("GET", "/instances")
    assert listed["status"] == "terminated"


def test_immediate_everything_has_happened_at_the_next_look(make_api: MakeApi) -> None:
    api = make_api(transitions="immediate")
    instance_id = api.launch()
    instance = api.instance(instance_id)
    assert (instance["status"], instance["ip"]) == ("active", "192.0.2.1")
    api.terminate(instance_id)
    assert api.instance(instance_id)["status"] == "terminated"


@pytest.mark.parametrize(("mode", "value"), [("null", None), ("empty", "")])
def test_a_missing_address_can_look_as_old_clients_saw_it(
    make_api: MakeApi, mode: str, value: str | None
) -> None:
    api = make_api(ip_while_booting=mode, validate_answers=False)
    assert api.instance(api.launch())["ip"] == value


def test_terminating_keeps_the_filesystem_in_use_until_the_end(api: Api) -> None:
    filesystem = api.data("POST", "/filesystems", {"name": "models", "region": "us-east-3"})
    instance_id = api.launch(file_system_names=["models"])
    api.terminate(instance_id)
    api.cloud.advance(29)
    assert api.data("GET", "/file-systems")[0]["is_in_use"] is True
    assert api.call("DELETE", f"/filesystems/{filesystem['id']}").status_code == 400
    api.cloud.advance(1)
    assert api.data("GET", "/file-systems")[0]["is_in_use"] is False
    assert api.call("DELETE", f"/filesystems/{filesystem['id']}").status_code == 200


def test_an_ended_instance_stays_visible_for_a_while_then_vanishes(api: Api) -> None:
    instance_id = api.launch()
    api.terminate(instance_id)
    api.cloud.advance(30 + 59)
    assert api.instance(instance_id)["status"] == "terminated"
    assert len(api.data("GET", "/instances")) == 1
    api.cloud.advance(1)
    assert api.get(f"/instances/{instance_id}").status_code == 404
    assert api.data("GET", "/instances") == []
    for operation in ("terminate", "restart"):
        answer = api.post(f"/instance-operations/{operation}", {"instance_ids": [instance_id]})
        assert answer.status_code == 404


def test_an_ended_instance_can_vanish_at_once(make_api: MakeApi) -> None:
    api = make_api(terminated_visible_s=0)
    instance_id = api.launch()
    api.terminate(instance_id)
    api.cloud.advance(30)
    assert api.get(f"/instances/{instance_id}").status_code == 404


def test_terminate_twice_is_answered_as_it_is(api: Api) -> None:
    instance_id = api.launch()
    for _ in range(2):
        api.terminate(instance_id)
    api.cloud.advance(30)
    answer = api.data("POST", "/instance-operations/terminate", {"instance_ids": [instance_id]})
    assert answer["terminated_instances"][0]["status"] == "terminated"


@pytest.mark.parametrize("operation", ["terminate", "restart"])
def test_one_unknown_id_leaves_all_as_they_are(api: Api, operation: str) -> None:
    instance_id = api.launch()
    api.cloud.advance(300)
    body = {"instance_ids": [instance_id, "unknown"]}
    assert api.post(f"/instance-operations/{operation}", body).status_code == 404
    assert api.instance(instance_id)["status"] == "active"


def test_terminate_can_be_refused_right_after_launch(make_api: MakeApi) -> None:
    api = make_api(terminate_refused_s=10)
    instance_id = api.launch()
    terminate = api.instance(instance_id)["actions"]["terminate"]
    assert (terminate["available"], terminate["reason_code"]) == (False, "vm-has-not-launched")
    body = {"instance_ids": [instance_id]}
    assert api.post("/instance-operations/terminate", body).status_code == 409
    api.cloud.advance(10)
    assert api.instance(instance_id)["actions"]["terminate"] == {"available": True}
    api.terminate(instance_id)


def test_restart_keeps_the_address_and_comes_back(api: Api) -> None:
    instance_id = api.launch()
    assert api.post("/instance-operations/restart", {"instance_ids": [instance_id]}).status_code == 409
    api.cloud.advance(300)
    address = api.instance(instance_id)["ip"]
    api.data("POST", "/instance-operations/restart", {"instance_ids": [instance_id]})
    rebooting = api.instance(instance_id)
    assert (rebooting["status"], rebooting["ip"]) == ("booting", address)
    assert rebooting["actions"]["restart"]["reason_code"] == "vm-action-in-progress"
    api.cloud.advance(60)
    assert api.instance(instance_id)["status"] == "active"


def test_a_lagging_list_hides_a_new_instance_that_exists_and_costs(make_api: MakeApi) -> None:
    api = make_api(list_lag_s=20)
    instance_id = api.launch()
    assert api.data("GET", "/instances") == []
    assert api.get(f"/instances/{instance_id}").status_code == 404
    assert api.cloud.dump()["billing"]["usd_per_hour"] == "2.29"
    api.cloud.advance(20)
    assert [one["id"] for one in api.data("GET", "/instances")] == [instance_id]
    assert api.instance(instance_id)["status"] == "booting"


def test_get_by_id_can_see_what_the_list_does_not_yet(make_api: MakeApi) -> None:
    api = make_api(list_lag_s=20, get_sees_lagging=True)
    instance_id = api.launch()
    assert api.data("GET", "/instances") == []
    assert api.instance(instance_id)["status"] == "booting"


def test_some_boots_end_unhealthy_and_stay_so_and_cost(make_api: MakeApi) -> None:
    api = make_api(unhealthy_boot_share=0.5)
    ids = [api.launch() for _ in range(20)]
    api.cloud.advance(100_000)
    statuses = [api.instance(one)["status"] for one in ids]
    assert set(statuses) == {"active", "unhealthy"}
    assert api.cloud.dump()["billing"]["usd_per_hour"] == "45.80"


@pytest.mark.parametrize("status", ["terminated", "preempted", "unhealthy", "active", "terminating"])
def test_the_outside_world_can_set_a_status(api: Api, status: str) -> None:
    instance_id = api.launch()
    answer = api.control("POST", f"/instances/{instance_id}/status", {"status": status})
    assert answer.status_code == 200, answer.text
    assert api.instance(instance_id)["status"] == status
    (dumped,) = api.control("GET", "/state").json()["instances"]
    assert (dumped["ended_at_s"] is not None) == (status in {"terminated", "preempted"})


def test_nothing_comes_back_from_the_dead(api: Api) -> None:
    instance_id = api.launch()
    api.control("POST", f"/instances/{instance_id}/status", {"status": "preempted"})
    answer = api.control("POST", f"/instances/{instance_id}/status", {"status": "active"})
    assert answer.status_code == 400
    assert api.control("POST", "/instances/nobody/status", {"status": "active"}).status_code == 404
    assert api.control("POST", f"/instances/{instance_id}/status", {"status": "happy"}).status_code == 400


def test_a_boot_from_outside_starts_over(api: Api) -> None:
    instance_id = api.launch()
    api.cloud.advance(300)
    api.control("POST", f"/instances/{instance_id}/status", {"status": "booting"})
    assert "ip" not in api.instance(instance_id)
    api.cloud.advance(240)
    assert api.instance(instance_id)["status"] == "active"


def test_an_empty_list_of_ids_does_nothing(api: Api) -> None:
    assert api.data("POST", "/instance-operations/terminate", {"instance_ids": []}) == {
        "terminated_instances": []
    }
    assert api.post("/instance-operations/launch", launch_body()).status_code == 400
