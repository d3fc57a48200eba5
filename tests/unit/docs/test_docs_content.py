"""Links, and snippets of Python, YAML and JSON, in README.md and the documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.docs.links import broken_links
from tests.docs.pages import Page, pages
from tests.docs.snippets import complaint_about_json, complaint_about_python, complaint_about_yaml

_JUDGES: Mapping[str, Callable[[str], str | None]] = {
    "python": complaint_about_python,
    "yaml": complaint_about_yaml,
    "json": complaint_about_json,
}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_to_a_file_or_a_heading(page: Page) -> None:
    wrong = list(broken_links(page))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_snippet_is_what_the_program_would_take(page: Page) -> None:
    wrong = [
        f"{page.name}:{block.line}: {complaint}"
        for block in page.blocks
        if (judge := _JUDGES.get(block.language)) and (complaint := judge(block.text))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Page) -> None:
    assert not [f"{page.name}:{block.line}" for block in page.blocks if not block.language]
