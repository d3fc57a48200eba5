"""An emulator in a process of its own, machines in it, and what it holds in memory."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["KEY", "emulator_process", "launch_bare", "memory_mib", "post"]

KEY = "secret_bench_00000000000000000000000000000000.not-a-real-secret"
_KIB_PER_MIB = 1024


@contextmanager
def emulator_process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """From when it accepts connections to the end of the block; gives the process and its address."""
    command = [sys.executable, "-m", "sophia_infra.emulator", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.terminate()


def post(connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any]) -> None:
    """Raises RuntimeError when it is not answered with 200."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1{path}", json.dumps(body), {**headers, "User-Agent": "sophia-bench"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"POST {path} was answered with {answer.status}: {said!r}")


def launch_bare(url: str, count: int) -> None:
    """Launch so many machines over one connection, as fast as it goes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    key = f"bench-{count}"
    post(connection, "/ssh-keys", {"name": key, "public_key": "ssh-ed25519 AAAA ops"})
    for number in range(count):
        order = {
            "region_name": "us-west-1",
            "instance_type_name": "gpu_1x_a10",
            "ssh_key_names": [key],
            "name": f"node-{number}",
            "tags": [{"key": "sophia-stack", "value": "sophia-infra/bench"}],
        }
        post(connection, "/instance-operations/launch", order)
    connection.close()


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory now, and its peak."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    kib = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(kib["VmRSS"]) / _KIB_PER_MIB, int(kib["VmHWM"]) / _KIB_PER_MIB
