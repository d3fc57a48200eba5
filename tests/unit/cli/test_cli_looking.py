"""`sophia status`, `instances` and `types` against an emulator: tables for people, documents for programs.

Each test starts the real command once or more (about half a second each): what is tested is what a user sees.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from sophia_infra.emulator import EmulatorServer
from sophia_infra.emulator.faults import FaultRule
from sophia_infra.lambda_cloud import LambdaCloud, LaunchRequest, Pacer
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.tags import LAUNCH_TAG, LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG
from tests.unit.cli.sophia_command import A10, PUBLIC_KEY, Sophia, finish

TAGS = {STACK_TAG: "sophia-infra/local", NAME_TAG: "a", LAUNCH_TAG: "g1-0123456789abcdef"}


def launch(emulator: EmulatorServer, name: str, tags: dict[str, str] | None = None) -> str:
    """An A10 in the emulated account, booted; its id."""
    client = LambdaCloud(emulator.url, "a-key", pacer=Pacer(None, "test", VirtualClock()))
    if not client.list_ssh_keys():
        client.add_ssh_key("test", PUBLIC_KEY)
    request = LaunchRequest(
        region_name="us-west-1",
        instance_type_name="gpu_1x_a10",
        ssh_key_names=("test",),
        name=name,
        tags={**(tags or {}), LAUNCHED_AT_TAG: str(int(emulator.cloud.now()))},
    )
    instance_id = client.launch_instance(request)
    emulator.cloud.advance(3600)
    return instance_id


def test_status_shows_what_runs_where_and_what_it_costs(sophia: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "a", TAGS)
    done = sophia.run("status")
    assert (done.code, done.err) == (0, "")
    row = next(line for line in done.out.splitlines() if line.startswith("a "))
    for shown in ("gpu_1x_a10", "x86_64", "us-west-1", "active", "$1.29", "$928.80"):
        assert shown in row
    assert "Stack local, phase 1" in done.out
    assert "6 % of it at this rate" in done.said
    assert "Budget $15,000.00/month (720 h)" in done.said


def test_status_shows_what_is_missing_and_counts_what_is_not_ours(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    launch(emulator, "somebody-else")
    done = sophia.run("status")
    assert done.code == 0
    assert "absent" in done.out
    assert "also runs 1 machines that are not of this stack, at $1.29/h" in done.said


def test_status_asks_for_the_machines_of_a_cluster_that_the_file_reads(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    cluster_id = "0920582c7ff041399e34823a0be62549"
    emulator.cloud.set_cluster(launch(emulator, "worker-1"), cluster_id)
    sophia.write_config({}, training={"reserved": {"cluster_id": cluster_id}})
    said = sophia.run("status").said
    assert "Training of this stack: 1 machines beside it, at $1.29/h" in said
    assert "not of this stack" not in said


def test_status_names_a_machine_that_the_file_no_longer_has(sophia: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "old", {**TAGS, NAME_TAG: "old"})
    assert "old (not in the stack file)" in sophia.run("status").said


def test_status_as_json_has_the_documented_keys(sophia: Sophia, emulator: EmulatorServer) -> None:
    machine_id = launch(emulator, "a", TAGS)
    document = sophia.run("status", "--json").json()
    assert document.keys() == {
        "stack",
        "phase",
        "machines",
        "usd_per_hour",
        "usd_per_month_720h",
        "training_machines",
        "training_usd_per_hour",
        "other_machines",
        "other_usd_per_hour",
        "kubernetes",
    }
    assert document["kubernetes"] == {"mode": "none"}
    assert (document["stack"], document["phase"], document["other_machines"]) == ("local", 1, 0)
    (machine,) = document["machines"]
    assert machine == {
        "name": "a",
        "id": machine_id,
        "status": "active",
        "instance_type": "gpu_1x_a10",
        "gpu": CATALOGUE["gpu_1x_a10"].description,
        "architecture": "x86_64",
        "region": "us-west-1",
        "address": machine["address"],
        "usd_per_hour": "1.29",
        "usd_per_month_720h": "928.80",
        "usd_so_far": machine["usd_so_far"],
        "purpose": "development",
        "in_file": True,
    }
    assert Decimal(machine["usd_so_far"]) >= Decimal("1.29")


def test_status_costs_one_list_request(sophia: Sophia, emulator: EmulatorServer) -> None:
    """64 machines must not take 64 seconds at one request a second."""
    sophia.run("status")
    assert [seen.operation for seen in emulator.cloud.requests.since(0)] == ["listInstances"]


def test_instances_lists_the_whole_account(sophia: Sophia, emulator: EmulatorServer) -> None:
    ids = [launch(emulator, "a", TAGS), launch(emulator, "somebody-else")]
    done = sophia.run("instances")
    assert done.code == 0
    assert all(instance_id in done.out for instance_id in ids)
    assert "sophia-infra/local" in done.out

    rows = sophia.run("instances", "--json").json()
    assert {row["id"] for row in rows} == set(ids)
    assert rows[0].keys() == {
        "id",
        "name",
        "status",
        "instance_type",
        "region",
        "ip",
        "usd_per_hour",
        "tags",
    }


def test_instances_of_an_empty_account(sophia: Sophia) -> None:
    assert sophia.run("instances").said == "The account runs no machines."
    assert sophia.run("instances", "--json").json() == []


def test_types_shows_live_prices_and_capacity(sophia: Sophia, emulator: EmulatorServer) -> None:
    emulator.cloud.change_settings({"price_overrides_cents_per_hour": {"gpu_1x_a10": 111}})
    emulator.cloud.change_settings({"default_capacity": 0})
    emulator.cloud.set_capacity("gpu_1x_a10", "us-west-1", 2)
    done = sophia.run("types")
    row = next(line for line in done.out.splitlines() if line.startswith("gpu_1x_a10 "))
    assert "$1.11" in row
    assert row.rstrip().endswith("us-west-1")
    assert "A listed capacity reserves nothing" in done.said

    document = sophia.run("types", "--json").json()
    assert document["types"]["gpu_1x_a10"]["usd_per_hour"] == "1.11"
    assert document["types"]["gpu_1x_a10"]["regions_with_capacity"] == ["us-west-1"]
    assert document["types"]["gpu_1x_gh200"]["regions_with_capacity"] == []


def test_types_offline_asks_nobody_and_says_how_old_the_prices_are(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    done = sophia.run("types", "--offline")
    assert (done.code, done.err) == (0, "")
    assert "Prices of 2026-08-20" in done.out
    assert "Capacity" not in done.out
    document = sophia.run("types", "--offline", "--json").json()
    assert document.keys() == {"as_of", "source", "types"}
    assert document["types"].keys() == CATALOGUE.keys()
    assert document["types"]["gpu_1x_gh200"] == {
        "gpu_model": "GH200",
        "gpu_count": 1,
        "gpu_memory_gib": 96,
        "architecture": "arm64",
        "usd_per_hour": "2.29",
    }
    assert emulator.cloud.requests.since(0) == []


def test_types_offline_needs_no_project_and_no_key(stopped: Sophia) -> None:
    del stopped.environment["LAMBDA_API_KEY"]
    (stopped.project / "Pulumi.local.yaml").unlink()
    assert stopped.run("types", "--offline").code == 0


@pytest.mark.parametrize("command", ["status", "instances", "doctor"])
def test_a_stopped_emulator_is_no_failure(stopped: Sophia, command: str) -> None:
    assert "The emulator of stack local is stopped, so nothing runs." in stopped.run(command).said
    assert stopped.run(command, "--json").json() == {
        "stack": "local",
        "emulator": "stopped",
        "machines": [],
        "usd_per_hour": "0",
    }


def test_types_of_a_stopped_emulator_are_the_dated_ones(stopped: Sophia) -> None:
    assert "Prices of 2026-08-20" in stopped.run("types").out


def test_a_stale_endpoint_file_means_that_the_emulator_is_stopped(stopped: Sophia) -> None:
    (stopped.home / "emulator").mkdir(parents=True)
    for text in ("", "{}", "[]", f'{{"url": "http://127.0.0.1:{_free_port()}", "pid": 1, "speed": 60}}'):
        (stopped.home / "emulator" / "endpoint.json").write_text(text)
        assert "is stopped" in stopped.run("status").said


def test_the_home_is_closed_to_others(stopped: Sophia) -> None:
    stopped.run("status")
    assert [f.name for f in stopped.home.iterdir() if f.stat().st_mode & 0o077] == []


def test_ctrl_c_while_the_cloud_is_silent_ends_at_once_with_130(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    with _held(emulator, "listInstances") as is_held, sophia.started("status") as process:
        is_held()
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.code == 130
    assert done.out == "Stack local, phase 1\n"
    assert done.err.startswith("sophia: Interrupted. Nothing was lost")


def test_a_closed_pipe_is_no_traceback(sophia: Sophia) -> None:
    with sophia.started("types", "--offline", "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_the_table_stays_whole_in_a_log(sophia: Sophia, emulator: EmulatorServer) -> None:
    """A row that wraps cannot be read, nor found by grep."""
    sophia.write_config({f"a-machine-with-a-name-of-some-length-{n}": A10 for n in range(3)})
    lines = sophia.run("status", COLUMNS="40").out.splitlines()
    assert sum("gpu_1x_a10" in line and "us-west-1" in line and "absent" in line for line in lines) == 3


@contextlib.contextmanager
def _held(emulator: EmulatorServer, operation: str) -> Iterator[Callable[[], None]]:
    is_held = threading.Event()
    hold = FaultRule.hold

    def held(rule: FaultRule, wake: Callable[[bool], None]) -> None:
        hold(rule, wake)
        is_held.set()

    def wait_until_held() -> None:
        assert is_held.wait(60), "no request came"

    with emulator.cloud.lock:
        rule = emulator.cloud.faults.add(operation, "before", "hold")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FaultRule, "hold", held)
        try:
            yield wait_until_held
        finally:
            with emulator.cloud.lock:
                rule.release(go_on=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
