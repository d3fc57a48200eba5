"""Runs one `go` command, reports what it says while it says it, and explains how it failed."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

from sophia_infra.engine.errors import BuildFailed
from sophia_infra.engine.processes import end_group, start_tethered
from sophia_infra.engine.product import Product

REPORT_INTERVAL_S = 1.0
"""How often silence is reported (linking the CLI takes half a minute)."""

KEPT_OUTPUT_LINES = 12
"""How many of the last lines of `go` a failure shows."""

Cause = Literal["disk", "network", "build"]

_SIGNS: Mapping[Cause, Sequence[str]] = {
    "disk": ("no space left on device", "disk quota exceeded"),
    "network": (
        "dial tcp",
        "no such host",
        "i/o timeout",
        "tls handshake",
        "connection refused",
        "connection reset",
        "proxyconnect",
        "network is unreachable",
        "403 forbidden",
        "410 gone",
        "502 bad gateway",
        "503 service unavailable",
        "module lookup disabled",
    ),
}
_BECAUSE: Mapping[Cause, str] = {
    "disk": "the disk is full",
    "network": "the network or the Go proxy",
    "build": "see below",
}
_NEXT_STEP: Mapping[str, str] = {
    "disk": "Free about 5 GB (Go's build cache and the temporary folder count too) and start again.",
    "network": "Check the network or the Go proxy (GOPROXY, HTTPS_PROXY) and start again: "
    "what was loaded is kept.",
}

Line = tuple[list[str], str]


def run_go(
    go: Path,
    arguments: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    on_message: Callable[[str], None],
    on_silence: Callable[[], None],
    product: Product,
) -> list[str]:
    """Run `go` in `directory` and return the lines of its stdout.

    Whatever is raised meanwhile (Ctrl-C too), `go` and its children have ended when this returns.

    Args:
        on_message: called with each line of stderr.
        on_silence: called when a second has passed without a line.
        product: what is built, for the error.

    Raises:
        BuildFailed: it ended with an error.
    """
    process = start_tethered(
        [str(go), *arguments],
        environment=environment,
        directory=directory,
        death_signal=signal.SIGTERM,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output: list[str] = []
    messages: list[str] = []
    lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
    readers = [
        threading.Thread(target=_read_lines, args=(stream, kept, lines), daemon=True)
        for stream, kept in ((process.stdout, output), (process.stderr, messages))
    ]
    for reader in readers:
        reader.start()
    try:
        open_streams = len(readers)
        while open_streams:
            try:
                line = lines.get(timeout=REPORT_INTERVAL_S)
            except queue.Empty:
                on_silence()
                continue
            if line is None:
                open_streams -= 1
                continue
            kept, text = line
            kept.append(text)
            if kept is messages:
                on_message(text)
        code = process.wait()
    finally:
        end_group(process)
        for reader in readers:
            reader.join()
    if code != 0:
        raise _go_failure(arguments[0], messages, product)
    return output


def build_failure(what: str, cause: Cause, lines: Sequence[str], product: Product) -> BuildFailed:
    """Build the error for a failed build, with the last `lines` and the next step for `cause`."""
    return BuildFailed(
        f"{what} ({_BECAUSE[cause]}).",
        next_step=_NEXT_STEP.get(cause, product.way_out),
        cause=cause,
        output=list(lines)[-KEPT_OUTPUT_LINES:],
    )


def _read_lines(stream: IO[bytes], kept: list[str], lines: queue.SimpleQueue[Line | None]) -> None:
    with stream:
        for raw in stream:
            lines.put((kept, raw.decode("utf-8", "replace").rstrip()))
    lines.put(None)


def _go_failure(command: str, messages: Sequence[str], product: Product) -> BuildFailed:
    text = "\n".join(messages).lower()
    cause: Cause = next((cause for cause, signs in _SIGNS.items() if any(s in text for s in signs)), "build")
    useful = [line for line in messages if not is_package_line(line)]
    return build_failure(f"`go {command}` of the {product.name} failed", cause, useful or messages, product)


def is_package_line(line: str) -> bool:
    """Whether this line of `go build -v` is the name of a package that is being compiled."""
    return bool(line) and " " not in line and not line.startswith("#")
