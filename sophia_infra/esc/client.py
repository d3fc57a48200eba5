"""Pulumi ESC through its own SDK, typed, with secrets kept secret and every failure one of ours.

The SDK (0.3 s to import) is imported by the first call. Its own conveniences are not used where they lose
something: `convertPropertyToValue` drops the secret marks, its definition model refuses secrets among
`environmentVariables`, and its default host is PULUMI_BACKEND_URL.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from sophia_infra.esc.errors import Diagnostic, EscUnreachable, UnexpectedAnswer
from sophia_infra.esc.opened import OpenedEnvironment, leaves_of
from sophia_infra.esc.settings import EnvironmentName, EscAccess
from sophia_infra.esc.translating import diagnostics_of, refusal, translated
from sophia_infra.model.loopback import is_loopback

if TYPE_CHECKING:
    from pulumi_esc_sdk.api.esc_api import EscApi

__all__ = ["TIMEOUT_S", "Definition", "EscClient", "Revision"]

TIMEOUT_S = 9.0
"""For one whole operation, all of its requests together: a preview must end within 10 s."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Revision:
    """A saved state of an environment. `created` is None when the service did not say."""

    number: int
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Definition:
    """The text of a revision, secrets as ciphertexts. `etag` guards an update made from it."""

    text: str = field(repr=False)
    revision: int
    etag: str


class EscClient:
    """One environment at one address.

    Args:
        access: address and token.
        name: the environment.
        timeout_s: for each operation, all of its requests together.
        monotonic: seconds; for the deadline.

    Every method raises `EscError`s only.
    """

    def __init__(
        self,
        access: EscAccess,
        name: EnvironmentName,
        *,
        timeout_s: float = TIMEOUT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.access = access
        self.name = name
        self._timeout_s = timeout_s
        self._monotonic = monotonic

    def open(self) -> OpenedEnvironment:
        """Evaluate the newest revision and read all of it."""
        deadline = self._deadline()
        revision = self._revisions(1, deadline)[0].number
        place = self._place
        opened = self._call(
            deadline, lambda api, limit: api.open_environment_at_version(*place, str(revision), **limit)
        )
        session = opened.id
        answer = self._call(deadline, lambda api, limit: api.read_open_environment(*place, session, **limit))
        properties = {
            key: {"value": value.value, "secret": value.secret, "unknown": value.unknown}
            for key, value in (answer.properties or {}).items()
        }
        return OpenedEnvironment(str(self.name), revision, leaves_of(properties))

    def revisions(self, count: int = 500) -> tuple[Revision, ...]:
        """The newest `count` revisions, newest first; never empty."""
        return self._revisions(count, self._deadline())

    def definition(self, revision: int | None = None) -> Definition:
        """The text of a revision, None for the newest."""

        def read(api: EscApi, limit: dict[str, Any]) -> Definition:
            if revision is None:
                answer = api.get_environment_without_preload_content(*self._place, **limit)
            else:
                answer = api.get_environment_at_version_without_preload_content(
                    *self._place, str(revision), **limit
                )
            body = answer.data
            if answer.status != 200:
                raise refusal(answer.status, answer.headers, body, self)
            number = answer.headers.get("Pulumi-ESC-Revision", "")
            etag = answer.headers.get("ETag", "")
            if not number.isdecimal() or not etag:
                raise UnexpectedAnswer("ESC gave a definition without revision and etag.")
            return Definition(body.decode(), int(number), etag)

        return self._call(self._deadline(), read)

    def create(self) -> None:
        """Make the environment, empty. Raises EnvironmentExists."""
        from pulumi_esc_sdk.models.create_environment import CreateEnvironment

        body = CreateEnvironment(project=self.name.project, name=self.name.environment)
        self._call(
            self._deadline(), lambda api, limit: api.create_environment(self.name.organization, body, **limit)
        )

    def update(self, text: str, etag: str) -> tuple[Diagnostic, ...]:
        """Save `text` as the next revision if nobody saved since `etag`; the warnings of the evaluator.

        Raises:
            EnvironmentChanged: somebody did; nothing was written.
            EvaluationFailed: `text` has errors; nothing was written.
        """
        headers = {"ETag": etag, "If-Match": etag}
        answer = self._call(
            self._deadline(),
            lambda api, limit: api.update_environment_yaml(*self._place, text, _headers=headers, **limit),
        )
        return diagnostics_of(answer)

    def check(self, text: str) -> tuple[Diagnostic, ...]:
        """What the evaluator finds in `text`, errors and warnings; saves nothing."""
        from pulumi_esc_sdk.exceptions import BadRequestException

        def ask(api: EscApi, limit: dict[str, Any]) -> Any:
            try:
                return api.check_environment_yaml(self.name.organization, text, **limit)
            except BadRequestException as error:
                return error.data

        return diagnostics_of(self._call(self._deadline(), ask))

    def delete(self) -> None:
        """Delete the environment with all of its revisions."""
        self._call(self._deadline(), lambda api, limit: api.delete_environment(*self._place, **limit))

    @property
    def _place(self) -> tuple[str, str, str]:
        return self.name.organization, self.name.project, self.name.environment

    def _deadline(self) -> float:
        return self._monotonic() + self._timeout_s

    def _revisions(self, count: int, deadline: float) -> tuple[Revision, ...]:
        rows = self._call(
            deadline, lambda api, limit: api.list_environment_revisions(*self._place, None, count, **limit)
        )
        if not rows:
            raise UnexpectedAnswer(f"ESC lists no revision of {self.name}.")
        return tuple(Revision(row.number, _moment(row.created)) for row in rows)

    def _call(self, deadline: float, ask: Callable[[EscApi, dict[str, Any]], _T]) -> _T:
        left_s = deadline - self._monotonic()
        if left_s <= 0:
            raise EscUnreachable(f"ESC at {self.access.url} took longer than {self._timeout_s:g} s.")
        with translated(self):
            return ask(self._api, {"_request_timeout": float(left_s)})

    @functools.cached_property
    def _api(self) -> EscApi:
        from pulumi_esc_sdk import Configuration
        from pulumi_esc_sdk import EscClient as SdkClient

        configuration = Configuration(host=self.access.url, access_token=self.access.token.reveal())
        # No retry below us (it would multiply the deadline) and no redirect (it would carry the token away).
        configuration.retries = 0  # type: ignore[assignment]  # typed by its default, None
        if is_loopback(urlsplit(self.access.url).hostname or ""):
            configuration.proxy = ""  # a proxy of the environment cannot reach our own loopback
        api: EscApi = SdkClient(configuration).esc_api
        return api


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
