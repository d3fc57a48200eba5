"""What the site has beyond the files of docs/: the README, and every command with its flags.

mkdocs calls the functions by their names (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\[([^\]]*)\]\(\.\./([^)#\s]*)(#[^)\s]*)?\)")
_OWN_ARGUMENTS = ("emulator", "images")
"""Commands that read their own arguments: their page sends the reader to `--help`."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the two pages that are made of something else."""
    from mkdocs.structure.files import File

    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for name, text in {"readme.md": _moved_into_docs(readme), "commands.md": command_page()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """A link out of docs/ leads to the README's page, or else is the name of a file in the checkout."""
    depth = page.file.src_uri.count("/")
    return _LINK.sub(lambda found: _inside(found, depth), markdown)


def command_page() -> str:
    """Every command with its options, in the words of the program."""
    return "\n".join(
        ["# Commands", "", "What `sophia COMMAND --help` says, of all commands.", "", *_commands()]
    )


def _commands() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # typer asks click for names that go
        import typer

        from sophia_infra.cli.main import app

    yield from _section(typer.main.get_command(app), "sophia")


def _section(command: click.Command, name: str) -> Iterator[str]:
    import click

    inner = command.commands if isinstance(command, click.Group) else {}
    if name != "sophia":
        yield from (f"## `{name}`", "", _text(command.help), "")
    if command.name in _OWN_ARGUMENTS:
        yield from (f"`{name} --help` lists its arguments.", "")
    elif not inner:
        context = click.Context(command, info_name=name)
        yield from ("```text", f"{name} {' '.join(command.collect_usage_pieces(context))}", "```", "")
        rows = [record for parameter in command.params if (record := parameter.get_help_record(context))]
        if rows:
            yield from ("| option | meaning |", "|---|---|")
            yield from (f"| `{option.replace('|', ' or ')}` | {_text(meaning)} |" for option, meaning in rows)
            yield ""
    for each in inner.values():
        yield from _section(each, f"{name} {each.name}")


def _text(words: str | None) -> str:
    return " ".join((words or "").split()).replace("|", "\\|").replace("<", "&lt;")


def _moved_into_docs(readme: str) -> str:
    inside = re.sub(r"\]\(docs/", "](", readme)
    return re.sub(r"\[([^\]]*)\]\((?!https?:|#)([^)\s]*)\)", _page_or_words, inside)


def _page_or_words(found: re.Match[str]) -> str:
    words, target = found.groups()
    return found[0] if (CHECKOUT / "docs" / target.partition("#")[0]).is_file() else words


def _inside(found: re.Match[str], depth: int) -> str:
    words, target, anchor = found[1], found[2], found[3] or ""
    if target == "README.md" and depth == 0:
        return f"[{words}](readme.md{anchor})"
    leaves = depth == 0 or target.startswith("../")
    return words if leaves else found[0]
