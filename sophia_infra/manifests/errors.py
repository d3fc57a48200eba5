"""What can be wrong with the objects of a cluster as a whole.

    ManifestError
    `-- NameTaken(ValueError)   two objects of the stack would have one name

Everything else that can be wrong is a conflict of the configuration and was refused by the model. The error
says whose fault it is (`fault`), whether calling again can help (`retry`; never here) and what to do next
(`next_step`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["ManifestError", "NameTaken"]


class ManifestError(Exception):
    """Base of this room's errors."""

    fault: ClassVar[Literal["user", "ours"]] = "user"
    retry: ClassVar[bool] = False
    next_step: str = "correct the configuration"


class NameTaken(ManifestError, ValueError):
    """Two objects of one kind would have the same name, and the second would overwrite the first."""

    next_step = "rename one of the workloads, databases or volumes; nothing was sent to the cluster"

    def __init__(self, what: str) -> None:
        super().__init__(f"two objects would both be {what}. Next: {self.next_step}.")
