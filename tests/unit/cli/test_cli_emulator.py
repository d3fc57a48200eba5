"""`sophia emulator`: a cloud for any client, from a command."""

from __future__ import annotations

import re
import signal

import pytest
import requests

from tests.unit.cli.sophia_command import Sophia, finish


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(stopped: Sophia, number: signal.Signals) -> None:
    with stopped.started("emulator", "--port", "0", "--speed", "600") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert match, line
        answer = requests.get(
            f"{match[0]}/api/v1/instance-types", headers={"Authorization": "Bearer any"}, timeout=10
        )
        assert "gpu_1x_gh200" in answer.json()["data"]
        process.send_signal(number)
        done = finish(process)
    assert (done.code, done.err) == (0, "")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{match[0]}/_emulator/health", timeout=2)


def test_the_other_commands_use_it_by_its_address(stopped: Sophia) -> None:
    with stopped.started("emulator") as process:
        assert process.stdout is not None
        match = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert match
        done = stopped.run("instances", LAMBDA_API_URL=match[0])
        process.terminate()
        finish(process)
    assert (done.code, done.said) == (0, "The account runs no machines.")


def test_its_options_are_shown(stopped: Sophia) -> None:
    done = stopped.run("emulator", "--help")
    assert done.code == 0
    for option in ("--port", "--speed", "--state-file", "--set"):
        assert option in done.out
