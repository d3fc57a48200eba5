"""The two things that a program does to an account by itself, and how each is taken back.

Every function looks at the account first and is done when there is nothing left to do, so that it may be
called again after a crash at any point. A relaunch goes through the provider's own launch, which never makes
a second machine for one intent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.lambda_cloud import Duplicate, InUse, NotFound
from sophia_infra.optimization.errors import AccountChanged, UndoImpossible
from sophia_infra.optimization.gathering import describe
from sophia_infra.provider.instance_end import terminate
from sophia_infra.provider.instance_launch import adopt_or_launch
from sophia_infra.provider.instance_spec import LIVE_STATUSES, InstanceSpec
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LAUNCH_TAG, LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG, LaunchKey, Owner

__all__ = [
    "delete_filesystem",
    "end_machine",
    "find_filesystem",
    "find_machine",
    "make_filesystem",
    "relaunch",
]

_OWN_TAGS = frozenset({STACK_TAG, NAME_TAG, LAUNCH_TAG, LAUNCHED_AT_TAG})


def find_machine(session: Session, instance_id: str) -> dict[str, Any] | None:
    """The description of a live machine, asked for anew; None when it is gone or ending."""
    rows = session.instances.rows(0)
    one = next((row for row in rows if row.id == instance_id and row.status in LIVE_STATUSES), None)
    if one is not None:
        return describe(one)
    try:
        # The list may lag: absence is believed only from the machine's own address.
        alone = session.client.get_instance(instance_id)
    except NotFound:
        return None
    return describe(alone) if alone.status in LIVE_STATUSES else None


def end_machine(session: Session, before: Mapping[str, Any]) -> None:
    """Terminate and wait until the list shows it ended; one that is gone is done."""
    terminate(session, str(before["id"]), str(before["name"] or before["id"]))
    session.journal.forget_id(str(before["id"]))
    session.instances.make_stale()


def relaunch(session: Session, stack: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Launch the same description again, or take over what an earlier try launched; what runs then.

    Raises:
        CapacityExhausted: there is none; nothing was launched, and it may be called again.
        ProviderError, LambdaCloudError: see `provider.instance_launch`.
    """
    spec = InstanceSpec.of(
        {
            "stack": before["tags"][STACK_TAG],
            "logical_name": before["tags"][NAME_TAG],
            "name": before["name"],
            "instance_type": before["instance_type"],
            "region": before["region"],
            "ssh_key_name": before["ssh_key_name"],
            "hostname": before["hostname"],
            "filesystems": before["filesystems"],
            "firewall_ruleset_ids": before["firewall_ruleset_ids"],
            "tags": {key: text for key, text in before["tags"].items() if key not in _OWN_TAGS},
            "generation": _generation(before),
        }
    )
    if spec.owner.stack != stack:
        raise UndoImpossible(
            f"{before['id']} was of {spec.owner.stack}, not of {stack}.", next_step="report this: it is ours."
        )
    _remember_others(session, spec)
    machine = adopt_or_launch(session, spec)
    session.instances.make_stale()
    found = find_machine(session, machine.id)
    return {**before, "id": machine.id} if found is None else found


def find_filesystem(session: Session, filesystem_id: str) -> dict[str, Any] | None:
    """The description of a filesystem, asked for anew; None when it is gone."""
    for one in session.filesystems.rows(0):
        if one.id == filesystem_id:
            return {
                "id": one.id,
                "name": one.name,
                "region": one.region,
                "bytes_used": one.bytes_used,
                "in_use": one.is_in_use,
            }
    return None


def delete_filesystem(session: Session, stack: str, before: Mapping[str, Any]) -> None:
    """Delete it; one that is gone is done.

    Raises:
        AccountChanged: it is in use, or no longer empty; it stays.
    """
    now = find_filesystem(session, str(before["id"]))
    if now is None:
        return
    if now["in_use"] or now["bytes_used"] != 0:
        raise AccountChanged(
            f"Filesystem {now['name']} is in use or holds data by now, so it stays.",
            next_step="nothing: it was only to go while it was empty and unused.",
        )
    try:
        session.client.delete_filesystem(str(before["id"]))
    except NotFound:
        pass
    except InUse:
        raise AccountChanged(
            f"Filesystem {now['name']} is in use by now, so it stays.", next_step="nothing."
        ) from None
    session.filesystems.make_stale()
    session.journal.forget(f"filesystem/{stack}/{before['name']}")


def make_filesystem(session: Session, stack: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Make it again, empty as it was; the one of this name that is there counts.

    Raises:
        UndoImpossible: another one has its name, in another region.
    """
    name, region = str(before["name"]), str(before["region"])
    one = _by_name(session, name)
    if one is None:
        try:
            one = session.client.create_filesystem(name, region)
        except Duplicate:
            session.filesystems.make_stale()
            one = _by_name(session, name)
            if one is None:
                raise
        session.filesystems.make_stale()
    if one.region != region:
        raise UndoImpossible(
            f"A filesystem {name} is in {one.region} by now, and it was in {region}.",
            next_step="give one of the two another name by hand.",
        )
    session.journal.write(Intent(f"filesystem/{stack}/{name}", session.clock.now(), one.id))
    return {"id": one.id, "name": name, "region": region, "bytes_used": 0, "in_use": False}


def _by_name(session: Session, name: str) -> Any:
    return next((one for one in session.filesystems.rows(0) if one.name == name), None)


def _generation(before: Mapping[str, Any]) -> int:
    tags = before["tags"]
    key = LaunchKey.of(Owner(tags[STACK_TAG], tags[NAME_TAG]), tags)
    return 1 if key is None else key.generation


def _remember_others(session: Session, spec: InstanceSpec) -> None:
    """Other live machines of this name are known of: without this the launch takes them for strangers."""
    for one in session.instances.rows(0):
        if spec.owner.owns(one.tags) and LaunchKey.of(spec.owner, one.tags) != spec.launch_key:
            session.memory.saw_in_state(spec.owner, one.id, kept=True)
