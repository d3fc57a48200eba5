"""Every command in README.md and the documents exists: programs, subcommands, flags, targets, files."""

from __future__ import annotations

import pytest

from tests.docs.command_line import complaint_about, complaint_about_span
from tests.docs.pages import Page, pages
from tests.docs.shell import commands_of, syntax_error


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_commands_of_a_document_are_those_of_the_program(page: Page) -> None:
    wrong = [
        f"{page.name}:{command.line}: {complaint}"
        for block in page.shell()
        for command in commands_of(block.text, block.line)
        if (complaint := complaint_about(command.words))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_shell_of_a_document_is_what_bash_accepts(page: Page) -> None:
    wrong = [
        f"{page.name}:{block.line}: {error}" for block in page.shell() if (error := syntax_error(block.text))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_named_in_sentences_exist_with_their_flags(page: Page) -> None:
    wrong = [
        f"{page.name}:{line}: {complaint}"
        for text, line in page.spans
        if (complaint := complaint_about_span(text))
    ]
    assert not wrong, "\n".join(wrong)
