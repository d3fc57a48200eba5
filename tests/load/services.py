"""Processes of a load test: mock backends and the gateway, started, ended and killed by this test alone."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["Service", "allow_many_connections", "start_gateway", "start_mock"]

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.01
_SHOWN_CHARACTERS = 2_000


def allow_many_connections() -> int:
    """Raise this process's limit of open files, and with it that of what it starts; returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


@dataclass
class Service:
    """One process that listens on loopback."""

    name: str
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def kill(self) -> None:
        """SIGKILL: it gets no chance to write anything."""
        self.process.kill()
        self.process.wait(_STOP_TIMEOUT_S)

    def stop(self) -> int:
        """SIGTERM, and its exit code. A process that does not end is killed and an error."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                return self.process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError(f"{self.name} did not end on SIGTERM: {self.last_words()}") from None
        return self.process.returncode

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-_SHOWN_CHARACTERS:]

    def memory_mib(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_s(self) -> float:
        """Processor seconds used so far, of all its threads."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / 100


def start_mock(folder: Path, name: str, *options: str) -> Service:
    """One mock backend."""
    return _start(folder, name, "sophia_infra.inference.mock_backend", options)


def start_gateway(
    folder: Path, *, config: Path, keys: Path, ledger_url: str, port: int = 0, prefix: Sequence[str] = ()
) -> Service:
    """The gateway; `prefix` is put before its command, for example to pin it to one core."""
    options = ("--config", str(config), "--keys", str(keys), "--ledger", ledger_url, "--port", str(port))
    return _start(folder, "gateway", "sophia_infra.inference.gateway", options, prefix)


def _start(
    folder: Path, name: str, module: str, options: Sequence[str], prefix: Sequence[str] = ()
) -> Service:
    endpoint, log = folder / f"{name}.endpoint.json", folder / f"{name}.log"
    endpoint.unlink(missing_ok=True)
    command = [*prefix, sys.executable, "-m", module, *options, "--endpoint-file", str(endpoint)]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    service = Service(name, process, "", log)
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(FileNotFoundError):
            service.url = json.loads(endpoint.read_text())["url"]
            return service
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}: {service.last_words()}")
        time.sleep(_POLL_S)
    service.kill()
    raise RuntimeError(f"{name} did not start within {_START_TIMEOUT_S:g} s: {service.last_words()}")
