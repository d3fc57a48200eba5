"""Whether the links of a document lead somewhere. Addresses of other hosts are not asked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from tests.docs.pages import CHECKOUT, Page, read_page

__all__ = ["broken_links"]


def broken_links(page: Page) -> Iterator[str]:
    """One sentence for each link to a file that is not there, or to a heading that its page lacks."""
    for target, line in page.links:
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = unquote(target).partition("#")
        goal = (page.path.parent / file).resolve() if file else page.path
        if file and not goal.exists():
            yield f"{page.name}:{line}: no file {target!r}"
        elif file and not goal.is_relative_to(CHECKOUT):
            yield f"{page.name}:{line}: {target!r} leaves the repository"
        elif anchor and anchor not in _anchors(goal, page):
            yield f"{page.name}:{line}: no heading {target!r}"


def _anchors(goal: Path, page: Page) -> frozenset[str]:
    if goal == page.path:
        return page.anchors
    return _anchors_of(goal) if goal.suffix == ".md" else frozenset()


@cache
def _anchors_of(goal: Path) -> frozenset[str]:
    return read_page(goal).anchors
