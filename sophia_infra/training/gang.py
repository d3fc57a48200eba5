"""Launch all nodes of a run in one region, or none: what was launched of a cluster that is not whole ends.

Each node is one launch of the provider room, which looks for the machine's tag before it launches and notes
its intent before it sends. So a process that was killed between any two requests is followed by one that
takes over what is there, and no node has two machines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sophia_infra.lambda_cloud import NoCapacity
from sophia_infra.provider.errors import (
    CapacityExhausted,
    LaunchUncertain,
    Stopped,
)
from sophia_infra.provider.instance_launch import adopt_or_launch
from sophia_infra.provider.instance_spec import InstanceSpec, Machine
from sophia_infra.provider.run_tags import RunTags, node_owner
from sophia_infra.provider.session import Session
from sophia_infra.training.errors import NoRoom
from sophia_infra.training.run_spec import Choice, RunSpec

__all__ = ["BootText", "Gang", "node_props", "places_with_room", "wait_for_room"]

_TRIES: Final = 3
"""Of a launch that gets no answer: each looks first whether the one before it did the work."""

BootText = Callable[[int], str | None]
"""Node number -> cloud-init text, a secret: what makes it a node of a cluster, or ends it at its deadline."""


class OnLaunched(Protocol):
    """Called for every machine as soon as its id is known."""

    def __call__(self, number: int, machine: Machine, launched_at_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Gang:
    """The launches of one run in one place.

    Attributes:
        deadline_s: written on every machine; seconds since 1970.
        boot_text: see `BootText`.
        wait: minutes and dollars that are left for waiting, in the words of the provider room; None: none.
    """

    spec: RunSpec
    choice: Choice
    deadline_s: int
    boot_text: BootText
    wait: Mapping[str, Any] | None

    def launch(self, session: Session, numbers: Sequence[int], on_launched: OnLaunched) -> None:
        """Launch or take over one machine for each of `numbers`.

        Raises:
            NoRoom: a node found no capacity; those before it run, and the caller ends them.
            Stopped: somebody asked to stop; what was launched runs.
            LambdaCloudError, ProviderError: the API refused otherwise; what was launched runs.
        """
        for number in numbers:
            spec = InstanceSpec.of(node_props(self.spec, self.choice, number, self))
            launched_at_s = session.clock.now()
            try:
                machine = self._launch_one(session, spec)
            except (CapacityExhausted, NoCapacity) as error:
                raise NoRoom(
                    f"{self.spec.cluster}: {self.choice} had no room for node {number} of "
                    f"{self.spec.nodes}: {error}",
                    next_step="try again later, allow more regions, or opt in to `wait_for_capacity`.",
                ) from error
            on_launched(number, machine, launched_at_s)

    def _launch_one(self, session: Session, spec: InstanceSpec) -> Machine:
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                return adopt_or_launch(session, spec)
            except LaunchUncertain:
                if not tries_left or session.stop_requested():
                    raise
        raise AssertionError("a range of tries is never empty")


def node_props(spec: RunSpec, choice: Choice, number: int, gang: Gang) -> dict[str, Any]:
    """The properties of a node's launch, as the provider room takes those of an instance."""
    owner = node_owner(spec.stack, spec.run_id, number)
    tags = RunTags(spec.stack, spec.run_id, number, gang.deadline_s, spec.max_usd)
    return {
        "stack": owner.stack,
        "logical_name": owner.name,
        "name": spec.node_name(number),
        "instance_type": choice.instance_type,
        "region": choice.region,
        "ssh_key_name": spec.ssh_key,
        "image": {"family": spec.image_family} if spec.image_family else None,
        "filesystems": [spec.checkpoints] if spec.checkpoints else [],
        "tags": tags.build(spec.max_hours),
        "boot_data": gang.boot_text(number),
        "wait_for_capacity": gang.wait,
    }


def places_with_room(session: Session, choices: Sequence[Choice]) -> list[int]:
    """Indexes of the choices whose region lists capacity now; how much, nobody says."""
    listed = session.client.list_instance_types()
    return [
        at
        for at, choice in enumerate(choices)
        if choice.instance_type in listed
        and choice.region in listed[choice.instance_type].regions_with_capacity
    ]


def wait_for_room(session: Session, spec: RunSpec, since_s: float) -> list[int]:
    """`places_with_room`, waited for within the run's limit of minutes while nothing runs, so for no money.

    Raises:
        NoRoom: none has room, and the limit is reached, or there is none.
        Stopped: somebody asked to stop.
    """
    said = False
    while True:
        found = places_with_room(session, spec.choices)
        if found:
            return found
        waited_s = session.clock.now() - since_s
        limit_s = (spec.wait_minutes or 0.0) * 60
        if waited_s >= limit_s:
            waited = f" after {waited_s / 60:.0f} min" if limit_s else ""
            raise NoRoom(
                f"{spec.cluster}: no capacity is listed for {', '.join(map(str, spec.choices))}{waited}. "
                "Nothing runs.",
                next_step="try again later, allow more regions, or opt in to `wait_for_capacity`.",
            )
        if session.stop_requested():
            raise Stopped("Stopped while waiting for capacity. Nothing runs.", next_step="run it again.")
        if not said:
            session.say(f"waiting for capacity, at most {spec.wait_minutes:g} min; nothing runs")
            said = True
        session.clock.sleep(min(session.waits.capacity_poll_s, limit_s - waited_s))
