"""Environments and their revisions. No HTTP here; the texts kept are sealed."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sophia_infra.esc.emulator.evaluator import Evaluated, LoadFailed, evaluate
from sophia_infra.esc.emulator.sealing import Sealer
from sophia_infra.esc.yaml_marks import YamlRefused

__all__ = ["Environment", "Refused", "Revision", "Store"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_SESSIONS_KEPT = 256
_LATEST = "latest"


class Refused(Exception):
    """A request that cannot be done: status, message, findings."""

    def __init__(self, status: int, message: str, findings: list[dict[str, Any]] | None = None) -> None:
        self.status = status
        self.message = message
        self.findings = findings
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved text. `created` is ISO 8601 in UTC."""

    number: int
    created: str
    creator: str
    text: str = field(repr=False)

    @property
    def etag(self) -> str:
        return hashlib.sha256(f"{self.number}\n{self.text}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class Environment:
    """One environment; `revisions` oldest first, never empty."""

    organization: str
    project: str
    name: str
    revisions: list[Revision]

    @property
    def full_name(self) -> str:
        return f"{self.project}/{self.name}"

    @property
    def latest(self) -> Revision:
        return self.revisions[-1]


class Store:
    """All environments of one emulator.

    Args:
        sealer: seals secrets before they are kept.
        now: the time of revisions.
        creator: login and name of whoever writes.
    """

    def __init__(
        self,
        sealer: Sealer | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        creator: str = "emulator",
    ) -> None:
        self.sealer = sealer or Sealer()
        self.environments: dict[tuple[str, str, str], Environment] = {}
        self._sessions: OrderedDict[str, tuple[tuple[str, str, str], Evaluated]] = OrderedDict()
        self._now = now
        self._creator = creator

    def find(self, organization: str, project: str, name: str) -> Environment:
        found = self.environments.get((organization, project, name))
        if found is None:
            raise Refused(404, f"environment {project}/{name} not found")
        return found

    def listed(self, organization: str) -> list[Environment]:
        return [one for key, one in sorted(self.environments.items()) if key[0] == organization]

    def create(self, organization: str, project: str, name: str) -> Environment:
        if not _NAME.fullmatch(project) or not _NAME.fullmatch(name):
            raise Refused(400, "project and name are 1 to 100 letters, digits, -, _ and dots")
        key = (organization, project, name)
        if key in self.environments:
            raise Refused(409, f"environment {project}/{name} already exists")
        created = Environment(organization, project, name, [self._revision(1, "")])
        self.environments[key] = created
        return created

    def delete(self, organization: str, project: str, name: str) -> None:
        self.find(organization, project, name)
        del self.environments[(organization, project, name)]

    def update(self, environment: Environment, text: str, etag: str | None) -> Evaluated:
        """Save `text` as the next revision, if it has no errors. Raises Refused: 409 for an old etag, 400."""
        if etag and etag != environment.latest.etag:
            raise Refused(409, "environment has been modified since it was read")
        evaluated = self.check(environment.organization, environment.full_name, text)
        if evaluated.findings.has_errors:
            raise Refused(400, "environment has errors", evaluated.findings.public())
        environment.revisions.append(
            self._revision(environment.latest.number + 1, self.sealer.seal_text(text))
        )
        return evaluated

    def check(self, organization: str, name: str, text: str) -> Evaluated:
        def load(other: str) -> tuple[str, Callable[[str], str]]:
            return self._load(organization, other)

        return evaluate(name, text, self.sealer.unseal, load)

    def revision(self, environment: Environment, version: str) -> Revision:
        """The revision with this number, or `latest`."""
        if version == _LATEST:
            return environment.latest
        found = [one for one in environment.revisions if str(one.number) == version]
        if not found:
            raise Refused(404, f"revision {version} of {environment.full_name} not found")
        return found[0]

    def open(self, environment: Environment, revision: Revision) -> tuple[str, Evaluated]:
        """Evaluate it and keep the result under a session id for reading."""
        evaluated = self.check(environment.organization, environment.full_name, revision.text)
        if evaluated.findings.has_errors:
            raise Refused(400, "environment has errors", evaluated.findings.public())
        session = secrets.token_hex(16)
        key = (environment.organization, environment.project, environment.name)
        self._sessions[session] = (key, evaluated)
        while len(self._sessions) > _SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        return session, evaluated

    def opened(self, environment: Environment, session: str) -> Evaluated:
        key, evaluated = self._sessions.get(session, (None, None))
        if evaluated is None or key != (environment.organization, environment.project, environment.name):
            raise Refused(404, "open environment not found")
        return evaluated

    def decrypted(self, text: str) -> str:
        try:
            return self.sealer.unseal_text(text)
        except (ValueError, YamlRefused):
            raise Refused(500, "the stored text cannot be opened with this key") from None

    def _load(self, organization: str, name: str) -> tuple[str, Callable[[str], str]]:
        bare, _, version = name.partition("@")
        project, _, environment_name = bare.partition("/")
        try:
            environment = self.find(organization, project, environment_name)
            return self.revision(environment, version or _LATEST).text, self.sealer.unseal
        except Refused as error:
            raise LoadFailed(error.message) from None

    def _revision(self, number: int, text: str) -> Revision:
        created = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return Revision(number, created, self._creator, text)
