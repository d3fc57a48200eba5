"""Running what stands in a document: a block of shell, line by line, each with its exit code and output."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import CHECKOUT, Block, Page
from tests.docs.shell import commands_of, lines_of

__all__ = ["Ran", "is_missing", "looking_lines", "run_block"]

LOOKING = (
    "status",
    "types",
    "instances",
    "doctor",
    "cost plan",
    "cost roi",
    "inference usage",
    "inference models",
    "inference break-even",
    "secrets check",
    "secrets audit",
    "monitor --once",
    "exporter --once",
    "train list",
    "optimize log",
    "audit list",
    "audit verify",
    "backup list",
    "validate",
    "rollback list",
    "canary status",
    "cutover status",
    "migrate plan",
    "migrate status",
)
"""Commands that change nothing and write no file, so that any document may show them.

Not `preview`, which changes nothing either: it takes ten seconds, and tutorial and README run it.
"""
_NOT_HERE = re.compile(
    r"--stack (?!local\b)|-s (?!local\b)|example|\.\.\.|--terminate|[$<>]|\b[A-Z]{2,}\b|--\w+ \S+\.\w+"
)
"""Another stack, a stand-in for something of the reader's, or a file that is written or not there."""
_MARK = "\x1eexit code "


@dataclass(frozen=True, slots=True)
class Ran:
    """One line of a block. `expected` is the code that its comment promises, else 0."""

    line: str
    code: int
    output: str

    @property
    def expected(self) -> int:
        promised = re.search(r"# exit code (\d+)", self.line)
        return int(promised[1]) if promised else 0


def run_block(block: Block, home: Path) -> list[Ran]:
    """Run a block in the checkout with `home` in the place of `.sophia`; variables last within the block."""
    lines = [text for text, _ in lines_of(block.text, block.line) if text.strip()]
    script = "".join(f"{_here(line, home)}\necho '{_MARK}'$?\n" for line in lines)
    hidden = ("LAMBDA_API_URL", "LAMBDA_API_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {
        "SOPHIA_HOME": str(home),
        "PATH": f"{CHECKOUT}/.venv/bin:{environment['PATH']}",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    parts = re.split(rf"{_MARK}(\d+)\n", done.stdout)
    return [
        Ran(line, int(code), output.replace(f"{home}/", ".sophia/"))
        for line, output, code in zip(lines, parts[::2], parts[1::2], strict=False)
    ]


def is_missing(promised: str, output: str) -> bool:
    """Whether no line of the output has the parts of a promised line in their order; `...` parts them."""
    parts = [re.escape(" ".join(part.split())) for part in promised.split("...")]
    pattern = re.compile(".*".join(part for part in parts if part))
    return not any(pattern.search(" ".join(line.split())) for line in output.splitlines())


def looking_lines(page: Page) -> Iterator[str]:
    """Lines of a document that only look, at stack local or at none, and so can be run beside it."""
    for block in page.shell():
        for command in commands_of(block.text, block.line):
            text = shlex.join(command.words)
            known = any(f"{text} ".startswith(f"sophia {looking} ") for looking in LOOKING)
            if known and not _NOT_HERE.search(text):
                yield text


def _here(line: str, home: Path) -> str:
    return line.replace(".sophia/", f"{home}/")
