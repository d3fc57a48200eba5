"""What asks the account of these tests without HTTP sees the same as over HTTP, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.lambda_cloud import LambdaCloud, LambdaCloudError, LaunchRequest, Pacer
from sophia_infra.model.clock import VirtualClock
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.stage import API_KEY, KEY_NAME, PUBLIC_KEY

CALLS: dict[str, Callable[[LambdaCloud], Any]] = {
    "listInstances": lambda client: [one.name for one in client.list_instances(cluster_id="a b&c=%2Fé")],
    "listInstanceTypes": lambda client: sorted(client.list_instance_types()),
    "getInstance": lambda client: client.get_instance("a/b c%0A?d"),
    "launchInstance": lambda client: len(
        client.launch_instance(
            LaunchRequest(
                region_name="us-east-1",
                instance_type_name="gpu_1x_a10",
                ssh_key_names=(KEY_NAME,),
                name="ärger",
                tags={"team": "a"},
            )
        )
    ),
    "terminateInstance": lambda client: client.terminate_instances(["0" * 32]),
    "addSSHKey": lambda client: client.add_ssh_key("second", PUBLIC_KEY).name,
}
FAULTS: list[dict[str, Any]] = [
    {},
    {"when": "before", "action": "drop"},
    {"when": "after", "action": "drop"},
    {"when": "after", "action": "truncate"},
    {"when": "before", "action": "delay", "delay_s": 30},
    {"when": "before", "action": "status", "status": 429, "retry_after_s": 30},
    {"when": "after", "action": "status", "status": 500},
    {"when": "before", "action": "status", "status": 403, "body": "error code: 1010"},
    {"when": "before", "action": "status", "status": 200, "body": {"data": "?"}},
]


def met(server: EmulatorServer, operation: str, fault: dict[str, Any], api_key: str) -> tuple[object, ...]:
    """What a client meets, how long it takes it, and what the account then holds and has seen."""
    cloud = server.cloud
    clock = cloud.core.clock
    assert isinstance(clock, VirtualClock)
    with cloud.lock:
        cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
        if fault:
            cloud.faults.add(operation, times=2, **fault)
    began_s = clock.now()
    pacer = Pacer(None, "test", clock)
    with LambdaCloud(server.url, api_key, clock=clock, pacer=pacer, random_part=lambda: 0.5) as client:
        try:
            outcome: tuple[object, ...] = ("answered", CALLS[operation](client))
        except LambdaCloudError as error:
            outcome = (
                type(error),
                error.http_status,
                error.request_id,
                error.retry,
                error.may_have_happened,
                error.attempts,
            )
    seen = [
        (one.method, one.path, one.operation, one.status, one.answered) for one in cloud.requests.since(0)
    ]
    return outcome, clock.now() - began_s, len(cloud.dump()["instances"]), len(cloud.dump()["ssh_keys"]), seen


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: " ".join(str(one) for one in fault.values()))
@pytest.mark.parametrize("operation", CALLS)
def test_a_client_meets_the_same(operation: str, fault: dict[str, Any]) -> None:
    with EmulatorServer(new_account()) as over_http, InProcessServer(new_account()) as in_process:
        assert met(in_process, operation, fault, API_KEY) == met(over_http, operation, fault, API_KEY)


def test_a_wrong_key_is_refused() -> None:
    with EmulatorServer(new_account()) as over_http, InProcessServer(new_account()) as in_process:
        refused = met(in_process, "listInstanceTypes", {}, "wrong")
        assert refused == met(over_http, "listInstanceTypes", {}, "wrong")
        assert str(refused[0]).find("Unauthorized") > 0


def test_each_account_has_its_address_until_it_is_closed() -> None:
    with InProcessServer(new_account()) as first, InProcessServer(new_account()) as second:
        with first.cloud.lock:
            first.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
        assert [keys_at(first), keys_at(second)] == [1, 0]
    with pytest.raises(requests.ConnectionError):
        keys_at(first)


def new_account() -> Cloud:
    return Cloud(CloudSettings(validate_answers=True, api_keys=(API_KEY,)), VirtualClock())


def keys_at(server: InProcessServer) -> int:
    answer = requests.get(
        f"{server.url}/api/v1/ssh-keys", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=5
    )
    return len(answer.json()["data"])
