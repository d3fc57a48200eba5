"""What a fresh process costs: imports, the first byte of a command, the start of the emulator."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from tests.bench.emulator_process import emulator_process
from tests.bench.figures import Figure
from tests.bench.rivals import TYPER_PROGRAM, serving_plainly, start_of_http_server_s

__all__ = ["measure_command", "measure_emulator", "measure_import"]

_IMPORT = (
    "import time; began = time.perf_counter(); import {module}; took = time.perf_counter() - began; "
    # Not getrusage: its peak is that of this process, before it became the other one.
    "print(took, *(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
)
_KIB_PER_MIB = 1024
_PATHS = ("/api/v1/instances", "/api/v1/instance-types", "/api/v1/ssh-keys", "/api/v1/regions")
_SECONDS_PER_ROUND = 2.0


def measure_import(rounds: int) -> list[Figure]:
    """Seconds and peak memory of `import sophia_infra.program`, beside `import pulumi` alone."""
    ours = [_import("sophia_infra.program") for _ in range(rounds)]
    pulumi = [_import("pulumi") for _ in range(rounds)]
    how = f"least of {rounds} fresh processes, warm .pyc"
    return [
        Figure(
            "program import",
            min(seconds for seconds, _ in ours),
            "s",
            0.6,
            how,
            reference=(min(seconds for seconds, _ in pulumi), "`import pulumi` alone"),
        ),
        Figure(
            "program import, peak memory",
            min(mib for _, mib in ours),
            "MiB",
            80,
            how,
            reference=(min(mib for _, mib in pulumi), "`import pulumi` alone"),
        ),
    ]


def _import(module: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT.format(module=module)], capture_output=True, text=True, check=True
    )
    seconds, kib = done.stdout.split()
    return float(seconds), int(kib) / _KIB_PER_MIB


def measure_command(rounds: int) -> list[Figure]:
    """Seconds from the start of `sophia ...` to its first byte."""
    typer_s = min(_first_byte([sys.executable, "-c", TYPER_PROGRAM]) for _ in range(rounds))
    return [
        Figure(
            f"`sophia {' '.join(words)}`, first output",
            min(_first_byte([sys.executable, "-m", "sophia_infra.cli", *words]) for _ in range(rounds)),
            "s",
            0.25,
            f"least of {rounds}, from the start of the process to its first byte",
            reference=(typer_s, "a typer program of one line"),
        )
        for words in (("--help",), ("types", "--offline"), ("status",))
    ]


def _first_byte(command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as home:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, "SOPHIA_HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            first = process.stdout.read(1)
            took_s = time.perf_counter() - began_s
            process.stdout.read()
    if not first or process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return took_s


def measure_emulator(rounds: int) -> list[Figure]:
    """Start of the emulator, and requests that one client process gets answered with all checks on."""
    starts_s = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        with emulator_process():
            starts_s.append(time.perf_counter() - began_s)
    with emulator_process("--set", "validate_answers=true") as (_, url):
        rates_per_s = [_requests_per_s(url) for _ in range(3)]
        client_per_s = max(_rate(_our_client(url)) for _ in range(3))
        with requests.Session() as session:
            session.headers["Authorization"] = "Bearer bench"
            requests_per_s = max(
                _rate(lambda: session.get(f"{url}/api/v1/instances").json()) for _ in range(3)
            )
    with serving_plainly() as url:
        plain_per_s = max(_requests_per_s(url) for _ in range(3))
    return [
        Figure(
            "emulator start",
            min(starts_s),
            "s",
            0.3,
            f"least of {rounds}, from the start of the process to the line that it accepts connections",
            reference=(start_of_http_server_s(rounds), "`python -m http.server`"),
        ),
        Figure(
            "emulator requests",
            max(rates_per_s),
            "1/s",
            500,
            "most of 3 rounds of 2 s; one client process, one connection, four kinds of GET, requests and "
            "answers checked against the document",
            at_least=True,
            reference=(plain_per_s, "the standard library's server with one fixed answer"),
        ),
        Figure(
            "our client, requests",
            client_per_s,
            "1/s",
            None,
            "one list of instances after the other, limits of its own switched off; this emulator",
            reference=(requests_per_s, "`requests` without our client"),
        ),
    ]


def _requests_per_s(url: str) -> float:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    headers = {"Authorization": "Bearer bench", "User-Agent": "sophia-bench"}
    answered = 0
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < _SECONDS_PER_ROUND:
        for path in _PATHS:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            if answer.status != http.client.OK or "data" not in json.loads(answer.read()):
                raise RuntimeError(f"GET {path} was answered with {answer.status}")
            answered += 1
    took_s = time.perf_counter() - began_s
    connection.close()
    return answered / took_s


def _our_client(url: str) -> Callable[[], object]:
    pacer = Pacer(None, "bench", request_interval_s=0, launch_interval_s=0)
    return LambdaCloud(url, "bench", pacer=pacer).list_instances


def _rate(call: Callable[[], object]) -> float:
    calls = 0
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < _SECONDS_PER_ROUND:
        call()
        calls += 1
    return calls / (time.perf_counter() - began_s)
