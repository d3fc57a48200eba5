"""Shell blocks as the commands that they would run. Nothing is run, and no word is expanded."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Command", "UnreadableShell", "commands_of", "lines_of", "syntax_error"]

_LEADING = frozenset({"do", "then", "else", "if", "while", "until", "!", "time", "sudo", "exec", "env", "{"})
_CLOSING = frozenset({"done", "fi", "esac", "}", "for", "case"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1(.*)\n(?:.*\n)*?\2(?=\n|$)")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")


class UnreadableShell(ValueError):
    """A quote or a parenthesis that is not closed."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words without redirections and assignments, and the line of the document."""

    words: tuple[str, ...]
    line: int
    text: str


def syntax_error(script: str) -> str | None:
    """What bash says to the script without running it."""
    judged = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    return judged.stderr.strip() if judged.returncode else None


def commands_of(script: str, first_line: int = 1) -> Iterator[Command]:
    """Each command of a script, those of pipes and of `$(...)` included.

    Raises:
        UnreadableShell: the script ends within a quoted text.
    """
    bare = _HEREDOC.sub(lambda found: found[3] + "\n" * found[0].count("\n"), script)
    for text, line in lines_of(bare, first_line):
        for words in _split(text):
            yield Command(words, line, text)


def lines_of(script: str, first_line: int) -> Iterator[tuple[str, int]]:
    """Lines as bash takes them: with what a backslash or an open quote goes on to; each with its number."""
    held, started = "", first_line
    for number, raw in enumerate(script.splitlines(), first_line):
        started = started if held else number
        held += raw
        if held.endswith("\\"):
            held = held[:-1]
        elif _is_closed(held):
            yield held, started
            held = ""
        else:
            held += "\n"
    if held.strip():
        raise UnreadableShell(f"line {started}: {held.strip()!r} is not closed")


def _is_closed(text: str) -> bool:
    try:
        list(_lexer(text))
    except ValueError:
        return False
    return True


def _lexer(text: str) -> shlex.shlex:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.wordchars += ":@%+,^{}[]$!"
    return lexer


def _split(text: str) -> Iterator[tuple[str, ...]]:
    words: list[str] = []
    redirected = False
    for token in _lexer(text):
        if not set(token) <= set("();<>|&"):
            if redirected:
                redirected = False
            else:
                words.append(token)
        elif "<" in token or ">" in token:
            redirected = True
            if words and words[-1].isdigit():
                words.pop()
        else:
            yield from _command(words)
            words = []
        for inner in _SUBSTITUTION.findall(token):
            yield from _split(inner)
    yield from _command(words)


def _command(words: list[str]) -> Iterator[tuple[str, ...]]:
    rest = list(words)
    while rest and (rest[0] in _LEADING or _ASSIGNMENT.match(rest[0])):
        rest.pop(0)
    if rest and rest[0] not in _CLOSING:
        yield tuple(rest)
