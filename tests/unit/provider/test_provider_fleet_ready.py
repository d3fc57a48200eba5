"""One resource waits for all machines over one shared list, and says of each why it is not ready."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sophia_infra.provider.errors import NotReady, Stopped
from sophia_infra.provider.fleet_ready import FleetReadyKind, ssh_answers
from sophia_infra.provider.instance import InstanceKind
from tests.unit.provider.stage import STACK, Stage, numbered, props


@pytest.fixture
def fleet(stage: Stage) -> Callable[[int], dict[str, str]]:
    """Launch machines in an earlier run: {name: id}."""

    def launch(count: int) -> dict[str, str]:
        kind = stage.kind()
        return {name: kind.create(props(name)).id for name in numbered("machine", count)}

    return launch


def ready_props(instances: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {"stack": STACK, "instances": instances, "timeout_minutes": {}, "probe_ssh": False, **changes}


def test_it_waits_until_every_machine_is_active_with_an_address(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    instances = fleet(3)
    began_s = stage.clock.now()
    created = FleetReadyKind(stage.session()).create(ready_props(instances))
    assert 240 <= stage.clock.now() - began_s <= 250, "the emulator boots one GPU in 4 minutes"
    machines = created.outputs["machines"]
    assert {name: row["id"] for name, row in machines.items()} == instances
    assert {row["status"] for row in machines.values()} == {"active"}
    assert all(row["ip"] and row["private_ip"] and row["hostname"] for row in machines.values())
    assert machines["machine-1"]["usd_per_hour"] == "1.29"
    assert machines["machine-1"]["architecture"] == "x86_64"
    assert created.outputs["usd_per_hour"] == "3.87"
    assert created.id == f"{STACK}/fleet-ready"


def test_one_list_per_poll_serves_all_machines(stage: Stage, fleet: Callable[[int], dict[str, str]]) -> None:
    kind = FleetReadyKind(stage.session())
    instances = fleet(8)
    with stage.counting() as operations:
        kind.create(ready_props(instances))
    assert set(operations) == {"listInstances"}
    assert len(operations) == 240 / 5 + 1


def test_a_stack_without_machines_is_ready_at_once(stage: Stage) -> None:
    created = FleetReadyKind(stage.session()).create(ready_props({}))
    assert (created.outputs["machines"], created.outputs["usd_per_hour"]) == ({}, "0")


def test_progress_is_said_once_per_change_and_names_who_is_waited_for(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    instances = fleet(1)
    stage.clock.advance(120)
    instances |= {"late": stage.kind().create(props("late")).id}
    stage.said.clear()
    FleetReadyKind(stage.session()).create(ready_props(instances))
    assert stage.said == [
        "0 of 2 ready; waiting for machine-1, late (0.0 min)",
        "1 of 2 ready; waiting for late (2.0 min)",
    ]


def test_an_unhealthy_machine_gets_five_minutes_of_grace(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    instances = fleet(1)
    stage.happens_outside(instances["machine-1"], "unhealthy")
    began_s = stage.clock.now()
    with pytest.raises(NotReady, match=r"machine-1 \([0-9a-f]{32}\) is unhealthy") as caught:
        FleetReadyKind(stage.session()).create(ready_props(instances))
    assert 300 < stage.clock.now() - began_s <= 310
    assert "$1.29/h until terminated" in str(caught.value)
    assert "`generation`" in str(caught.value)
    assert stage.live() == [instances["machine-1"]], "it stays in the state"


def test_a_machine_that_recovers_within_its_grace_is_ready(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    instances = fleet(1)
    stage.happens_outside(instances["machine-1"], "unhealthy")
    session = stage.session()
    sleep, pauses = session.clock.sleep, []

    class Recovery:
        def now(self) -> float:
            return stage.clock.now()

        def sleep(self, duration_s: float) -> None:
            sleep(duration_s)
            pauses.append(duration_s)
            if len(pauses) == 50:
                stage.happens_outside(instances["machine-1"], "active")

    session.clock = Recovery()
    FleetReadyKind(session).create(ready_props(instances))
    assert len(pauses) == 50


def test_a_machine_that_does_not_boot_in_its_time_is_named_with_its_status(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    stage.set(boot_ranges_s=[[0, 1e6, 1e6]])
    instances = fleet(2)
    began_s = stage.clock.now()
    with pytest.raises(NotReady, match=r"Not ready after 40 min: .*machine-1 .* is booting; machine-2"):
        FleetReadyKind(stage.session()).create(
            ready_props(instances, timeout_minutes={"machine-1": 10.0, "machine-2": 40.0})
        )
    assert 2400 < stage.clock.now() - began_s <= 2410


def test_the_default_time_is_thirty_minutes(stage: Stage, fleet: Callable[[int], dict[str, str]]) -> None:
    stage.set(boot_ranges_s=[[0, 1e6, 1e6]])
    with pytest.raises(NotReady, match="Not ready after 30 min"):
        FleetReadyKind(stage.session()).create(ready_props(fleet(1)))


@pytest.mark.parametrize("status", ["terminating", "terminated", "preempted"])
def test_a_machine_that_ended_is_known_at_once_and_the_others_are_still_waited_for(
    stage: Stage, fleet: Callable[[int], dict[str, str]], status: str
) -> None:
    stage.set(terminated_visible_s=1e6, terminate_s=1e6)
    instances = fleet(2)
    stage.happens_outside(instances["machine-1"], status)
    began_s = stage.clock.now()
    with pytest.raises(NotReady, match=rf"4 min: machine-1 \(.*\) is {status}\. They cost \$0/h") as caught:
        FleetReadyKind(stage.session()).create(ready_props(instances))
    assert 240 <= stage.clock.now() - began_s <= 250
    assert "machine-2" not in str(caught.value)
    assert "--refresh" in str(caught.value)


def test_a_machine_that_is_not_listed_is_given_up_after_the_list_lag_not_after_its_boot_time(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    instances = fleet(1)
    stage.clock.advance(300)
    instances |= {"gone": "0" * 32}
    began_s = stage.clock.now()
    with pytest.raises(NotReady, match="gone is not listed"):
        FleetReadyKind(stage.session()).create(ready_props(instances))
    assert 60 < stage.clock.now() - began_s <= 70


def test_a_machine_that_the_list_does_not_show_yet_is_waited_for(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    stage.set(list_lag_s=40)
    created = FleetReadyKind(stage.session()).create(ready_props(fleet(1)))
    assert created.outputs["machines"]["machine-1"]["status"] == "active"


def test_ssh_is_asked_only_when_the_stack_is_of_the_real_cloud_and_once_per_machine(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    asked: list[str] = []

    def answers_at_the_third_time(address: str) -> bool:
        asked.append(address)
        return asked.count(address) == 3

    instances = fleet(2)
    FleetReadyKind(stage.session(), answers_at_the_third_time).create(ready_props(instances))
    assert asked == []
    FleetReadyKind(stage.session(), answers_at_the_third_time).create(ready_props(instances, probe_ssh=True))
    assert sorted(map(asked.count, set(asked))) == [3, 3]


def test_only_an_ssh_server_counts_as_an_answer() -> None:
    def greet(listening: socket.socket, text: bytes) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(text)

    for text, answers in ((b"SSH-2.0-OpenSSH_9.6\r\n", True), (b"HTTP/1.1 400\r\n", False)):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            thread = threading.Thread(target=greet, args=(listening, text))
            thread.start()
            assert ssh_answers("127.0.0.1", port) is answers
            thread.join()
    assert ssh_answers("127.0.0.1", port) is False, "nobody listens there any more"


def test_only_other_machines_are_a_reason_to_wait_again(stage: Stage) -> None:
    kind = FleetReadyKind(stage.session())
    olds = {**ready_props({"a": "1"}), "machines": {"a": {"status": "active"}}}
    assert kind.diff("id", olds, ready_props({"a": "1"}, timeout_minutes={"a": 99.0})).changes == ()
    assert kind.diff("id", olds, ready_props({"a": "2"})).changes == ("instances",)


def test_a_refresh_reports_what_is_there_now(stage: Stage, fleet: Callable[[int], dict[str, str]]) -> None:
    instances = fleet(2)
    created = FleetReadyKind(stage.session()).create(ready_props(instances))
    stage.happens_outside(instances["machine-1"], "preempted")
    stage.happens_outside(instances["machine-2"], "terminated")
    stage.set(terminated_visible_s=0)
    found = FleetReadyKind(stage.session()).read(created.id, created.outputs)
    assert found.outputs["machines"]["machine-1"] == {"id": instances["machine-1"], "status": "gone"}
    assert found.outputs["usd_per_hour"] == "0"


def test_deleting_it_ends_no_machine(stage: Stage, fleet: Callable[[int], dict[str, str]]) -> None:
    instances = fleet(1)
    kind = FleetReadyKind(stage.session())
    created = kind.create(ready_props(instances))
    kind.delete(created.id, created.outputs)
    assert stage.live() == list(instances.values())


def test_a_refresh_of_64_machines_is_one_request(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    """A request each would take 64 s at 1 request/s."""
    instances = fleet(64)
    session = stage.session()
    kind, ready = InstanceKind(session), FleetReadyKind(session)
    with stage.counting() as operations:
        for name, instance_id in instances.items():
            assert kind.read(instance_id, props(name)).id == instance_id
        ready.read("id", ready_props(instances))
    assert operations == ["listInstances"]


def test_a_wait_ends_on_request_and_says_what_goes_on_being_billed(
    stage: Stage, fleet: Callable[[int], dict[str, str]]
) -> None:
    session = stage.session()
    session.stop_requested = lambda: True
    with pytest.raises(Stopped, match="Stopped on request while waiting for machine-1; they boot on, billed"):
        FleetReadyKind(session).create(ready_props(fleet(1)))
