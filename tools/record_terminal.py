"""Run a command on a terminal of its own and draw what it left there as an SVG.

    python tools/record_terminal.py docs/images/make-up.svg -- make up

The command runs for real; nothing is typed by hand. What it redrew while it ran (a spinner, a table) is shown
as it was at the end. The picture asks no other host for fonts.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyte
from rich.console import Console
from rich.text import Text

COLUMNS: Final = 124
LINES: Final = 500
"""More than a command prints, so that nothing scrolls away."""
_FONTS = re.compile(r"@font-face \{.*?\}\n?", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: that of the command, and then nothing is drawn; else 0."""
    parser = argparse.ArgumentParser(description="Draw what a command leaves on its terminal.")
    parser.add_argument("picture", type=Path, help="SVG to write")
    parser.add_argument(
        "--replace", action="append", default=[], metavar="FROM=TO", help="in the picture's words"
    )
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    output, code = run_on_terminal(options.command)
    if code != 0:
        sys.stderr.buffer.write(output)
        return code
    drawn = draw(options.command, output, [tuple(pair.split("=", 1)) for pair in options.replace])
    options.picture.write_text(drawn, encoding="utf-8")
    return 0


def run_on_terminal(command: Sequence[str]) -> tuple[bytes, int]:
    """All bytes that the command wrote to its terminal, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        output = b"".join(_read_until_closed(ours))
    os.close(ours)
    return output, process.returncode


def draw(command: Sequence[str], output: bytes, replacements: Sequence[tuple[str, ...]] = ()) -> str:
    """An SVG of the screen after `output`, below the command."""
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(screen).feed(output)
    lines = [_line(screen, number) for number in range(LINES)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    console.print(Text(f"$ {shlex.join(command)}", style="bold"), highlight=False)
    for line in lines:
        console.print(line, highlight=False, no_wrap=True, overflow="crop")
    drawn = console.export_svg(title="sophia-infra", unique_id="terminal")
    drawn = _FONTS.sub("", drawn)
    for old, new in replacements:
        drawn = drawn.replace(old, new)
    return drawn


def _read_until_closed(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # Linux says EIO once nobody holds the other side
            return
        if not read:
            return
        yield read


def _line(screen: pyte.Screen, number: int) -> Text:
    line = Text()
    row = screen.buffer[number]
    for column in range(COLUMNS):
        cell = row[column]
        colour = "" if cell.fg == "default" else cell.fg.replace("brown", "yellow")
        colour = f"#{colour}" if re.fullmatch(r"[0-9a-f]{6}", colour) else colour
        line.append(cell.data, style=" ".join(filter(None, ("bold" if cell.bold else "", colour))))
    line.rstrip()
    return line


if __name__ == "__main__":
    raise SystemExit(main())
