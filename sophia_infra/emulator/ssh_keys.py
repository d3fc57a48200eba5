"""SSH keys of the account: names are not unique, a key on a live instance cannot be deleted."""

from __future__ import annotations

from dataclasses import dataclass

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import (
    INVALID_PARAMETERS,
    LAUNCH_RESOURCE_NOT_FOUND,
    NOT_FOUND,
    UNKNOWN,
    Refused,
)
from sophia_infra.emulator.records import SSHKeyRecord

__all__ = ["GeneratedKey", "SSHKeys"]


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new key pair; the private half is in this answer only and stored nowhere."""

    record: SSHKeyRecord
    private_key: str


class SSHKeys:
    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self) -> list[SSHKeyRecord]:
        return list(self._core.state.ssh_keys.values())

    def add(self, name: str, public_key: str) -> SSHKeyRecord:
        """Register `public_key`; a second key of the same name is accepted, as the service does."""
        record = SSHKeyRecord(self._core.new_id(), name, public_key)
        self._core.state.ssh_keys[record.id] = record
        self._core.audit("ssh_key", "created", [record.id], name=name)
        return record

    def generate(self, name: str) -> GeneratedKey:
        """Make an ed25519 pair, register its public half and hand out the private one once."""
        # Costs 30 ms to import and is needed by this one call.
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.from_private_bytes(self._core.random.randbytes(32))
        private_text = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()
        public_text = (
            private.public_key()
            .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            .decode()
        )
        return GeneratedKey(self.add(name, public_text), private_text)

    def delete(self, key_id: str) -> None:
        """Forget a key. Refused: unknown (404), or on a live instance (400; text seen by a user)."""
        if key_id not in self._core.state.ssh_keys:
            raise Refused(NOT_FOUND, "SSH key was not found.")
        if any(
            one.ssh_key_id == key_id for one in self._core.state.instances.values() if one.ended_at_s is None
        ):
            raise Refused(INVALID_PARAMETERS, "SSH key is in use by one or more instances.")
        del self._core.state.ssh_keys[key_id]
        self._core.audit("ssh_key", "deleted", [key_id])

    def named(self, name: str) -> SSHKeyRecord:
        """The key a launch means. Refused: none of that name, or more than one (global/unknown, seen)."""
        found = [key for key in self._core.state.ssh_keys.values() if key.name == name]
        if not found:
            raise Refused(LAUNCH_RESOURCE_NOT_FOUND, f"SSH key {name!r} does not exist.")
        if len(found) > 1:
            raise Refused(UNKNOWN)
        return found[0]
