"""Everything that a user can get wrong: one line of the table each, as the command answers it.

Each case starts the real command (about half a second): exit code, text, and that nothing reached the cloud.
"""

from __future__ import annotations

import socket
from typing import Any, NamedTuple

import pytest
import yaml

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from tests.unit.cli.sophia_command import A10, API_KEY, PUBLIC_KEY, Sophia

REAL = {"endpoint": "lambda", "fleet": {"a": {**A10, "adopt": {"name": "a"}}}, "ssh": None}
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"


class Wrong(NamedTuple):
    """A mistake: the command line, what is spoiled, and the answer; `says`: parts of it, in order."""

    name: str
    arguments: tuple[str, ...]
    says: tuple[str, ...]
    code: ExitCode = ExitCode.USAGE
    text: str | None = None
    config: dict[str, Any] | None = None
    environment: dict[str, str] | None = None


COMMAND_LINES = [
    Wrong("no command", (), ("Usage: sophia", "Commands", "status")),
    Wrong("an unknown command", ("stats",), ("No such command 'stats'.",)),
    Wrong(
        "an unknown option",
        ("types", "--ofline"),
        ("No such option", "--ofline", "Did you mean", "--offline"),
    ),
    Wrong("an argument too many", ("status", "local"), ("unexpected extra argument", "local")),
    Wrong("a phase above 3", ("up", "--phase", "4"), ("'--phase'", "4 is not in the range 1<=x<=3")),
    Wrong("phase 0", ("preview", "--phase", "0"), ("'--phase'", "0 is not in the range")),
    Wrong("a phase in words", ("up", "--phase", "two"), ("'--phase'", "'two' is not a valid integer")),
    Wrong("a phase without number", ("up", "--phase"), ("'--phase' requires an argument",)),
    Wrong("a stack without name", ("status", "--stack"), ("'--stack' requires an argument",)),
    Wrong("an unknown stack", ("status", "-s", "prod"), ("There is no Pulumi.prod.yaml.", "file: local.")),
    Wrong("an unknown stack of types", ("types", "-s", "prod"), ("There is no Pulumi.prod.yaml.",)),
    Wrong("an unknown stack to go down", ("down", "-s", "prod"), ("There is no Pulumi.prod.yaml.",)),
    Wrong("a path for a stack", ("status", "-s", "../x"), ("'../x' is not the name of a stack", "letters")),
    Wrong("an empty stack", ("up", "-s", ""), ("'' is not the name of a stack",)),
    Wrong("an end to no machine", ("doctor", "--terminate"), ("'--terminate' requires an argument",)),
    Wrong("a port in words", ("emulator", "--port", "http"), ("argument --port", "'http'")),
    Wrong(
        "an emulator that stands still", ("emulator", "--speed", "0"), ("--speed is 0.0; it must be above 0",)
    ),
    Wrong("an emulator for others", ("emulator", "--host", "192.0.2.1"), ("not a loopback address",)),
    Wrong(
        "an unknown setting of the emulator",
        ("emulator", "--set", "bootrange=1"),
        ("unknown setting 'bootrange'", "known:"),
    ),
    Wrong(
        "a token of the emulator that is not set",
        ("emulator", "--control-token-env", "SOPHIA_NO_TOKEN"),
        ("SOPHIA_NO_TOKEN is not set",),
    ),
]
STACK_FILES = [
    Wrong("an empty file", ("status",), ("Pulumi.local.yaml", "has no key config"), text=""),
    Wrong("a list", ("status",), ("not a YAML mapping",), text="- a\n"),
    Wrong("no YAML", ("up",), ("Pulumi.local.yaml is not YAML", "line 2"), text="config: [\n"),
    Wrong("no UTF-8", ("up",), ("Pulumi.local.yaml is not YAML",), text="config: \udcff\n"),
    Wrong("no config", ("preview",), ("has no mapping under config",), text="encryptionsalt: v1:a\n"),
    Wrong("phase 7", ("down",), ("sophia:phase must be 1, 2 or 3, not '7'",), config={"phase": 7}),
    Wrong("no endpoint", ("up",), ("sophia:endpoint: is missing", "costs money"), config={"endpoint": None}),
    Wrong(
        "a misspelled key",
        ("up",),
        ("Pulumi.local.yaml:", "sophia:flet", "did you mean sophia:fleet?"),
        config={"flet": {}},
    ),
    Wrong(
        "an unknown type, with the line",
        ("status",),
        ("Pulumi.local.yaml:11 sophia:fleet.a.type:", '"1xA11"', "did you mean 1xA10?"),
        config={"fleet": {"a": {**A10, "type": "1xA11"}}},
    ),
    Wrong(
        "an unknown region",
        ("types",),
        ("sophia:fleet.a.region:", '"us-west-9"', "us-west-1"),
        config={"fleet": {"a": {**A10, "region": "us-west-9"}}},
    ),
    Wrong(
        "a machine without purpose",
        ("instances",),
        ("sophia:fleet.a.purpose: is missing",),
        config={"fleet": {"a": {"type": "1xA10", "region": "us-west-1"}}},
    ),
    Wrong(
        "a budget in words", ("up",), ("sophia:budget.limit:", '"lots"'), config={"budget": {"limit": "lots"}}
    ),
    Wrong(
        "no key for a launch", ("up",), ("sophia:ssh: is missing", "a launch takes one"), config={"ssh": None}
    ),
    Wrong(
        "a private key",
        ("up",),
        ("PRIVATE key", "known to others"),
        config={"ssh": {"public_key": PRIVATE_KEY}},
    ),
    Wrong(
        "half a key",
        ("up",),
        ("sophia:ssh.public_key", "cut short or damaged"),
        config={"ssh": {"public_key": PUBLIC_KEY[:50]}},
    ),
    Wrong(
        "a filesystem elsewhere",
        ("doctor",),
        ("sophia:fleet.a.filesystems[0]", "us-east-3"),
        config={
            "filesystems": {"models": {"region": "us-east-3"}},
            "fleet": {"a": {**A10, "filesystems": ["models"]}},
        },
    ),
    Wrong(
        "a reserved tag",
        ("up",),
        ("sophia:fleet.a.tags", "is reserved"),
        config={"fleet": {"a": {**A10, "tags": {"sophia-name": "b"}}}},
    ),
    Wrong(
        "two mistakes at once",
        ("up",),
        ("sophia:budget: is missing", "sophia:fleet.a.type"),
        config={"budget": None, "fleet": {"a": {**A10, "type": "x"}}},
    ),
    Wrong(
        "a key written twice",
        ("up",),
        ("sophia:phase", "twice"),
        text="config:\n  sophia:endpoint: emulator\n  sophia:phase: 1\n  sophia:phase: 2\n",
    ),
    Wrong(
        "the API key in plain text",
        ("status",),
        ("sophia:lambda_api_key",),
        config={"lambda_api_key": API_KEY},
    ),
    Wrong(
        "settings of the emulator for the real cloud",
        ("up", "--yes"),
        ("goes only with sophia:endpoint emulator",),
        config={**REAL, "emulator": {"speed": 60}},
    ),
]
KEYS_AND_ADDRESSES = [
    *(
        Wrong(
            f"an emulator elsewhere, {command}",
            (command,),
            ("LAMBDA_API_URL names 'example.com'", "only ever served from this machine", "Next:"),
            environment={"LAMBDA_API_URL": "http://example.com"},
        )
        for command in ("status", "up", "down", "preview", "types", "instances", "doctor")
    ),
    Wrong("no address", ("status",), ("'localhost:80'",), environment={"LAMBDA_API_URL": "localhost:80"}),
    *(
        Wrong(
            f"the emulator for the real cloud, {command}",
            (command, *yes),
            ("LAMBDA_API_URL is set", "real Lambda Cloud. Nothing was sent.", "unset LAMBDA_API_URL"),
            config=REAL,
        )
        for command, yes in (("status", ()), ("up", ("--yes",)), ("down", ("--yes",)), ("types", ()))
    ),
    *(
        Wrong(
            f"no key for the real cloud, {command}",
            (command, *yes),
            ("There is no Lambda Cloud API key.", "export LAMBDA_API_KEY"),
            config=REAL,
            environment={"LAMBDA_API_KEY": "", "LAMBDA_API_URL": ""},
        )
        for command, yes in (("status", ()), ("up", ("--yes",)), ("down", ("-y",)), ("instances", ()))
    ),
    *(
        Wrong(
            f"nobody to confirm, {command}",
            (command,),
            ("nobody can confirm here: pass --yes. Nothing was sent.",),
            config=REAL,
        )
        for command in ("up", "down")
    ),
    Wrong(
        "a project without Pulumi.yaml",
        ("status",),
        ("There is no Pulumi.local.yaml.", "has no stack file"),
        environment={"SOPHIA_PROJECT": "/"},
    ),
    Wrong(
        "a home that is a file",
        ("status",),
        ("Pulumi.yaml",),
        ExitCode.FAILED,
        environment={"SOPHIA_HOME": "HOME_IN_FILE"},
    ),
]
ALL = [*COMMAND_LINES, *STACK_FILES, *KEYS_AND_ADDRESSES]


@pytest.mark.parametrize("wrong", ALL, ids=[wrong.name for wrong in ALL])
def test_a_mistake_is_one_clear_answer_and_sends_nothing(
    sophia: Sophia, emulator: EmulatorServer, wrong: Wrong
) -> None:
    if wrong.config is not None:
        sophia.write_config(**{"fleet": {"a": A10}, **wrong.config})
    if wrong.text is not None:
        (sophia.project / "Pulumi.local.yaml").write_bytes(wrong.text.encode(errors="surrogateescape"))
    environment = dict(wrong.environment or {})
    if environment.get("SOPHIA_HOME") == "HOME_IN_FILE":
        environment["SOPHIA_HOME"] = str(sophia.project / "Pulumi.yaml")

    done = sophia.run(*wrong.arguments, **environment)

    at = 0
    for part in wrong.says:
        assert part in done.said[at:], done.said
        at = done.said.index(part, at)
    assert done.code == wrong.code
    assert "b3BlbnNzaC1rZXk" not in done.said
    assert emulator.cloud.requests.since(0) == []


def test_a_wrong_stack_file_leaves_nothing_behind_that_a_right_one_would_trip_over(sophia: Sophia) -> None:
    sophia.write("config: [\n")
    assert sophia.run("status").code == ExitCode.USAGE
    sophia.write_config({"a": A10})
    assert sophia.run("status").code == ExitCode.OK


def test_a_mistake_is_said_on_stderr_and_json_stays_clean(sophia: Sophia) -> None:
    sophia.write_config({"a": {**A10, "type": "1xA11"}})
    done = sophia.run("status", "--json")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.startswith("sophia: Pulumi.local.yaml:")


class Refusal(NamedTuple):
    """How the cloud fails, as a fault rule of the emulator, and the answer."""

    name: str
    fault: dict[str, Any]
    says: str


REFUSALS = [
    Refusal(
        "a refused key",
        {"action": "status", "status": 401, "code": "global/invalid-api-key"},
        "global/invalid-api-key",
    ),
    Refusal("an error of the service", {"action": "status", "status": 500}, "500"),
    Refusal(
        "a closed account", {"action": "status", "status": 403, "code": "global/account-inactive"}, "account"
    ),
    Refusal("cut connections", {"action": "drop"}, "no whole answer"),
    Refusal("half an answer", {"action": "truncate"}, "listInstances"),
    Refusal("an answer that is no JSON", {"action": "status", "status": 200, "body": "<html>"}, "JSON"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[refusal.name for refusal in REFUSALS])
def test_what_the_cloud_refuses_is_one_sentence_and_code_5(
    sophia: Sophia, emulator: EmulatorServer, refusal: Refusal
) -> None:
    when = "after" if refusal.fault["action"] == "truncate" else "before"
    with emulator.cloud.lock:
        emulator.cloud.faults.add("listInstances", when, times=None, **refusal.fault)
    done = sophia.run("status", "--json")
    assert done.code == ExitCode.CLOUD
    assert done.out == ""
    assert done.err.startswith("sophia: listInstances")
    assert refusal.says in done.said


def test_an_address_where_nobody_answers_is_said(stopped: Sophia) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = stopped.run("status", LAMBDA_API_URL=f"http://127.0.0.1:{port}")
    assert done.code in (ExitCode.USAGE, ExitCode.CLOUD)
    assert f"No Lambda Cloud emulator answers at http://127.0.0.1:{port}" in done.said
    assert "`sophia up` starts it" in done.said


def test_no_engine_and_no_go_is_a_sentence_with_two_ways_out(sophia: Sophia) -> None:
    done = sophia.run("doctor")
    assert done.code == ExitCode.ENGINE
    assert "There is no Pulumi engine here" in done.said
    assert "install the Pulumi CLI" in done.said
    assert "install Go" in done.said


def test_up_without_an_engine_launches_nothing(sophia: Sophia, emulator: EmulatorServer) -> None:
    assert sophia.run("up").code == ExitCode.ENGINE
    assert emulator.cloud.requests.since(0) == []


def test_the_project_folder_is_never_written_to(sophia: Sophia) -> None:
    before = {file.name: file.read_bytes() for file in sophia.project.iterdir()}
    for command in ("status", "instances", "types", "up"):
        sophia.run(command)
    assert {file.name: file.read_bytes() for file in sophia.project.iterdir()} == before
    assert yaml.safe_load(before["Pulumi.yaml"])["name"] == "sophia-infra"


@pytest.mark.parametrize("command", ["up", "preview", "down"])
def test_without_an_engine_no_emulator_is_left_running(stopped: Sophia, command: str) -> None:
    assert stopped.run(command).code == ExitCode.ENGINE
    assert not list((stopped.home / "emulator").glob("*.json"))
