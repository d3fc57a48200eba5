"""What can go wrong with copies of a stack.

BackupError
├── BackupRefused        it is set up or asked for in a way that cannot be done (user)
│   ├── KeyRefused       no key, or text that is none, or not the one that the set was sealed with
│   ├── SetMissing       there is no such set
│   ├── SetForeign       the set is of another stack, or of a format that this version does not read
│   └── TargetOccupied   something is there already, and overwriting was not asked for
├── SetDamaged           a part is missing, changed or cut off; nothing of it was restored (store)
├── StoreUnavailable     the place of the copies cannot be read or written (network or disk)
├── TargetUnwritable     the place to restore to cannot be written (disk)
└── DatabaseFailed       a dump, or bringing one back, did not work; nothing looks whole (database)
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = [
    "BackupError",
    "BackupRefused",
    "DatabaseFailed",
    "KeyRefused",
    "SetDamaged",
    "SetForeign",
    "SetMissing",
    "StoreUnavailable",
    "TargetOccupied",
    "TargetUnwritable",
]


class BackupError(RoomError):
    """Base of the room."""


class BackupRefused(BackupError):
    """Nothing was written or read: what was asked for cannot be done."""


class KeyRefused(BackupRefused):
    """Without the right key nothing of a set can be read, and nothing is copied unsealed."""


class SetMissing(BackupRefused):
    """The store holds no such set, or none at all."""


class SetForeign(BackupRefused):
    """The set is whole, and not for this stack or this version."""


class TargetOccupied(BackupRefused):
    """Nothing was overwritten."""


class SetDamaged(BackupError):
    """The set cannot be trusted. Nothing of it was restored."""

    fault = "environment"


class StoreUnavailable(BackupError):
    """The store does not take or give what it should."""

    fault = "environment"
    retry = True


class TargetUnwritable(BackupError):
    """What was there is as it was; nothing that is half written looks whole."""

    fault = "environment"
    retry = True


class DatabaseFailed(BackupError):
    """The database, or its own program, said no."""

    fault = "environment"
    retry = True
