"""docs/tutorial.md, run as it stands there, and beside it every looking command of all documents."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from sophia_infra.engine.locate import Engine
from tests.docs.pages import CHECKOUT, Block, pages, read_page
from tests.docs.running import is_missing, looking_lines, run_block
from tests.docs.shell import commands_of

pytestmark = pytest.mark.engine

TUTORIAL = read_page(CHECKOUT / "docs" / "tutorial.md")
LOOKED = frozenset({0, 2, 3, 4, 6})
"""Codes of a command that has looked: at nothing wrong, a budget, a quota, a capacity, findings."""


def test_the_tutorial_keeps_its_word_and_looking_commands_look(tmp_path: Path, engine: Engine) -> None:
    blocks = [block for block in TUTORIAL.blocks if block.language in ("sh", "text")]
    third = next(at for at, block in enumerate(blocks) if "sophia inference usage" in block.text)
    try:
        _run_promises(blocks[: third + 2], tmp_path)
        _look_everywhere(tmp_path)
        _run_promises(blocks[third + 2 :], tmp_path)
    finally:
        run_block(Block("sh", "sophia down --yes\n", 1), tmp_path)


def test_the_flags_given_to_pulumi_are_those_of_the_engine(engine: Engine) -> None:
    commands = {
        command.words
        for page in pages()
        for block in page.shell()
        for command in commands_of(block.text, block.line)
        if command.words[0] == "pulumi"
    }
    assert commands
    for words in commands:
        called = list(itertools.takewhile(lambda word: not word.startswith("-"), words[1:]))
        told = subprocess.run(
            [str(engine.pulumi), *called, "--help"], capture_output=True, text=True, check=True
        ).stdout
        missing = [word for word in words if word.startswith("--") and word.partition("=")[0] not in told]
        assert not missing, f"{' '.join(words)}: pulumi has no {missing}"


def _run_promises(blocks: list[Block], home: Path) -> None:
    """Each block of shell is followed by lines that it must have printed."""
    output = ""
    for block in blocks:
        if block.language == "sh":
            ran = run_block(block, home)
            assert not [one for one in ran if one.code != one.expected], ran
            output = "\n".join(one.output for one in ran)
        else:
            missing = [line for line in block.text.splitlines() if is_missing(line, output)]
            assert not missing, f"docs/tutorial.md:{block.line}: not printed: {missing}\n{output}"


def _look_everywhere(home: Path) -> None:
    lines = sorted({line for page in pages() for line in looking_lines(page)})
    ran = run_block(Block("sh", "\n".join(lines) + "\n", 1), home)
    assert len(ran) == len(lines) > 10
    wrong = [one for one in ran if one.code not in LOOKED or "Traceback" in one.output]
    assert not wrong, "\n".join(f"{one.code}: {one.line}\n{one.output}" for one in wrong)
