"""A new value for a secret: chosen, put into the definition's text, saved as the next revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sophia_infra.esc import EscClient, SecretText, parse_path
from sophia_infra.esc.catalogue import SecretCatalogue, SecretEntry
from sophia_infra.esc.secret_editing import with_secret
from sophia_infra.model.errors import did_you_mean

__all__ = ["NewValue", "Rotated", "RotationRefused", "choose_value", "entry_named", "rotate"]


class RotationRefused(Exception):
    """It cannot be rotated like this. Nothing was written. The message holds no value."""


@dataclass(frozen=True, slots=True)
class NewValue:
    """A secret and what it shall be from now on."""

    entry: SecretEntry
    value: SecretText = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was saved: the new revision, and what else has to be done by hand."""

    paths: tuple[str, ...]
    revision: int
    then: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"rotated": list(self.paths), "revision": self.revision, "then": list(self.then)}


def entry_named(catalogue: SecretCatalogue, name: str) -> SecretEntry:
    """The secret of that path, or the only one whose last part is `name`. Raises RotationRefused."""
    found = catalogue.entries.get(name)
    if found is not None:
        return found
    ends = [entry for path, entry in catalogue.entries.items() if path.rpartition(".")[2] == name]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise RotationRefused(f"{name} fits {', '.join(entry.path for entry in ends)}: give the whole path.")
    close = did_you_mean(name, catalogue.entries)
    usual = next(iter(catalogue.entries))
    raise RotationRefused(
        f"The checked-in definition names no secret {name}{close or '.'} Next: give a path of it, as {usual}."
    )


def choose_value(entry: SecretEntry, given: SecretText | None) -> NewValue:
    """`given`, else a generated value.

    Raises:
        RotationRefused: neither is to be had, or `given` is empty or cannot stand in a definition.
    """
    if given is None:
        if entry.generator is None:
            raise RotationRefused(
                f"{entry.path} can only be made elsewhere ({entry.minted_by}): get a new one, put it into an "
                "environment variable, and name that with --value-from-env."
            )
        return NewValue(entry, entry.generator.make())
    text = given.reveal()
    if not text.strip():
        raise RotationRefused(f"The new value for {entry.path} is empty.")
    if "${" in text or "$$" in text:
        # ESC reads `${` as a reference, and halves `$$` when it evaluates a literal, not when it seals one.
        raise RotationRefused(
            f"The new value for {entry.path} holds ${{ or $$, which ESC does not keep as it is."
        )
    return NewValue(entry, given)


def rotate(client: EscClient, values: Sequence[NewValue]) -> Rotated:
    """Save all of `values` in one revision; every other character of the definition stays.

    The other secrets are not opened for this: their ciphertexts go back as they came.

    Raises:
        RotationRefused: the environment has no secret of that path in its own text.
        EscError: see `esc.errors`; with EnvironmentChanged nothing was written.
    """
    current = client.definition()
    text = current.text
    for new in values:
        try:
            text = with_secret(text, parse_path(new.entry.path), new.value.reveal())
        except KeyError:
            raise RotationRefused(
                f"{new.entry.path} is no fn::secret in the text of {client.name} (or it is imported): "
                "add it there first."
            ) from None
    client.update(text, current.etag)
    # Only a save that started from `current` succeeds, so the new revision is the next number.
    revision = current.revision + 1
    return Rotated(
        tuple(new.entry.path for new in values),
        revision,
        tuple(f"{new.entry.path}: {new.entry.then}" for new in values if new.entry.then),
    )
