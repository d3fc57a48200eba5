"""What can be wrong with the facts and the configuration of a stack.

    ModelError
    |-- Refused(ValueError)         one value is not accepted; carries the value and what is allowed
    |   |-- UnknownInstanceType     no instance type has that name; the closest ones are named
    |   `-- AmbiguousInstanceType   several have it; all of them are named
    |-- UnknownPrice(LookupError)   a price book without that instance type; a price is never guessed
    `-- ConfigError                 everything that is wrong with one stack file, one line each

Each says whose fault it is (`fault`: "user" or "ours"), whether calling again can help (`retry`; never
here, where nothing depends on time) and what to do next (`next_step`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal

__all__ = [
    "AmbiguousInstanceType",
    "ConfigError",
    "ModelError",
    "Problem",
    "Refused",
    "UnknownInstanceType",
    "UnknownPrice",
    "did_you_mean",
]


class ModelError(Exception):
    """Base of this room's errors."""

    fault: ClassVar[Literal["user", "ours"]] = "user"
    retry: ClassVar[bool] = False
    next_step: str = "correct the value"


class Refused(ModelError, ValueError):
    """One value is not accepted.

    Attributes:
        message: a predicate without the value, for example `is not an amount in dollars`, so that a
            report can put the value, or a placeholder for a secret, in front of it.
        allowed: what would be accepted, as one line of text; None when the message says it.
        is_secret: the value must not be shown.
    """

    def __init__(self, message: str, *, allowed: str | None = None, is_secret: bool = False) -> None:
        self.message = message
        self.allowed = allowed
        self.is_secret = is_secret
        if allowed is not None:
            self.next_step = f"use one of: {allowed}"
        super().__init__(message if allowed is None else f"{message}; allowed: {allowed}")


class UnknownInstanceType(Refused):
    """No instance type of the catalogue has this name or human form."""


class AmbiguousInstanceType(Refused):
    """The human form fits several instance types; `candidates` are their API names.

    Never resolved by price or order: a wrong guess is a machine that costs money.
    """

    def __init__(self, message: str, candidates: Sequence[str], *, allowed: str) -> None:
        self.candidates = tuple(candidates)
        super().__init__(message, allowed=allowed)


class UnknownPrice(ModelError, LookupError):
    """The price book has no price for `instance_type`, and none is invented.

    Attributes:
        resource: the name of what needs the price; None when only the book was asked.
    """

    next_step = "use a price book that has the type: the live one, or that of 2026-08-20"

    def __init__(self, instance_type: str, as_of: date, source: str, *, resource: str | None = None) -> None:
        self.instance_type = instance_type
        self.as_of = as_of
        self.resource = resource
        needed = f", which {resource} needs," if resource else ""
        super().__init__(
            f"no price for {instance_type}{needed} in the price book of {as_of} ({source}). "
            f"Next: {self.next_step}."
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a stack file.

    Attributes:
        file: the file or other source as given to the parser.
        key: path to the value, for example `sophia:fleet.sophia-ai-core.type`; "" for the whole file.
        line: 1-based line of the value in the file; None for values handed over by the engine.
        value: the value as JSON text, shortened; None when it is missing or of no use to the reader,
            `(hidden)` when it may be a secret.
        allowed: what would be accepted, as one line of text; None when the message says it.
        message: what is wrong, a predicate that follows the value.
    """

    file: str
    key: str
    line: int | None
    value: str | None
    allowed: str | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f" {self.key}:" if self.key else ":"
        value = "" if self.value is None else f" {self.value}"
        allowed = "" if self.allowed is None else f"; allowed: {self.allowed}"
        return f"{place}{subject}{value} {self.message}{allowed}"


class ConfigError(ModelError):
    """A stack file cannot be used. `problems` has all that was found, in file order; never empty."""

    next_step = "correct the lines named and run the command again; nothing was sent to Lambda"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        if not self.problems:
            raise ValueError("a ConfigError without a problem")
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`", did you mean X?"` for the closest known word, or "" when nothing is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=0.6)
    return f", did you mean {by_folded[close[0]]}?" if close else ""
