"""Every error of the Lambda Cloud client.

    LambdaCloudError
    ├── NoCapacity        none free of that type in that region             lambda
    ├── RateLimited       too fast for the account                          ours
    ├── ServerFault       Lambda or one of its providers failed             lambda
    ├── Unreachable       no answer, or half of one                         network
    ├── EdgeBlocked       refused by the edge before Lambda saw it          network
    ├── UnexpectedAnswer  an answer that the API document does not describe ours
    ├── Unauthorized      the key is wrong, expired or deleted              user
    ├── AccountInactive   e-mail, payment method or billing address         user
    ├── Forbidden         the account may not do this                       user
    ├── QuotaExceeded     the account's limit                               user
    ├── NotFound          no such object in this workspace                  user
    ├── Conflict          not in the object's present state                 user
    ├── Duplicate         the name is taken                                 user
    ├── InUse             something still uses the object                   user
    ├── WrongRegion       filesystem and instance are in two regions        user
    └── InvalidSpec       the request breaks a rule of the API              user

Policy: one class per thing the caller does next. The class comes from the API's `code`, never from its
message (`refusals.py`). Network errors of the library below are chained, not passed through. Text that
came from outside is redacted and cut before it enters an error.

Whether money may be at stake is in `may_have_happened`: True when a write may have been carried out
although no good answer came back. Then look before repeating: list, and adopt what is there.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from sophia_infra.lambda_cloud.redaction import redact

__all__ = [
    "AccountInactive",
    "Conflict",
    "Duplicate",
    "EdgeBlocked",
    "Fault",
    "Forbidden",
    "InUse",
    "InvalidSpec",
    "LambdaCloudError",
    "NoCapacity",
    "NotFound",
    "QuotaExceeded",
    "RateLimited",
    "ServerFault",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "WrongRegion",
]

Fault = Literal["user", "lambda", "network", "ours"]


class LambdaCloudError(Exception):
    """Something the Lambda Cloud client could not do.

    Attributes:
        code: the API's own code, such as `global/quota-exceeded`; None when the API gave none.
        message: what went wrong, redacted.
        suggestion: the API's advice, redacted; None when there was none.
        request_id: what Lambda's support asks for; None when no answer named one.
        http_status: of the last answer; None when there was none.
        operation: the operationId of the OpenAPI document, such as `launchInstance`.
        fault: whose: `user`, `lambda`, `network` or `ours`.
        retry: the same call may be made again, after a wait, without harm and with a fair chance.
        next_step: one sentence for the person who reads it.
        may_have_happened: a write may have been carried out in spite of this error.
        attempts: how many requests the client sent before it gave up; 0 when none was sent.
        retry_after_s: how long the service asked to be left alone, in seconds; None when it did not say.
    """

    fault: ClassVar[Fault] = "ours"
    next_step: ClassVar[str] = "Report it with the request id."
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        suggestion: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        operation: str | None = None,
        may_have_happened: bool = False,
        retry_after_s: float | None = None,
        hopeless: bool = False,
    ) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.code = code
        self.suggestion = redact(suggestion) if suggestion else None
        self.request_id = request_id
        self.http_status = http_status
        self.operation = operation
        self.may_have_happened = may_have_happened
        self.retry_after_s = retry_after_s
        self.attempts = 0
        self._hopeless = hopeless
        self._repeatable = False

    @property
    def retry(self) -> bool:
        """Whether the same call may be made again as it is. Never true where it could do a thing twice."""
        harmless = self._repeatable or not self.may_have_happened
        return self.retryable and harmless and not self._hopeless

    def during(
        self,
        operation: str,
        *,
        repeatable: bool,
        may_have_happened: bool = False,
        request_id: str | None = None,
        http_status: int | None = None,
    ) -> Self:
        """This error, now knowing the call it came from. `repeatable`: twice does the same as once."""
        self.operation = operation
        self._repeatable = repeatable
        self.may_have_happened = self.may_have_happened or may_have_happened
        self.request_id = self.request_id or request_id
        self.http_status = self.http_status or http_status
        return self

    def __str__(self) -> str:
        origin = [self.code] if self.code else []
        origin += [f"HTTP {self.http_status}"] if self.http_status else []
        origin += [f"request id {self.request_id}"] if self.request_id else []
        origin += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        sentence = f"{self.operation}: {self.message}" if self.operation else self.message
        if origin:
            sentence = f"{sentence.rstrip('. ')} ({', '.join(origin)})"
        if not sentence.endswith((".", "!", "?")):
            sentence += "."
        if self.may_have_happened:
            sentence += " It may have been carried out all the same: list before trying again."
        return f"{sentence} {self.suggestion or self.next_step}"


class NoCapacity(LambdaCloudError):
    """No machine of that type is free in that region. Nothing was launched."""

    fault = "lambda"
    next_step = "Take a fallback type or region, or wait for capacity with a limit."


class QuotaExceeded(LambdaCloudError):
    """The account's limit for this kind of object. Nothing was made."""

    fault = "user"
    next_step = "Ask Lambda's support to raise the quota, or end something you no longer need."


class Unauthorized(LambdaCloudError):
    """The API key is wrong, expired or deleted. Nothing was done."""

    fault = "user"
    next_step = "Check LAMBDA_API_KEY, or make a new key in the Lambda Cloud console."


class AccountInactive(LambdaCloudError):
    """The account cannot buy: e-mail unverified, no payment method, or a bad billing address."""

    fault = "user"
    next_step = "Complete e-mail, payment method and billing address in the Lambda Cloud console."


class EdgeBlocked(LambdaCloudError):
    """The edge in front of the API refused the client; Lambda saw neither request nor key."""

    fault = "network"
    next_step = "The key is not the cause: try from another network, or ask Lambda's support with the text."


class Forbidden(LambdaCloudError):
    """The key is valid, but this account may not do this."""

    fault = "user"
    next_step = "Use a key of the workspace that owns the object, or ask an administrator of the account."


class NotFound(LambdaCloudError):
    """No such object in the key's workspace: never there, already gone, or in another workspace."""

    fault = "user"
    next_step = "Refresh: it may be gone, or belong to another workspace."


class Conflict(LambdaCloudError):
    """The object's present state does not allow this."""

    fault = "user"
    next_step = "Wait until the object has settled, then try again."
    retryable = True


class Duplicate(LambdaCloudError):
    """An object of that name exists. Nothing was made."""

    fault = "user"
    next_step = "Use the existing one, or choose another name."


class InUse(LambdaCloudError):
    """Something still uses the object. An instance holds its filesystems until it is gone."""

    fault = "user"
    next_step = "Try again once the instances that use it are gone."
    retryable = True


class InvalidSpec(LambdaCloudError):
    """The request breaks a rule of the API. Found here before anything was sent, or by the API itself."""

    fault = "user"
    next_step = "Correct the value; the same request will fail again."


class WrongRegion(LambdaCloudError):
    """A filesystem lies in another region than the instance. Nothing was launched."""

    fault = "user"
    next_step = "Put instance and filesystem in one region: a filesystem cannot move."


class RateLimited(LambdaCloudError):
    """Refused before any work, because the account's requests come too fast."""

    fault = "ours"
    next_step = "Wait a minute; another program may use the same account."
    retryable = True


class Unreachable(LambdaCloudError):
    """No whole answer came back: no connection, a timeout, or a connection that broke."""

    fault = "network"
    next_step = "Check the network and the base URL, then try again."
    retryable = True


class ServerFault(LambdaCloudError):
    """Lambda failed (5xx, `global/internal-error`, `global/unknown`) or its provider did (`provider/...`)."""

    fault = "lambda"
    next_step = "Try again later; name the request id to Lambda's support if it stays."
    retryable = True


class UnexpectedAnswer(LambdaCloudError):
    """An answer that the API document does not describe: another program, or a newer API."""

    fault = "ours"
    next_step = "Check the base URL; else report it with the request id."
