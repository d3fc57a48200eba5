"""What the figures are held against: the same work without our code, measured in the same run."""

from __future__ import annotations

import heapq
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import requests

__all__ = [
    "TYPER_PROGRAM",
    "bare_exporter",
    "fit_holt_winters_s",
    "get_each_s",
    "heap_s",
    "read_lines_s",
    "serving_plainly",
    "start_of_http_server_s",
]

TYPER_PROGRAM = """
import typer
app = typer.Typer(add_completion=False)
@app.command()
def hello() -> None:
    print("hello")
app()
"""
"""The least program that typer, which `sophia` is made with, can run."""

_BARE_EXPORTER = """
import sys, time
import requests
from prometheus_client import CollectorRegistry, Gauge, generate_latest
registry = CollectorRegistry()
gauge = Gauge("bench_value", "a value", ["name", "region", "kind"], registry=registry)
for number in range(int(sys.argv[1])):
    gauge.labels(f"node-{number}", "us-east-3", "gpu_1x_a10").set(number)
taken = []
for _ in range(20):
    began_s = time.perf_counter()
    generate_latest(registry)
    taken.append(time.perf_counter() - began_s)
print(min(taken), *(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""

_ANSWER = json.dumps({"data": []}).encode()


def start_of_http_server_s(rounds: int) -> float:
    """Least seconds until `python -m http.server` says that it serves."""
    taken = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            taken.append(time.perf_counter() - began_s)
            process.terminate()
    return min(taken)


class _Plain(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.send_response(http.client.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    def log_message(self, *_arguments: Any) -> None:
        return


@contextmanager
def serving_plainly() -> Iterator[str]:
    """The standard library's HTTP server, which answers every GET with the same 12 bytes; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Plain) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def get_each_s(url: str, ids: Sequence[str]) -> float:
    """Seconds of one GET for each machine by `requests` alone, with no regard for any limit."""
    began_s = time.perf_counter()
    with requests.Session() as session:
        for one in ids:
            answer = session.get(
                f"{url}/api/v1/instances/{one}", headers={"Authorization": "Bearer bench"}, timeout=60
            )
            answer.raise_for_status()
    return time.perf_counter() - began_s


def read_lines_s(file: Path, rounds: int) -> float:
    """Least seconds of a bare Python process that parses each line of a file as JSON."""
    code = "import json, sys\nfor line in open(sys.argv[1]): json.loads(line)"
    taken = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(file)], check=True)
        taken.append(time.perf_counter() - began_s)
    return min(taken)


def fit_holt_winters_s(values: Sequence[float], season: int) -> float:
    """Seconds of one Holt-Winters fit by statsmodels, which is imported before."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing  # type: ignore[import-untyped]

    series = np.asarray(values) + 1.0
    began_s = time.perf_counter()
    ExponentialSmoothing(
        series, seasonal="add", seasonal_periods=season, initialization_method="heuristic"
    ).fit()
    return time.perf_counter() - began_s


def heap_s(count: int) -> float:
    """Seconds to put so many events into a heap of a thousand and take them out; a million are timed."""
    timed = 1_000_000
    heap = [float(number) for number in range(1_000)]
    began_s = time.perf_counter()
    for number in range(timed):
        heapq.heappushpop(heap, float(number))
    return (time.perf_counter() - began_s) * count / timed


def bare_exporter(rows: int) -> tuple[float, float]:
    """Peak MiB of a process that holds so many series in prometheus_client, and least seconds to write."""
    command = [sys.executable, "-c", _BARE_EXPORTER, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kib = done.stdout.split()
    return int(kib) / 1024, float(seconds)
