"""The resource kind Instance: one Lambda Cloud machine that is billed from launch to terminate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.lambda_cloud import Instance, NotFound
from sophia_infra.provider.errors import TerminationRefused
from sophia_infra.provider.instance_end import terminate
from sophia_infra.provider.instance_launch import adopt_configured, adopt_or_launch
from sophia_infra.provider.instance_spec import (
    DEFERRED,
    LIVE_STATUSES,
    REPLACING,
    REPLACING_ADOPTED,
    InstanceSpec,
    outputs_of,
)
from sophia_infra.provider.outcome import UNKNOWN, Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import Owner

__all__ = ["InstanceKind"]

_REQUIRED = ("stack", "logical_name", "name", "instance_type", "region")


class InstanceKind:
    """Create returns when the launch is answered (8.9 s seen); `FleetReady` waits for the boot.

    Updates in place: the name, and nothing else, because the API can change nothing else (facts 1.3).
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        failures = [(name, "is missing") for name in _REQUIRED if not news.get(name)]
        if not news.get("adopt") and not news.get("ssh_key_name"):
            failures.append(("ssh_key_name", "is missing: a launch takes exactly one SSH key"))
        return Checked({**news, "generation": int(news.get("generation") or 1)}, tuple(failures))

    def diff(self, resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        replaces = _replaces(resource_id, olds, news)
        deferred = tuple(name for name in DEFERRED if not same(olds.get(name), news.get(name)))
        in_place = tuple(
            name
            for name in ("name", "adopt")
            if name not in replaces and not same(olds.get(name), news.get(name))
        )
        self._session.memory.saw_in_state(
            Owner(olds["stack"], olds["logical_name"]), resource_id, kept=not replaces
        )
        if deferred and not replaces:
            self._session.say(
                f"{news['logical_name']}: {', '.join(deferred)} changed; this takes effect at the next launch. "
                "To launch a new machine now, raise its `generation`."
            )
        return Diff(changes=(*replaces, *in_place, *deferred), replaces=replaces, deferred=deferred)

    def create(self, news: Props) -> Created:
        spec = InstanceSpec.of(news)
        with self._session.memory.launch_lock(spec.owner):
            if spec.adopt:
                machine, adopted = adopt_configured(self._session, spec), True
            else:
                machine, adopted = adopt_or_launch(self._session, spec), False
            self._session.memory.hand_out(machine.id)
        return Created(machine.id, outputs_of(news, machine, adopted=adopted))

    def read(self, resource_id: str, props: Props) -> Found:
        machine = self._find(resource_id)
        if machine is None or machine.status not in LIVE_STATUSES:
            return Found(None)
        drift = {}
        if machine.name and machine.name != props.get("name"):
            drift["name"] = machine.name
        outputs = {**props, **drift}
        if not drift:
            return Found(machine.id, outputs)
        return Found(machine.id, outputs, inputs=_inputs_of(outputs))

    def update(self, resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        if not same(olds.get("name"), news.get("name")):
            self._session.client.rename_instance(resource_id, news["name"])
            self._session.instances.make_stale()
        kept = {name: value for name, value in olds.items() if name in _OUTPUTS_ONLY}
        return {**news, **kept}

    def delete(self, resource_id: str, props: Mapping[str, Any]) -> None:
        name = str(props.get("logical_name", resource_id))
        if self._session.memory.was_handed_out(resource_id):
            self._session.say(
                f"{name}: instance {resource_id} stays: this update has just taken it over again. "
                "To replace a machine, raise its `generation`."
            )
            return
        keeper = self._session.memory.kept_as(resource_id)
        if keeper is not None:
            raise TerminationRefused(
                f"Instance {resource_id} was not terminated: this update also keeps it as {keeper}.",
                next_step="`sophia doctor` shows the entry of the state that is left over, and the command "
                "that removes it.",
            )
        terminate(self._session, resource_id, name)
        self._session.journal.forget_id(resource_id)

    def _find(self, resource_id: str) -> Instance | None:
        rows = self._session.instances.rows(self._session.waits.refresh_s)
        for machine in rows:
            if machine.id == resource_id:
                return machine
        # The list may lag behind a launch: absence is believed only from the machine's own address.
        try:
            return self._session.client.get_instance(resource_id)
        except NotFound:
            return None


def _replaces(resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[str, ...]:
    """The changed properties that need another machine."""
    adopt = news.get("adopt") or {}
    compared = REPLACING_ADOPTED if adopt or olds.get("adopt") else REPLACING
    replaces = tuple(name for name in compared if not same(olds.get(name), news.get(name)))
    names_this_machine = adopt.get("id") == resource_id or adopt.get("name") == olds.get("name")
    if adopt and not same(olds.get("adopt"), adopt) and not names_this_machine:
        return (*replaces, "adopt")
    return replaces


_OUTPUTS_ONLY = ("instance_id", "launched_type", "launched_region", "adopted", "launched_with")


def _inputs_of(outputs: Mapping[str, Any]) -> Props:
    return {
        name: value for name, value in outputs.items() if name not in _OUTPUTS_ONLY and value is not UNKNOWN
    }
