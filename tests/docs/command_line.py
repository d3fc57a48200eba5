"""Whether a command of a document exists: its parser is asked, and it is not run."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
import io
import os
import re
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from tests.docs.pages import CHECKOUT

__all__ = ["complaint_about", "complaint_about_span"]

_FOREIGN = frozenset(
    {
        "alembic",
        "apt-get",
        "bash",
        "cat",
        "chmod",
        "cp",
        "crontab",
        "curl",
        "diff",
        "docker",
        "echo",
        "export",
        "git",
    }
    | {
        "helm",
        "jq",
        "kill",
        "kubectl",
        "ls",
        "mkdir",
        "mkdocs",
        "pip",
        "psql",
        "pulumi",
        "pytest",
        "rm",
        "tail",
        "uv",
    }
)
"""Programs that are not ours. Another name is taken for a mistyped one."""
_OWN_FOLDERS = ("docker", "docs", "infrastructure", "policies", "scripts", "sophia_infra", "tests", "tools")
_OWN_PATH = re.compile(rf"(?:\./)?(?:(?:{'|'.join(_OWN_FOLDERS)})/[\w./*-]+|(?:Pulumi|docker-bake)\.[\w.]+)$")
_OWN_WORDS = re.compile(
    r"""sys\.argv\[1:1\] = (\[[^\]]*\])|^exec .*sophia(?:_infra\.cli)? (.*?) "\$@"$""", re.MULTILINE
)
"""How a script with one of the plan's names hands over to a command, in Python and in shell."""
_ARGPARSE_COMMANDS = {"emulator": "sophia_infra.emulator", "images": "sophia_infra.images"}
"""Commands of `sophia` that read their own arguments."""


def complaint_about(words: Sequence[str]) -> str | None:
    """What is wrong with one command of a code block; None when nothing is."""
    head, arguments = words[0].removeprefix(".venv/bin/"), list(words[1:])
    if head == "cd" or (head == "export" and not arguments):
        return None
    check = _CHECKS.get(head)
    if check is not None:
        wrong = check(arguments)
    elif head.startswith("./scripts/") or (head == "bash" and arguments[:1]):
        wrong = _script([head, *arguments] if head != "bash" else arguments)
    else:
        wrong = None if head in _FOREIGN else f"no program {head!r} is known here"
    return wrong or _missing_file(arguments)


def complaint_about_span(text: str) -> str | None:
    """What is wrong with code in a sentence that begins with `sophia`, `make` or `python`.

    Sentences shorten: `[--flag]` is optional, `a|b` are two commands, arguments may be left out. What is
    named must exist all the same.
    """
    plain = text.replace("\\|", "|")
    head, _, rest = plain.partition(" ")
    if head not in ("sophia", "make", "python") or not rest:
        return None
    try:
        words = shlex.split(re.sub(r"[\[\]]|\.\.\.", " ", rest))
    except ValueError as error:
        return f"{text!r}: {error}"
    if head == "sophia":
        return _sophia_named(words)
    return _CHECKS[head](words)


def _sophia(arguments: Sequence[str]) -> str | None:
    command: click.Command = _sophia_tree()
    context: click.Context | None = None
    rest, name = list(arguments), "sophia"
    while True:
        if module := _ARGPARSE_COMMANDS.get(name) if context is not None else None:
            return _argparse(module, rest)
        try:
            context = command.make_context(name, rest, parent=context)
        except click.exceptions.Exit:
            return None
        except click.exceptions.NoArgsIsHelpError:
            return f"`{name}` wants a subcommand"
        except click.ClickException as error:
            return f"`sophia {shlex.join(arguments)}`: {error.format_message()}"
        if not isinstance(command, click.Group):
            return None
        rest = [*context._protected_args, *context.args]
        if not rest:
            return None if command.invoke_without_command else f"`{name}` wants a subcommand"
        name = rest.pop(0)
        found = command.get_command(context, name)
        if found is None:
            return f"`sophia {shlex.join(arguments)}`: there is no command {name!r}"
        command = found


def _sophia_named(words: Sequence[str]) -> str | None:
    """The commands named are there, and so is each flag."""
    alternatives = words[0].split("|") if not words[0].startswith("-") else []
    for first in alternatives:
        command: click.Command = _sophia_tree()
        trail, chosen = "sophia", [first, *words[1:]]
        while chosen and isinstance(command, click.Group) and not chosen[0].startswith("-"):
            found = {name: command.commands.get(name) for name in chosen.pop(0).split("|")}
            if missing := [name for name, one in found.items() if one is None]:
                return f"`{trail}` has no command {missing[0]!r}"
            trail += f" {next(iter(found))}"
            command = next(one for one in found.values() if one is not None)
        if command.name in _ARGPARSE_COMMANDS:
            continue
        known = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        named = {
            flag.partition("=")[0] for word in chosen for flag in word.split("|") if flag.startswith("-")
        }
        if unknown := named - known - {"-h", "--help", "--"}:
            return f"`{trail}` has no {sorted(unknown)[0]!r}"
    return None


@functools.cache
def _sophia_tree() -> click.Group:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # typer itself asks click for names that go
        import typer

        from sophia_infra.cli.main import app

    tree = typer.main.get_command(app)
    assert isinstance(tree, click.Group)
    _accept_missing_files(tree)
    return tree


def _accept_missing_files(command: click.Command) -> None:
    """A document names files that its reader will have."""
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_missing_files(inner)


def _argparse(module: str, arguments: Sequence[str]) -> str | None:
    """Ask the parser of `python -m module`; a module that shows none is only looked for."""
    parser: Callable[[], Any] | None = getattr(importlib.import_module(f"{module}.__main__"), "_parser", None)
    if parser is None:
        return None
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            parser().parse_args(list(arguments))
    except SystemExit as leaving:
        if leaving.code:
            return said.getvalue().strip().splitlines()[-1]
    return None


def _make(arguments: Sequence[str]) -> str | None:
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \??:?=", text, re.MULTILINE))
    for word in arguments:
        name, equals, _ = word.partition("=")
        if word.startswith("-") or (name in variables if equals else name in targets):
            continue
        return f"the Makefile has no {'variable' if equals else 'target'} {name!r}"
    return None


def _python(arguments: Sequence[str]) -> str | None:
    match list(arguments):
        case ["-m", module, *rest]:
            found = importlib.util.find_spec(module)
            if found is None:
                return f"no module {module!r}"
            ours = module.startswith("sophia_infra.") and found.submodule_search_locations is not None
            return _argparse(module, rest) if ours else None
        case ["-c", program, *_]:
            ast.parse(program)
            return None
        case [path, *rest] if path.endswith(".py"):
            return _script([path, *rest])
    return None


def _script(words: Sequence[str]) -> str | None:
    """A script that is a command of `sophia` under the plan's name is judged as that command."""
    path = CHECKOUT / words[0]
    if not path.is_file():
        return f"no file {words[0]!r}"
    if path.suffix == ".sh" and not os.access(path, os.X_OK):
        return f"{words[0]!r} is not executable"
    text = path.read_text(encoding="utf-8")
    own_words = _OWN_WORDS.search(text)
    if own_words is None:
        return None
    in_python, in_shell = own_words.groups()
    own = ast.literal_eval(in_python) if in_python else shlex.split(in_shell)
    return _sophia([*own, *words[1:]])


def _missing_file(arguments: Sequence[str]) -> str | None:
    for word in arguments:
        if _OWN_PATH.match(word) and not any(CHECKOUT.glob(word.removeprefix("./"))):
            return f"no file {word!r}"
    return None


_CHECKS: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    "sophia": _sophia,
    "make": _make,
    "python": _python,
    "python3": _python,
}
