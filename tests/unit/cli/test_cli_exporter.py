"""`sophia exporter`, and the commands of docs/monitoring.md as they stand there."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from tests.unit.cli.sophia_command import CHECKOUT, Sophia
from tests.unit.cli.test_cli_looking import TAGS, launch


def commands() -> list[str]:
    text = (CHECKOUT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    block = text.partition("```sh\n")[2].partition("```")[0]
    return [line.partition("#")[0].strip() for line in block.splitlines() if line.startswith("sophia ")]


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_document_works(line: str, sophia: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "a", TAGS)
    done = sophia.run(*shlex.split(line)[1:])
    assert (done.code, bool(done.out)) == (ExitCode.OK, True), done.err


def test_metrics_are_printed_once(sophia: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "a", TAGS)
    launch(emulator, "by-hand")
    done = sophia.run("exporter", "--once")
    shown = {
        (sample.name, sample.labels.get("owner")): sample.value
        for family in text_string_to_metric_families(done.out)
        for sample in family.samples
    }
    assert shown["lambda_cloud_usd_per_hour", "stack"] == 1.29
    assert shown["lambda_cloud_usd_per_hour", "unknown"] == 1.29
    assert shown["lambda_cloud_up", None] == 1


def test_an_account_that_does_not_answer_has_no_dollars(sophia: Sophia, emulator: EmulatorServer) -> None:
    emulator.cloud.faults.add(
        "listInstances", "before", "status", times=None, status=403, code="global/forbidden"
    )
    done = sophia.run("exporter", "--once")
    assert done.code == ExitCode.CLOUD
    assert "lambda_cloud_up 0.0" in done.out
    assert "usd" not in "".join(line for line in done.out.splitlines() if not line.startswith("#"))


def test_what_cannot_be_listened_on_is_said_before_anything_is_asked(
    sophia: Sophia, emulator: EmulatorServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        taken = sophia.run("exporter", "--listen", f"127.0.0.1:{port}")
    assert (taken.code, taken.out) == (ExitCode.FAILED, "")
    assert f"127.0.0.1:{port}" in taken.said
    wrong = sophia.run("exporter", "--listen", "everywhere")
    assert wrong.code == ExitCode.USAGE
    assert "write HOST:PORT" in wrong.said
    lost = sophia.run("exporter", "--once", "--state", str(tmp_path / "none" / "state.json"))
    assert lost.code == ExitCode.USAGE
    assert emulator.cloud.requests.since(0) == []
