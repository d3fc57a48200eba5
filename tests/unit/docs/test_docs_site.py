"""The site: built without a warning, with every page, the plan's ten documents and all decisions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, pages, read_page

DOCS = CHECKOUT / "docs"
INDEX = (DOCS / "index.md").read_text(encoding="utf-8")
RECORDS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
MOST_LINES_OF_A_RECORD = 30


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds: mkdocs alone knows whether its menu, links and anchors hold."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_the_site_has_every_page_and_one_for_the_commands(site: Path) -> None:
    made = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    written = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert made == written | {"commands", "readme", "404"}
    commands = (site / "commands.html").read_text(encoding="utf-8")
    for word in ("sophia up", "sophia train run", "--max-usd", "--policy-pack"):
        assert word in commands


def test_a_page_asks_no_other_host_for_scripts_styles_or_pictures(site: Path) -> None:
    """One exception is not in the HTML: the theme fetches Mermaid for the pictures of one page."""
    loaded = re.compile(
        r'<(?:script|img)[^>]* src="(https?:[^"]+)"|<link[^>]*stylesheet[^>]*"(https?:[^"]+)"'
    )
    found = {path.name: loaded.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert not {name: addresses for name, addresses in found.items() if addresses}


def test_links_out_of_the_documents_stay_words_or_lead_to_the_readme(site: Path) -> None:
    trouble = (site / "troubleshooting.html").read_text(encoding="utf-8")
    assert 'href="readme.html#exit-codes-of-sophia"' in trouble
    images = (site / "images.html").read_text(encoding="utf-8")
    assert "<code>docker/Dockerfile</code>" in images
    assert 'href="../docker' not in images


def test_the_index_maps_each_document_of_the_plan_to_pages_that_exist() -> None:
    rows = dict(re.findall(r"^\| (D\d+) \| [^|]+\| (.+) \|$", INDEX, re.MULTILINE))
    assert list(rows) == [f"D{number}" for number in range(1, 11)]
    for row in rows.values():
        linked = re.findall(r"\]\(([^)]+)\)", row)
        assert linked
        assert all((DOCS / name).is_file() for name in linked)


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.path.parent / target.partition("#")[0]).resolve()
        for page in pages()
        for target, _ in page.links
        if "://" not in target and not target.startswith("#")
    }
    assert not [page.name for page in pages() if page.path.is_relative_to(DOCS) and page.path not in linked]


def test_decisions_are_numbered_without_a_gap_and_all_in_their_index() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    index = read_page(DOCS / "decisions" / "index.md")
    assert [target for target, _ in index.links] == [path.name for path in RECORDS]
    assert len(RECORDS) >= 12


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_says_why_what_and_what_else(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Alternatives",
    ]
    assert text.startswith(f"# {int(record.name[:4])}. ")
    assert re.search(r"^Status: (accepted|replaced by \[\d+\]\([^)]+\)). Where: ", text, re.MULTILINE)
    assert len(text.splitlines()) <= MOST_LINES_OF_A_RECORD


def test_the_pictures_are_drawn_from_what_is_there_now() -> None:
    checked = subprocess.run(
        [sys.executable, "tools/diagrams.py", "--check"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_recording_in_the_readme_is_of_a_run_that_succeeded() -> None:
    drawn = (DOCS / "images" / "make-up.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    words = re.sub(r"<[^>]+>", "", drawn)
    assert "$ make up" in words
    assert "Done: " in words
    assert "$5,292.00" in words
    assert "@font-face" not in drawn
    assert "manifests in .sophia/" in words
