"""The emulator as its own process: token, files, state over a restart, no secret at rest in clear."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sophia_infra.esc import EnvironmentName, EscAccess, EscClient, SecretText
from sophia_infra.esc.emulator.__main__ import main
from sophia_infra.esc.emulator.persistence import StateFile, StateFileUnusable
from sophia_infra.esc.emulator.server import EscEmulatorServer
from tests.unit.esc.esc_values import PASSWORD, TOKEN, fault, save


@contextmanager
def running(folder: Path) -> Iterator[tuple[EscClient, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "sophia_infra.esc.emulator", "--port", "0"]
    command += ["--state-file", str(folder / "state.json"), "--token-file", str(folder / "token")]
    command += ["--endpoint-file", str(folder / "endpoint.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ESC emulator on http://127.0.0.1:")
            # The line is printed just before the file is written; the first answer comes after both.
            url = json.loads(_text_soon(folder / "endpoint.json"))["url"]
            access = EscAccess(url, SecretText((folder / "token").read_text()), "T")
            yield EscClient(access, EnvironmentName("sophia", "platform", "test")), process
        finally:
            process.kill()


def _text_soon(path: Path) -> str:
    for _ in range(10_000):
        if path.exists():
            return path.read_text()
    raise AssertionError(path)


def test_environments_outlive_the_process_and_no_file_or_output_shows_a_secret(tmp_path: Path) -> None:
    with running(tmp_path) as (client, process):
        client.create()
        save(client, f'values: {{a: {{fn::secret: "{PASSWORD}"}}}}')
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 0
    (tmp_path / "endpoint.json").unlink()
    with running(tmp_path) as (client, _):
        opened = client.open()
        assert opened.secret("a").reveal() == PASSWORD
        assert opened.revision == 2
    token = (tmp_path / "token").read_text()
    for file in tmp_path.iterdir():
        text = file.read_bytes().decode("latin-1")
        assert PASSWORD not in text, file
        assert token not in text or file.name == "token", file
        assert file.stat().st_mode & 0o077 == 0, file
    assert token not in said + PASSWORD


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "s").write_text("{"), "not JSON"),
        (lambda folder: (folder / "s").write_text("{}"), "no state of this version"),
        (lambda folder: (folder / "s.key").write_bytes(os.urandom(32)), "another key"),
        (lambda folder: (folder / "s.key").write_bytes(b"short"), "no key of 32 bytes"),
        (lambda folder: (folder / "s.key").unlink(), "its key"),
    ],
)
def test_a_state_file_that_cannot_be_used_is_refused_and_left(
    tmp_path: Path, spoil: object, said: str
) -> None:
    state = StateFile(tmp_path / "s")
    environment = state.store.create("sophia", "p", "e")
    state.store.update(environment, "values: {a: {fn::secret: x}}", None)
    state.save()
    state.close()
    spoil(tmp_path)  # type: ignore[operator]
    before = (tmp_path / "s").read_text()
    with pytest.raises(StateFileUnusable, match=said):
        StateFile(tmp_path / "s")
    assert (tmp_path / "s").read_text() == before


def test_two_emulators_never_share_a_state_file(tmp_path: Path) -> None:
    first = StateFile(tmp_path / "s")
    with pytest.raises(StateFileUnusable, match="in use"):
        StateFile(tmp_path / "s")
    first.close()
    StateFile(tmp_path / "s").close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "192.0.2.1"], "not a loopback"),
        (["--host", "nowhere"], "does not appear"),
        ([], "no access token"),
    ],
)
def test_bad_arguments_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (tmp_path / "token").write_text(f"two {PASSWORD}")
    assert main(["--token-file", str(tmp_path / "token"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert PASSWORD not in out + err


@pytest.mark.parametrize("sent", [None, "", "token", "token wrong", f"Bearer {TOKEN}", TOKEN])
def test_every_path_of_the_api_wants_the_token(emulator: EscEmulatorServer, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    for path in ("/environments/sophia", "/environments/sophia/a/b", "/environments/sophia/a/b/open//x"):
        answer = requests.get(f"{emulator.url}/api/esc{path}", headers=headers, timeout=5)
        assert (answer.status_code, answer.json()["code"]) == (401, 401)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/environments/sophia", "{", 400),
        ("POST", "/environments/sophia", '{"project": "a/b", "name": "c"}', 400),
        ("PATCH", "/environments/sophia/platform/test", b"\xff", 400),
        ("PATCH", "/environments/sophia/platform/test", b" " * 3_000_000, 413),
        ("GET", "/environments/sophia/platform/test/versions?count=x", None, 400),
        ("GET", "/environments/sophia/platform/test/versions/99", None, 404),
        ("GET", "/environments/sophia/platform/test/open/none", None, 404),
        ("GET", "/environments/sophia/platform/test/open//none?property=a", None, 404),
        ("GET", "/elsewhere", None, 404),
    ],
)
def test_a_wrong_request_gets_a_code_and_a_message(
    emulator: EscEmulatorServer,
    client: EscClient,
    method: str,
    path: str,
    body: bytes | str | None,
    status: int,
) -> None:
    headers = {"Authorization": f"token {TOKEN}"}
    answer = requests.request(method, f"{emulator.url}/api/esc{path}", data=body, headers=headers, timeout=5)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert client.definition().revision == 1


def test_a_session_of_one_environment_opens_no_other(emulator: EscEmulatorServer, client: EscClient) -> None:
    save(client, "values: {a: 1}")
    other = EscClient(client.access, EnvironmentName("sophia", "platform", "other"))
    other.create()
    headers = {"Authorization": f"token {TOKEN}"}
    base = f"{emulator.url}/api/esc/environments/sophia/platform"
    session = requests.post(f"{base}/test/open", headers=headers, timeout=5).json()["id"]
    assert requests.get(f"{base}/test/open/{session}", headers=headers, timeout=5).status_code == 200
    assert requests.get(f"{base}/other/open/{session}", headers=headers, timeout=5).status_code == 404


def test_a_fault_that_is_none_is_refused(emulator: EscEmulatorServer) -> None:
    for fields in ({"operation": "nope"}, {"status": 200}, {"delay_s": -1}, {"colour": "red"}):
        with pytest.raises(requests.HTTPError):
            fault(emulator.url, **fields)
    fault(emulator.url, status=500, times=None)
    assert requests.delete(f"{emulator.url}/_emulator/faults", timeout=5).status_code == 204
    assert requests.get(f"{emulator.url}/_emulator/health", timeout=5).json()["ready"]
