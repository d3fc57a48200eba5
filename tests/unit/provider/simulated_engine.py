"""The part of the Pulumi engine that a provider sees: states, the order of calls, and being killed.

Follows what was seen on Pulumi 3.259 (file backend): the state is saved after each call; a replacement
saves the new resource beside the old one, marked for deletion, and deletes at the end of the update; after
a failure no delete is begun; one provider process serves one update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sophia_infra.lambda_cloud import LambdaCloud, LambdaCloudError
from sophia_infra.model.resource_tokens import resource_token
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.filesystem import FilesystemKind
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.fleet_ready import FleetReadyKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Intent, Journal
from sophia_infra.provider.outcome import Kind, PartlyCreated, Props
from sophia_infra.provider.session import Session
from sophia_infra.provider.ssh_key import SshKeyKind

INSTANCE = "instance"
INSTANCE_TOKEN = resource_token("Instance", "dynamic")
# What depends on others goes before them.
_DELETED_IN_ORDER = ("ready", INSTANCE, "ruleset", "filesystem", "key")


class Killed(BaseException):
    """SIGKILL: nothing that stands behind `except Exception` runs any more."""


class Failed(Exception):
    """The update ended with an error of the provider."""


class Doom:
    """Counts the moments at which a process can be killed, and kills it at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self._kill_at = kill_at
        self._moments = 0

    def moment(self) -> None:
        self._moments += 1
        if self._moments == self._kill_at:
            raise Killed


class DoomedClient:
    """The real client; the process can die before each request leaves and after each answer came.

    Without `reads` only around writes: who dies before or after a read leaves the world as who dies at the
    moment before it, or at the one after it.
    """

    def __init__(self, client: LambdaCloud, doom: Doom, *, reads: bool = True) -> None:
        self._client = client
        self._doom = doom
        self._reads = reads

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._client, name)
        if not self._reads and name.startswith(("list_", "get_")):
            return call

        def doomed(*arguments: Any, **named: Any) -> Any:
            self._doom.moment()
            answer = call(*arguments, **named)
            self._doom.moment()
            return answer

        return doomed


class DoomedJournal(Journal):
    """The real journal; the process can die before and after each note."""

    doom: Doom

    def write(self, intent: Intent) -> None:
        self.doom.moment()
        super().write(intent)
        self.doom.moment()


@dataclass
class Entry:
    """One resource of the state."""

    kind: str
    name: str
    id: str
    inputs: Props
    outputs: Props
    delete: bool = False


@dataclass(frozen=True)
class Resource:
    """One resource of the program. `inputs` gets the ids of those before it."""

    kind: str
    name: str
    inputs: Callable[[Mapping[str, str]], Props]
    delete_before_replace: bool = False


@dataclass
class Engine:
    """`state` and `pending` are what lies on the disk."""

    state: list[Entry] = field(default_factory=list)
    pending: list[tuple[str, Props]] = field(default_factory=list)

    def update(
        self,
        program: Sequence[Resource],
        session: Session,
        doom: Doom,
        *,
        refresh: bool = False,
        go_on: bool = False,
        forced: str | None = None,
    ) -> None:
        """One `pulumi up`.

        Args:
            refresh: with `--refresh`.
            go_on: resources beside a failed one are still made, as when they were under way together.
            forced: `--replace` of this instance.

        Raises:
            Failed: a provider call raised; what was saved stays.
            Killed: at the moment of `doom`.
        """
        kinds = _kinds(session)
        if refresh:
            self._refresh(kinds, doom)
        ids: dict[str, str] = {}
        failures: list[Exception] = []
        for resource in program:
            if failures and (not go_on or resource.kind == "ready"):
                continue
            try:
                ids[resource.name] = self._step(resource, ids, kinds, doom, forced == resource.name)
            except (LambdaCloudError, ProviderError, PartlyCreated) as error:
                failures.append(error)
        if failures:
            raise Failed(failures)
        wanted = {(resource.kind, resource.name) for resource in program}
        self._delete(lambda entry: entry.delete or (entry.kind, entry.name) not in wanted, kinds, doom)

    def refresh(self, session: Session, doom: Doom) -> None:
        """One `pulumi refresh`. Raises as `update`."""
        self._refresh(_kinds(session), doom)

    def destroy(self, session: Session, doom: Doom) -> None:
        """One `pulumi destroy`. Raises as `update`."""
        self._delete(lambda _: True, _kinds(session), doom)

    def deployment(self) -> dict[str, Any]:
        """As `pulumi stack export` shows it."""
        rows = [
            {
                "urn": f"urn:pulumi:test::sophia-infra::{INSTANCE_TOKEN}::{entry.name}",
                "type": INSTANCE_TOKEN,
                "id": entry.id,
                "delete": entry.delete,
            }
            for entry in self.state
            if entry.kind == INSTANCE
        ]
        pending = [
            {"type": "creating", "resource": {"type": INSTANCE_TOKEN, "inputs": inputs}}
            for kind, inputs in self.pending
            if kind == INSTANCE
        ]
        return {"resources": rows, "pending_operations": pending}

    def current(self, kind: str, name: str) -> Entry | None:
        found = [one for one in self.state if (one.kind, one.name, one.delete) == (kind, name, False)]
        assert len(found) <= 1, f"two current entries of {name}"
        return found[0] if found else None

    def _step(
        self, resource: Resource, ids: Mapping[str, str], kinds: Mapping[str, Kind], doom: Doom, forced: bool
    ) -> str:
        kind, news = kinds[resource.kind], resource.inputs(ids)
        old = self.current(resource.kind, resource.name)
        doom.moment()
        if old is None or forced:
            return self._create(resource, kind, news, doom, replaces=old)
        checked = kind.check(old.inputs, news)
        assert not checked.failures
        diff = kind.diff(old.id, old.outputs, checked.inputs)
        if diff.replaces:
            if resource.delete_before_replace or diff.delete_before_replace:
                kind.delete(old.id, old.outputs)
                doom.moment()
                self.state.remove(old)
                old = None
            return self._create(resource, kind, news, doom, replaces=old)
        if diff.changes:
            outputs = kind.update(old.id, old.outputs, checked.inputs)
            doom.moment()
            old.outputs = outputs
        old.inputs = checked.inputs
        return old.id

    def _create(
        self, resource: Resource, kind: Kind, news: Props, doom: Doom, *, replaces: Entry | None
    ) -> str:
        checked = kind.check({}, news)
        assert not checked.failures
        operation = (resource.kind, checked.inputs)
        self.pending.append(operation)
        try:
            created = kind.create(checked.inputs)
        except Exception:
            self.pending.remove(operation)
            raise
        doom.moment()
        self.pending.remove(operation)
        if replaces is not None:
            replaces.delete = True
        self.state.append(Entry(resource.kind, resource.name, created.id, checked.inputs, created.outputs))
        doom.moment()
        return created.id

    def _refresh(self, kinds: Mapping[str, Kind], doom: Doom) -> None:
        self.pending.clear()
        for entry in list(self.state):
            try:
                found = kinds[entry.kind].read(entry.id, entry.outputs)
            except (LambdaCloudError, ProviderError) as error:
                raise Failed([error]) from error
            doom.moment()
            if found.id is None:
                self.state.remove(entry)
            else:
                entry.outputs = found.outputs
                entry.inputs = found.inputs or entry.inputs

    def _delete(self, doomed: Callable[[Entry], bool], kinds: Mapping[str, Kind], doom: Doom) -> None:
        newest_first = list(self.state)
        newest_first.reverse()
        for entry in sorted(newest_first, key=lambda entry: _DELETED_IN_ORDER.index(entry.kind)):
            if not doomed(entry):
                continue
            doom.moment()
            try:
                kinds[entry.kind].delete(entry.id, entry.outputs)
            except (LambdaCloudError, ProviderError) as error:
                raise Failed([error]) from error
            doom.moment()
            self.state.remove(entry)


def doomed_session(session: Session, doom: Doom) -> Session:
    """A new provider process with the client, clock and journal folder of `session`."""
    journal = DoomedJournal(session.journal._directory)
    journal.doom = doom
    client = cast(LambdaCloud, DoomedClient(session.client, doom))
    return Session(client, session.clock, journal, waits=session.waits, say=session.say)


def _kinds(session: Session) -> dict[str, Kind]:
    return {
        "key": SshKeyKind(session),
        "filesystem": FilesystemKind(session),
        "ruleset": FirewallRulesetKind(session),
        INSTANCE: InstanceKind(session),
        "ready": FleetReadyKind(session),
    }
