"""The tags by which a machine is found again, whatever happened to the process that launched it.

A launch is named by (stack, resource name, generation, digest of the launch spec). The first two say
whose the machine is; the last two say which launch of that resource it was. Tags are the only thing
that a launch carries atomically: the API has no idempotency token (facts/lambda-cloud.md 1.1), and
tags cannot be changed afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LAUNCHED_AT_TAG", "LAUNCH_TAG", "NAME_TAG", "STACK_TAG", "LaunchKey", "Owner", "launch_digest"]

STACK_TAG = "sophia-stack"
NAME_TAG = "sophia-name"
LAUNCH_TAG = "sophia-launch"
# Instances carry no creation time (facts 1.4): this tag is the only source of an orphan's cost.
LAUNCHED_AT_TAG = "sophia-launched-at"

_DIGEST_LENGTH = 16
_LAUNCH_VALUE = re.compile(rf"g(\d+)-([0-9a-f]{{{_DIGEST_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class Owner:
    """One resource of one stack: `stack` is "project/stack", `name` the resource's logical name."""

    stack: str
    name: str

    def owns(self, tags: Mapping[str, str]) -> bool:
        """Whether a machine with these tags was launched for this resource."""
        return tags.get(STACK_TAG) == self.stack and tags.get(NAME_TAG) == self.name


@dataclass(frozen=True, slots=True)
class LaunchKey:
    """One launch: its owner, its generation (1; the user raises it to get a new machine), its spec."""

    owner: Owner
    generation: int
    digest: str

    def __str__(self) -> str:
        return f"{self.owner.stack}/{self.owner.name}/{self.value}"

    @property
    def value(self) -> str:
        """The value of the launch tag, such as `g1-0123456789abcdef`."""
        return f"g{self.generation}-{self.digest}"

    def tags(self, launched_at_s: float) -> dict[str, str]:
        """The four tags of the launch; `launched_at_s` in seconds since 1970."""
        return {
            STACK_TAG: self.owner.stack,
            NAME_TAG: self.owner.name,
            LAUNCH_TAG: self.value,
            LAUNCHED_AT_TAG: str(int(launched_at_s)),
        }

    @classmethod
    def of(cls, owner: Owner, tags: Mapping[str, str]) -> LaunchKey | None:
        """The key that `tags` carry, None when they are another owner's or not ours."""
        match = _LAUNCH_VALUE.fullmatch(tags.get(LAUNCH_TAG, "")) if owner.owns(tags) else None
        return cls(owner, int(match[1]), match[2]) if match else None


def launch_digest(launch_spec: Mapping[str, Any]) -> str:
    """16 hex digits over the properties whose change needs a new machine; never computed otherwise."""
    text = json.dumps(launch_spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
