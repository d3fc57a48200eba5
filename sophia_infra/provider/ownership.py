"""Whose a machine is that no stack file names, by its tags: all that show machines ask here, and agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sophia_infra.model.scaled_tags import OWNER_WORD, is_scaled
from sophia_infra.provider.run_tags import RunTags, training_tag
from sophia_infra.provider.tags import STACK_TAG

__all__ = ["OWNERS", "Claim", "MachineOwner", "claim_of"]

MachineOwner = Literal["stack", "training", "orphan", "other", "unknown"]
"""stack: in the file, by our tags or adopted, or of its node scaler. training: of a training run of our
stack, which ends it by its deadline, or of a 1-Click Cluster that the file reads.
orphan: of our stack and none of these, or a second machine for one name. other: of another stack. unknown: no
tag of ours and not adopted."""

OWNERS: tuple[MachineOwner, ...] = get_args(MachineOwner)


@dataclass(frozen=True, slots=True)
class Claim:
    """What the tags of a machine say.

    Attributes:
        owner: seen from the stack that asks.
        stack: whose it is, "project/stack"; "" when nobody's.
        caretaker: who looks after it where no file does, in words for people; "" when nobody does.
    """

    owner: MachineOwner
    stack: str = ""
    caretaker: str = ""


def claim_of(tags: Mapping[str, str], stack: str, *, is_clustered: bool = False) -> Claim:
    """Whose a machine with these tags is, when the file of `stack` ("project/stack") does not name it.

    Args:
        is_clustered: whether it is of a 1-Click Cluster that the file reads: those have no tag of ours.

    Tags of a training run that do not fit each other make an orphan: no watchdog and no sweep ends it.
    """
    tagged = tags.get(STACK_TAG, "")
    run = RunTags.of(tags)
    if run is not None:
        owner: MachineOwner = "training" if run.stack == stack else "other"
        return Claim(owner, run.stack, f"training run {run.run_id}")
    if tagged == stack and is_scaled(tags):
        return Claim("stack", stack, OWNER_WORD)
    if tagged == stack or tagged.startswith(training_tag(stack)):
        return Claim("orphan", stack)
    if tagged:
        return Claim("other", tagged)
    return Claim("training", stack, "1-Click Cluster") if is_clustered else Claim("unknown")
