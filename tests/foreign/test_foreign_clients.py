"""Four clients that nobody here wrote, on our emulator: what they see, and what is then in the account."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from sophia_infra.emulator import CloudSettings, EmulatorServer
from tests.foreign.clients import folder

WALKS = Path(__file__).parent / "walks"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn walk"

# `terminating` is younger than that client: it ends the machine, and then cannot read the answer.
ENDED_UNKNOWN = (
    "must be one of enum values ('active', 'booting', 'unhealthy', 'terminated') (type=value_error)"
)

Start = Callable[..., EmulatorServer]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(**changes: Any) -> EmulatorServer:
            settings = CloudSettings(transitions="immediate", **changes)
            return stack.enter_context(EmulatorServer(settings))

        yield begin


def call(emulator: EmulatorServer, method: str, path: str, body: object = None) -> Any:
    answer = requests.request(
        method, f"{emulator.url}/api/v1{path}", json=body, auth=("a-key", ""), timeout=10
    )
    answer.raise_for_status()
    return answer.json()["data"]


def run(*command: str | Path, url: str = "") -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "COLUMNS": "4000",  # lai breaks the lines of its JSON as a terminal would
        "NODE_PATH": str(folder() / "node_modules"),
        "LAMBDA_CLOUD_BASE_URL": url,
        "LAMBDA_CLOUD_API_TOKEN": "a-key",
    }
    texts = [str(one) for one in command]
    done = subprocess.run(texts, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{texts}\n{done.stdout}{done.stderr}"
    return done.stdout


def walk(program: str | Path, script: str, emulator: EmulatorServer) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(run(program, WALKS / script, emulator.url))
    return seen


def test_an_sdk_generated_from_an_old_document_walks_the_life_of_a_machine(start: Start) -> None:
    emulator = start()
    call(emulator, "POST", "/filesystems", {"name": "walk", "region": "us-west-1"})
    seen = walk(folder() / "generated/bin/python", "generated_sdk.py", emulator)
    (machine,) = seen["launched"]
    assert seen == {
        "types": 24,
        "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----",
        "filesystems": ["walk"],
        "launched": [machine],
        "listed": [machine],
        "shown": ["generated", "active", "gpu_1x_a10", "us-west-1"],
        "restarted": [machine],
        "ended": ENDED_UNKNOWN,
        "keys": ["walk"],
        "keys_after": [],
        "missing": [404, "global/object-does-not-exist"],
    }
    assert call(emulator, "GET", f"/instances/{machine}")["status"] in ("terminating", "terminated")


def test_an_sdk_generated_from_a_new_document_makes_and_deletes_what_machines_need(start: Start) -> None:
    emulator = start(documented_regions_only=True)
    assert walk(folder() / "current/bin/python", "current_sdk.py", emulator) == {
        "keys": ["current"],
        "filesystems": [["current", False]],
        "rulesets": [["current", 1]],
        "deleted": True,
        "left": [0, 0, 0],
        "missing": [404, "global/object-does-not-exist"],
    }


def test_an_sdk_for_node_walks_the_life_of_a_machine(start: Start) -> None:
    emulator = start()
    call(emulator, "POST", "/filesystems", {"name": "walk", "region": "us-west-1"})
    seen = walk("node", "node_sdk.js", emulator)
    (machine,) = seen["launched"]
    assert seen == {
        "price": 129,
        "filesystems": ["walk"],
        "launched": [machine],
        "listed": [machine],
        "shown": ["node", "active"],
        "restarted": [machine],
        "ended": [machine],
        "keysAfter": [],
        "missing": "global/object-does-not-exist",
    }
    assert call(emulator, "GET", "/ssh-keys") == []


def test_a_command_of_somebody_else_runs_a_machine_from_start_to_stop(start: Start) -> None:
    # It is generated from the vendor's document, and refuses a region that the document does not name.
    emulator = start(documented_regions_only=True)
    call(emulator, "POST", "/ssh-keys", {"name": "walk", "public_key": PUBLIC_KEY})

    def lai(*arguments: str) -> str:
        return run(folder() / "current/bin/lai", *arguments, url=emulator.url)

    assert lai("ls").strip() == "No instances found."
    assert json.loads(lai("keys", "--json"))[0]["name"] == "walk"
    assert {row["family"] for row in json.loads(lai("images", "--json"))} >= {"lambda-stack-24-04"}
    place = ("--instance-type", "gpu_1x_a10", "--region", "us-west-1", "--ssh-key", "walk")
    planned = lai("start", *place, "--name", "theirs", "--dry-run")
    assert "gpu_1x_a10" in planned or "A10" in planned
    assert call(emulator, "GET", "/instances") == []

    lai("start", *place, "--name", "theirs", "--tag", "team=search")
    (machine,) = call(emulator, "GET", "/instances")
    assert (machine["name"], machine["status"]) == ("theirs", "active")
    assert machine["tags"] == [{"key": "team", "value": "search"}]
    (listed,) = json.loads(lai("ls", "--json"))
    assert listed["id"] == machine["id"]
    assert json.loads(lai("get", "theirs"))["id"] == machine["id"]

    lai("rename", machine["id"], "renamed")
    lai("restart", "renamed")
    lai("stop", "renamed")
    assert call(emulator, "GET", f"/instances/{machine['id']}")["status"] in ("terminating", "terminated")
