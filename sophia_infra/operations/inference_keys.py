"""Keys of the inference gateway in ESC: one for each user of the stack file, and one text of their hashes.

A user's key lies at `inference.keys.<user>`, for who calls; the hashes at `inference.gateway_key_hashes`, for
the gateway, which never sees a key that nobody sent it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sophia_infra.esc import OpenedEnvironment, SecretText
from sophia_infra.esc.catalogue import SecretCatalogue
from sophia_infra.inference.gateway.keys import key_line, make_key
from sophia_infra.operations.secrets_rotation import NewValue, RotationRefused

__all__ = ["HASHES_PATH", "KeyPlan", "key_path", "plan_keys"]

HASHES_PATH = "inference.gateway_key_hashes"


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What has to be written so that every user has a key and the gateway knows it.

    Attributes:
        values: secrets to save in one revision; empty when all is as it should be.
        made, kept: users with a new key, and with the one they had.
    """

    values: tuple[NewValue, ...]
    made: tuple[str, ...]
    kept: tuple[str, ...]


def key_path(user: str) -> str:
    """Where a user's key lies in ESC."""
    return f"inference.keys.{user}"


def plan_keys(
    opened: OpenedEnvironment,
    catalogue: SecretCatalogue,
    users: Iterable[str],
    *,
    renew: Collection[str] = (),
) -> KeyPlan:
    """Compare users and environment. Changes nothing.

    Args:
        renew: users who get a new key though they have one; the old one ends with the gateway's next look.

    Raises:
        RotationRefused: `renew` names no user, or the checked-in definition has no place for a secret.
    """
    users = tuple(users)
    strangers = sorted(set(renew) - set(users))
    if strangers:
        raise RotationRefused(
            f"{strangers[0]} is no user of sophia:gateway; it has {', '.join(users) or 'none'}."
        )
    absent = [path for path in (HASHES_PATH, *map(key_path, users)) if path not in catalogue.entries]
    if absent:
        raise RotationRefused(
            f"The checked-in definition has no place for {', '.join(absent)}: add each as "
            '`{fn::secret: ""}`, and to the environment too.'
        )
    keys: dict[str, str] = {}
    made = []
    for user in users:
        value = opened.values.get(key_path(user))
        if isinstance(value, SecretText) and not value.is_empty and user not in renew:
            keys[user] = value.reveal().strip()
        else:
            keys[user] = make_key(user)
            made.append(user)
    hashes = "\n".join(key_line(user, key) for user, key in keys.items())
    new = {key_path(user): keys[user] for user in made}
    known = opened.values.get(HASHES_PATH)
    if not isinstance(known, SecretText) or known.reveal() != hashes:
        new[HASHES_PATH] = hashes
    values = tuple(NewValue(catalogue.entries[path], SecretText(text)) for path, text in new.items())
    return KeyPlan(values, tuple(made), tuple(user for user in users if user not in made))
