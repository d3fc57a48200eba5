"""A machine of stand-in commands on which the boot script runs."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.joining import user_data
from sophia_infra.model.kubernetes import Node
from tests.unit.joining.stack import SERVER_ADDRESS, cluster_of, config, credentials
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
