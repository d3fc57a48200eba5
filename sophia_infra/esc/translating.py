"""From the SDK's exceptions to ours. Their texts repeat answers whole, so nothing of them is passed on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sophia_infra.esc.errors import (
    Diagnostic,
    EnvironmentChanged,
    EnvironmentExists,
    EnvironmentMissing,
    EscBusy,
    EscError,
    EscFault,
    EscUnreachable,
    EvaluationFailed,
    TokenRefused,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from sophia_infra.esc.client import EscClient

__all__ = ["diagnostics_of", "refusal", "translated"]

_SUMMARY_CHARACTERS = 200


@contextlib.contextmanager
def translated(client: EscClient) -> Iterator[None]:
    """Run one call of the SDK; whatever it raises leaves as an `EscError`."""
    from pulumi_esc_sdk.exceptions import ApiException
    from pydantic import ValidationError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except EscError:
        raise
    except ApiException as error:
        if not error.status:
            raise EscUnreachable(
                f"ESC at {client.access.url} has no valid certificate for this machine."
            ) from None
        raise refusal(error.status, error.headers or {}, error.body, client) from None
    except HTTPError as error:
        raise EscUnreachable(f"ESC at {client.access.url} does not answer ({_kind(error)}).") from None
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        # These name the field with its value: only the kind of the error is safe to show.
        raise UnexpectedAnswer(
            f"ESC at {client.access.url} answered in a way that is not understood ({type(error).__name__})."
        ) from None


def refusal(status: int, headers: Mapping[str, str], body: str | bytes | None, client: EscClient) -> EscError:
    """The error for an answer with `status`."""
    where = f"ESC at {client.access.url}"
    if status == 400:
        found = _diagnostics(body)
        return EvaluationFailed(f"ESC refuses the definition of {client.name}.", found)
    if status in (401, 403):
        variable = client.access.token_env
        return TokenRefused(
            f"{where} does not accept the token in {variable} for {client.name} (HTTP {status}).",
            next_step=f"Put a token into {variable} that may open it.",
        )
    if status == 404:
        return EnvironmentMissing(
            f"{where} has no environment {client.name}, or not for this token.",
            next_step="Correct organization, project and environment, or make it by `sophia secrets init`.",
        )
    if status == 409:
        if "already exists" in _text(body):
            return EnvironmentExists(f"There is an environment {client.name} already.")
        return EnvironmentChanged(f"Somebody else saved {client.name} in the meantime.")
    if status == 429:
        asked = headers.get("Retry-After", "")
        return EscBusy(f"{where} asks to slow down.", float(asked) if asked.isdecimal() else None)
    if status >= 500:
        return EscFault(f"{where} failed (HTTP {status}).")
    return UnexpectedAnswer(f"{where} answered HTTP {status}.")


def diagnostics_of(answer: Any) -> tuple[Diagnostic, ...]:
    """Ours for the SDK's models `EnvironmentDiagnostics` and `CheckEnvironment`."""
    return tuple(
        Diagnostic(
            finding.summary[:_SUMMARY_CHARACTERS],
            finding.path or None,
            finding.range.environment if finding.range else None,
            finding.range.begin.line if finding.range else None,
        )
        for finding in getattr(answer, "diagnostics", None) or ()
    )


def _diagnostics(body: str | bytes | None) -> list[Diagnostic]:
    try:
        rows = json.loads(_text(body)).get("diagnostics") or []
        return [
            Diagnostic(
                str(row["summary"])[:_SUMMARY_CHARACTERS],
                row.get("path") or None,
                (row.get("range") or {}).get("environment"),
                ((row.get("range") or {}).get("begin") or {}).get("line"),
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _text(body: str | bytes | None) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""


def _kind(error: Exception) -> str:
    """The innermost reason, by its class: `NewConnectionError`, `ReadTimeoutError`, `CertificateError`."""
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__
