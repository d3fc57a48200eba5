"""Ports on loopback, chosen by the operating system and kept while they are free."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from sophia_infra.control_plane.components import Ports
from sophia_infra.engine.home import write_private_file

__all__ = ["become_free", "choose_ports", "read_ports", "write_ports"]

RELEASE_S = 2.0


def read_ports(file: Path) -> Ports | None:
    """The ports of the start before, None when there are none."""
    try:
        return Ports(**{name: int(port) for name, port in json.loads(file.read_text("utf-8")).items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_ports(file: Path, ports: Ports) -> None:
    """Keep `ports` for the next start."""
    write_private_file(file, json.dumps(ports.as_dict()) + "\n")


def become_free(
    ports: Sequence[int],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Whether servers could listen on `ports` of loopback, now or in a moment.

    A process that was killed holds its sockets until the last of its threads is gone, though it has ended.
    """
    deadline = clock() + RELEASE_S
    while not all(_is_free(port) for port in ports):
        if clock() >= deadline:
            return False
        sleep(0.05)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: old connections linger
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_ports() -> Ports:
    """Three free ports. Nobody holds them until they are used: a start that loses one chooses again."""
    with ExitStack() as open_sockets:
        numbers = []
        for _ in range(3):
            listener = open_sockets.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            numbers.append(int(listener.getsockname()[1]))
    return Ports(*numbers)
