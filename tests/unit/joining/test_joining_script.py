"""The script of a node, run for real in a folder of its own with stand-ins for what would touch a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sophia_infra.model.kubernetes import Node
from tests.unit.joining.script_machine import BINARY, boot
from tests.unit.joining.stack import SERVER_ADDRESS, arm_node, credentials, node, server


def assert_no_secret(*texts: str) -> None:
    for name, value in credentials().items():
        if name.endswith("_certificate"):
            continue
        mark = value.splitlines()[1] if value.startswith("-----") else value[:16]
        assert not [text for text in texts if mark in text], name


NODES = pytest.mark.parametrize("one", [server(), node(), arm_node()], ids=["server", "agent", "arm64-agent"])


@NODES
def test_a_machine_joins(tmp_path: Path, one: Node) -> None:
    machine = boot(tmp_path, one)
    run = machine.run()
    assert run.returncode == 0, run.stdout + run.stderr
    unit = "k3s" if one.is_server else "k3s-agent"
    assert run.stdout.splitlines()[0] == f"sophia-join: {'server' if one.is_server else 'agent'} {one.name}"
    assert run.stdout.splitlines()[-1] == "sophia-join: joined"
    assert machine.read("/usr/local/bin/k3s") == BINARY
    assert os.access(machine.root / "usr/local/bin/k3s", os.X_OK)
    assert machine.calls("systemctl") == [
        "daemon-reload",
        f"enable --quiet {unit}",
        f"restart --no-block {unit}",
    ]
    assert machine.calls("modprobe") == ["br_netfilter", "overlay"]
    assert_no_secret(run.stdout, run.stderr, machine.log.read_text())


@NODES
def test_the_binary_of_the_machines_own_architecture_is_fetched_from_the_release(
    tmp_path: Path, one: Node
) -> None:
    machine = boot(tmp_path, one)
    assert machine.run().returncode == 0
    base = "https://github.com/k3s-io/k3s/releases/download/v1.36.4%2Bk3s1"
    name = "k3s-arm64" if one.architecture == "arm64" else "k3s"
    fetched = [call.split()[-1] for call in machine.calls("curl")]
    assert f"{base}/{name}" in fetched
    assert all(
        "--proto =https" in call and "--tlsv1.2" in call for call in machine.calls("curl") if base in call
    )


@NODES
def test_a_second_run_changes_nothing_and_fetches_nothing(tmp_path: Path, one: Node) -> None:
    machine = boot(tmp_path, one)
    assert machine.run().returncode == 0
    before = {path: path.read_bytes() for path in sorted(machine.root.rglob("*")) if path.is_file()}
    machine.log.unlink()
    run = machine.run()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "k3s v1.36.4+k3s1 is installed" in run.stdout
    assert not [call for call in machine.calls("curl") if "github.com" in call]
    assert machine.calls("systemctl")[-1].startswith("start --no-block"), "a running k3s is not restarted"
    assert {path: path.read_bytes() for path in sorted(machine.root.rglob("*")) if path.is_file()} == before


def test_a_wrong_checksum_is_refused_and_nothing_is_installed(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    (machine.web / "k3s").write_text(BINARY + "# tampered with\n")
    run = machine.run()
    assert run.returncode == 1
    assert "FAILED: the checksum of k3s is wrong; it was not installed" in run.stderr
    assert not (machine.root / "usr/local/bin/k3s").exists()
    assert machine.calls("systemctl") == []


@pytest.mark.parametrize("text", ["", "nonsense\n", "zz  k3s\n"])
def test_a_list_without_the_checksum_is_refused(tmp_path: Path, text: str) -> None:
    machine = boot(tmp_path, node())
    (machine.web / "sha256sum-amd64.txt").write_text(text)
    run = machine.run()
    assert run.returncode == 1
    assert "lists no checksum for k3s" in run.stderr


def test_a_broken_download_is_tried_again(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    (machine.web / "fail-once-k3s").touch()
    (machine.web / "fail-once-sha256sum-amd64.txt").touch()
    run = machine.run()
    assert run.returncode == 0, run.stderr
    assert machine.calls("sleep") == ["15", "15"]


def test_a_release_that_never_comes_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    (machine.web / "k3s").unlink()
    run = machine.run()
    assert run.returncode == 1
    assert "FAILED: k3s v1.36.4+k3s1 for amd64 did not come in 20 tries" in run.stderr
    assert len(machine.calls("sleep")) == 20


def test_another_version_is_replaced(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    old = machine.root / "usr/local/bin/k3s"
    old.parent.mkdir(parents=True)
    old.write_text(BINARY.replace("v1.36.4", "v1.35.1"))
    old.chmod(0o755)
    assert machine.run().returncode == 0
    assert old.read_text() == BINARY


def test_an_impostor_of_the_server_gets_no_token(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    (machine.web / "cacerts").write_text(credentials()["client_ca_certificate"])
    run = machine.run()
    assert run.returncode == 1
    assert f"the server at https://{SERVER_ADDRESS}:6443 shows another authority" in run.stdout
    assert machine.calls("systemctl") == [], "k3s was not even started"


def test_an_agent_that_joined_keeps_the_digest_and_forgets_the_password(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    before = machine.read("/etc/rancher/k3s/join-token")
    assert machine.run().returncode == 0
    after = machine.read("/etc/rancher/k3s/join-token")
    digest, _, words = after.partition("::")
    assert digest == before.partition("::")[0]
    assert words == "joined.0000000000000000", "a bootstrap token's form: six and sixteen of a-z, 0-9"
    assert (machine.root / "etc/rancher/k3s/join-token").stat().st_mode & 0o777 == 0o600


def test_an_agent_that_did_not_join_keeps_its_token(tmp_path: Path) -> None:
    refusing = BINARY.replace("exit 0", '[ "$1" != kubectl ]')
    machine = boot(tmp_path, node(), refusing)
    before = machine.read("/etc/rancher/k3s/join-token")
    run = machine.run()
    assert run.returncode == 1
    assert "FAILED: this node in the cluster did not come in 120 tries" in run.stderr
    assert machine.read("/etc/rancher/k3s/join-token") == before


def test_the_server_keeps_its_own_files(tmp_path: Path) -> None:
    machine = boot(tmp_path, server())
    assert machine.run().returncode == 0
    assert machine.read("/etc/rancher/k3s/server-token") == credentials()["server_token"]
    assert (machine.root / "var/lib/rancher/k3s/server").stat().st_mode & 0o777 == 0o700
