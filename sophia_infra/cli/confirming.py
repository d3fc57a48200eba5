"""Ask before what costs money or cannot be taken back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext

__all__ = ["ask", "is_agreed"]


def ask(question: str, *, nothing: str) -> bool | None:
    """Ask on the terminal, on standard error: standard output may be a machine's.

    Args:
        question: ends in a question mark.
        nothing: said where nobody can answer: "Nothing was launched."

    Returns:
        True for yes, False for anything else, None where there is no terminal.
    """
    if not sys.stdin.isatty():
        print(f"sophia: nobody can confirm here: pass --yes. {nothing}", file=sys.stderr)
        return None
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_agreed(context: StackContext, question: str, *, yes: bool, nothing: str) -> bool:
    """Whether to go on: by --yes, because the stack's cloud is the emulator, or by the answer."""
    return yes or context.config.endpoint == "emulator" or bool(ask(question, nothing=nothing))
