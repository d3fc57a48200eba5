"""Who is told of every attempt, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, get_args

from sophia_infra.lambda_cloud.errors import (
    AccountInactive,
    EdgeBlocked,
    Forbidden,
    LambdaCloudError,
    RateLimited,
    ServerFault,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)

__all__ = ["OUTCOMES", "Observer", "Outcome", "outcome_of"]

Outcome = Literal[
    "ok",
    "unauthorized",
    "forbidden",
    "rate_limited",
    "server_fault",
    "unreachable",
    "unexpected_answer",
    "refused",
]
"""How an attempt ended. `forbidden`: valid key or not, this account or this network may not;
`refused`: the request itself was not accepted."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_BY_CLASS: Mapping[type[LambdaCloudError], Outcome] = {
    Unauthorized: "unauthorized",
    Forbidden: "forbidden",
    AccountInactive: "forbidden",
    EdgeBlocked: "forbidden",
    RateLimited: "rate_limited",
    ServerFault: "server_fault",
    Unreachable: "unreachable",
    UnexpectedAnswer: "unexpected_answer",
}


class Observer(Protocol):
    """Counts or times attempts. Called in the thread of the call; must be quick, and must not raise."""

    def on_attempt(
        self, operation_id: str, outcome: Outcome, duration_s: float, server_time_s: float | None
    ) -> None:
        """One request was answered, refused or lost; repeated attempts are told one by one.

        Args:
            operation_id: of the OpenAPI document, such as `listInstances`.
            outcome: of the answer's form. What it holds may still be an UnexpectedAnswer to the caller.
            duration_s: from the first byte sent to the last one read, without the wait for a slot.
            server_time_s: seconds since 1970 by the service's `Date` header (whole seconds); None without.
        """
        ...


def outcome_of(error: LambdaCloudError) -> Outcome:
    """The word for an error of this room."""
    return next((word for kind, word in _BY_CLASS.items() if isinstance(error, kind)), "refused")
