"""What can go wrong with Pulumi ESC.

    EscError
    ├── EscUnreachable      no answer in time, or no connection              network  retry
    ├── EscFault            the service failed (5xx)                         esc      retry
    ├── EscBusy             too many requests (429)                          esc      retry
    ├── EnvironmentChanged  somebody else wrote since it was read (409)      user     retry
    ├── EnvironmentExists   a new environment has the name of an old one     user
    ├── SettingsRefused     address or names that cannot be right            user
    ├── TokenMissing        the variable of the token is not set             user
    ├── TokenRefused        401 or 403                                       user
    ├── EnvironmentMissing  no such environment, or not for this token       user
    ├── PathMissing         the environment has no such property             user
    ├── NotASecret          the property is there, and not a secret          user
    ├── EvaluationFailed    the definition has errors; each with its place   user
    ├── DefinitionRefused   the checked-in definition breaks our own rules   user
    └── UnexpectedAnswer    an answer that the SDK cannot read               ours

Each says whose fault it is (`fault`), whether the same call may help later (`retry`), and what to do next
(`next_step`). No error holds a body, a value or a token, and none is chained to an error of the SDK, whose
text repeats whole answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from sophia_infra.model.errors import did_you_mean

__all__ = [
    "DefinitionRefused",
    "Diagnostic",
    "EnvironmentChanged",
    "EnvironmentExists",
    "EnvironmentMissing",
    "EscBusy",
    "EscError",
    "EscFault",
    "EscUnreachable",
    "EvaluationFailed",
    "Fault",
    "NotASecret",
    "PathMissing",
    "SettingsRefused",
    "TokenMissing",
    "TokenRefused",
    "UnexpectedAnswer",
]

Fault = Literal["user", "esc", "network", "ours"]


class EscError(Exception):
    """Base. `str` is one line: what happened, then the next step."""

    fault: ClassVar[Fault] = "user"
    retry: ClassVar[bool] = False
    next_step: str = "Correct the setting and run it again."

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        self.message = message
        if next_step is not None:
            self.next_step = next_step
        super().__init__(f"{message} {self.next_step}")


class EscUnreachable(EscError):
    """No answer. Nothing was changed, or (for a write) it is not known whether it was."""

    fault = "network"
    retry = True
    next_step = "Check the network and sophia:kubernetes.secrets.api_url, then run it again."


class EscFault(EscError):
    """The service answered 5xx."""

    fault = "esc"
    retry = True
    next_step = "Nothing is wrong here: wait a minute and run it again."


class EscBusy(EscError):
    """429. `retry_after_s` is what the service asked for, None when it did not say."""

    fault = "esc"
    retry = True
    next_step = "Wait a minute and run it again."

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class EnvironmentChanged(EscError):
    """The environment has another revision than the one that was read."""

    retry = True
    next_step = "Nothing was written: run it again, it starts from the new revision."


class EnvironmentExists(EscError):
    """There is one of that name already; it is left as it is."""

    next_step = "Use it as it is, or choose another name."


class SettingsRefused(EscError):
    """Address, organization, project or environment cannot be right."""


class TokenMissing(EscError):
    """The environment variable that should hold the access token is not set."""


class TokenRefused(EscError):
    """ESC does not accept the token, or not for this environment."""

    next_step = "Make a new access token with the right to open the environment, and set it."


class EnvironmentMissing(EscError):
    """No environment of that name is visible with this token."""


class PathMissing(EscError):
    """`path` names no value. The message names the closest one."""

    next_step = "Correct the path, or add the property to the environment."

    def __init__(self, path: str, environment: str, known: Iterable[str]) -> None:
        self.path = path
        self.environment = environment
        close = did_you_mean(path, known)
        super().__init__(
            f"The ESC environment {environment} has no value at {path}{close}.".replace("?.", "?")
        )


class NotASecret(EscError):
    """`path` holds a plain value where a secret is wanted."""

    def __init__(self, path: str, environment: str) -> None:
        self.path = path
        self.environment = environment
        super().__init__(
            f"{path} in the ESC environment {environment} is not marked secret: everybody who may read the "
            "definition can read it.",
            next_step="Put it under fn::secret.",
        )


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of the evaluator.

    Attributes:
        summary: what is wrong, without any value.
        path: of the property, such as `values.databases.url`; None for the whole text.
        environment: whose text it is; None when the service did not say.
        line: 1-based; None when the service did not say.
    """

    summary: str
    path: str | None = None
    environment: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = self.environment or "definition"
        if self.line is not None:
            place += f":{self.line}"
        return f"{place} {self.path}: {self.summary}" if self.path else f"{place}: {self.summary}"


class EvaluationFailed(EscError):
    """The environment cannot be opened or saved as it stands; `diagnostics` has one entry per finding."""

    next_step = "Correct the lines named, then run it again."

    def __init__(self, message: str, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(" ".join([message, *(f"{finding}." for finding in self.diagnostics)]))


class DefinitionRefused(EscError):
    """The checked-in definition breaks a rule of ours; `problems` has one line each."""

    next_step = "Correct the lines named."

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class UnexpectedAnswer(EscError):
    """The service answered something that the SDK or we cannot read."""

    fault = "ours"
    next_step = "Compare the versions of pulumi-esc-sdk and the service, and report it."
