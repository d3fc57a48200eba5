"""The resource kind Instance: one Lambda Cloud machine that is billed from launch to terminate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.lambda_cloud import Instance, LambdaCloudError, NotFound
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.provider.boot_data import (
    BOOT_DATA,
    BOOT_DATA_DIGEST,
    boot_data_changed,
    boot_data_digest,
    boot_data_problem,
    has_boot_data,
    without_boot_data,
)
from sophia_infra.provider.errors import AdoptionRefused, NodeReplacementRefused, TerminationRefused
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
from sophia_infra.provider.keeping import refuse_to_end
from sophia_infra.provider.outcome import UNKNOWN, Checked, Created, Diff, Found, PartlyCreated, Props, same
from sophia_infra.provider.properties import OUTPUTS
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
        # An adopted machine without a `name` keeps its own: it is not ours to rename unasked.
        required = [name for name in _REQUIRED if name != "name" or not news.get("adopt")]
        failures = [(name, "is missing") for name in required if not news.get(name)]
        if not news.get("adopt") and not news.get("ssh_key_name"):
            failures.append(("ssh_key_name", "is missing: a launch takes exactly one SSH key"))
        too_long = boot_data_problem(news)
        if too_long:
            failures.append(too_long)
        return Checked({**news, "generation": int(news.get("generation") or 1)}, tuple(failures))

    def diff(self, resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        replaces = _replaces(resource_id, olds, news)
        _refuse_a_node_without_a_new_name(replaces, olds, news)
        deferred = tuple(name for name in DEFERRED if not same(olds.get(name), news.get(name)))
        if boot_data_changed(olds, news):
            deferred += (BOOT_DATA,)
        in_place = tuple(
            name
            for name in ("name", "adopt")
            if name not in replaces and not same(olds.get(name), news.get(name))
        )
        if not news.get("name"):
            in_place = tuple(name for name in in_place if name != "name")
        self._session.memory.saw_in_state(
            Owner(olds["stack"], olds["logical_name"]), resource_id, kept=not replaces
        )
        if deferred and not replaces:
            self._session.say(
                f"{news['logical_name']}: {', '.join(deferred)} changed; this takes effect at the next "
                "launch. To launch a new machine now, raise its `generation`."
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
            if spec.display_name and machine.name != spec.display_name:
                # Taken over under another name: the state must not claim what the machine is not.
                try:
                    self._session.client.rename_instance(machine.id, spec.display_name)
                except LambdaCloudError as error:
                    real = outputs_of({**news, "name": machine.name}, machine, adopted=adopted)
                    raise PartlyCreated(Created(machine.id, real), error) from error
                self._session.instances.make_stale()
        return Created(machine.id, outputs_of(news, machine, adopted=adopted))

    def read(self, resource_id: str, props: Props) -> Found:
        machine = self._find(resource_id)
        if machine is None or machine.status not in LIVE_STATUSES:
            return Found(None)
        drift = {}
        if machine.name and props.get("name") and machine.name != props["name"]:
            drift["name"] = machine.name
        outputs = {**props, **drift}
        if not drift:
            return Found(machine.id, outputs)
        return Found(machine.id, outputs, inputs=_inputs_of(outputs))

    def update(self, resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        if news.get("name") and not same(olds.get("name"), news["name"]):
            self._session.client.rename_instance(resource_id, news["name"])
            self._session.instances.make_stale()
        kept = {name: value for name, value in olds.items() if name in _OUTPUTS_ONLY}
        return {**without_boot_data(news), **boot_data_digest(news), **kept}

    def delete(self, resource_id: str, props: Mapping[str, Any]) -> None:
        name = str(props.get("logical_name", resource_id))
        refuse_to_end(self._session, f"{name}: instance {resource_id}")
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
        max_age_s = self._session.waits.refresh_s
        while True:
            for machine in self._session.instances.rows(max_age_s):
                if machine.id == resource_id:
                    return machine
            # The list may lag behind a launch: absence is believed only from the machine's own address,
            # and of a machine that was just launched from here, only once it should have turned up.
            try:
                return self._session.client.get_instance(resource_id)
            except NotFound:
                if not self._session.may_turn_up(resource_id):
                    return None
            max_age_s = self._session.waits.poll_s / 2
            self._session.clock.sleep(self._session.waits.poll_s)


def _replaces(resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[str, ...]:
    """The changed properties that need another machine."""
    adopt = news.get("adopt") or {}
    compared = REPLACING_ADOPTED if adopt or olds.get("adopt") else REPLACING
    replaces = tuple(name for name in compared if _differs(name, olds.get(name), news.get(name)))
    same_adopt = same(olds.get("adopt"), adopt)
    if not adopt or not (
        same_adopt or adopt.get("id") == resource_id or adopt.get("name") == olds.get("name")
    ):
        return (*replaces, "adopt") if adopt else replaces
    if replaces:
        # A replacement would take over the very machine that it replaces; with `terminate_first`, end it.
        raise AdoptionRefused(
            f"{news['logical_name']}: the adopted instance {resource_id} is a "
            f"{LaunchChoice(olds['instance_type'], olds['region'])}, but the file says "
            f"{LaunchChoice(news['instance_type'], news['region'])}. Nothing was changed.",
            next_step="correct `type` and `region`, or remove `adopt` to launch a new machine.",
        )
    return ()


def _refuse_a_node_without_a_new_name(
    replaces: tuple[str, ...], olds: Mapping[str, Any], news: Mapping[str, Any]
) -> None:
    """A cluster keeps a node's name for the machine that joined with it; each generation has its own.

    In either order of replacement: a node outlives its machine until it is deleted. An adopted machine is no
    node.
    """
    is_node = has_boot_data(olds) or has_boot_data(news)
    if not replaces or not is_node or olds.get("adopt"):
        return
    if same(olds.get("generation"), news.get("generation")):
        raise NodeReplacementRefused(
            f"{news['logical_name']}: {', '.join(replaces)} changed, which needs a new machine, and this "
            "one is a node: its cluster keeps every other machine of its name out. Nothing was changed.",
            next_step="raise its `generation` together with the change.",
        )


def _differs(name: str, old: Any, new: Any) -> bool:
    """Filesystems are mounted by name: their order says nothing about the machine."""
    if name == "filesystems" and isinstance(old, list) and isinstance(new, list):
        return sorted(map(str, old)) != sorted(map(str, new))
    return not same(old, new)


_OUTPUTS_ONLY = OUTPUTS["Instance"]


def _inputs_of(outputs: Mapping[str, Any]) -> Props:
    return {
        name: value
        for name, value in outputs.items()
        if name not in (*_OUTPUTS_ONLY, BOOT_DATA_DIGEST) and value is not UNKNOWN
    }
