"""Calls about SSH keys and filesystems: what a launch refers to by name."""

from __future__ import annotations

from sophia_infra.lambda_cloud.answer_fields import Fields, parse_list
from sophia_infra.lambda_cloud.calls import Calls, nothing, payload
from sophia_infra.lambda_cloud.specs import check_text
from sophia_infra.lambda_cloud.storage_answers import Filesystem, SshKey

__all__ = ["StorageCalls"]

KEY_NAME_CHARACTERS = 64
PUBLIC_KEY_CHARACTERS = 4096
FILESYSTEM_NAME_CHARACTERS = 60
_FILESYSTEM_NAME = r"[a-zA-Z]+[0-9a-zA-Z-]*"


class StorageCalls(Calls):
    """SSH keys and filesystems."""

    def list_ssh_keys(self) -> list[SshKey]:
        """Every registered key. Two may have one name; a launch that names them then fails."""
        return self._perform("listSSHKeys", payload(lambda data: parse_list(data, "data", SshKey.parse)))

    def add_ssh_key(self, name: str, public_key: str | None = None) -> SshKey:
        """Register a key, or have a pair made when `public_key` is None.

        `private_key` of the result is then the only copy there will ever be. List first: a second key of
        one name is accepted, and makes launches fail.

        Args:
            name: 1 to 64 characters.
            public_key: 1 to 4096 characters.
        """
        body = {"name": check_text("name", name, shortest=1, longest=KEY_NAME_CHARACTERS)}
        if public_key is not None:
            body["public_key"] = check_text(
                "public_key", public_key, shortest=1, longest=PUBLIC_KEY_CHARACTERS
            )
        return self._perform("addSSHKey", payload(SshKey.parse), body=body)

    def delete_ssh_key(self, ssh_key_id: str) -> None:
        """Forget a key. Raises NotFound when it is gone, InUse or InvalidSpec when an instance uses it."""
        self._perform("deleteSSHKey", nothing, ids={"id": ssh_key_id})

    def list_filesystems(self) -> list[Filesystem]:
        """Every filesystem. (The list is at /file-systems, the other calls at /filesystems.)"""
        return self._perform(
            "listFilesystems", payload(lambda data: parse_list(data, "data", Filesystem.parse))
        )

    def create_filesystem(self, name: str, region: str) -> Filesystem:
        """Make a filesystem; it cannot move to another region later. Billed by what is stored in it.

        Args:
            name: 1 to 60 letters, digits and `-`, a letter first; unique in the account.
            region: code of the region whose instances shall mount it.

        Raises:
            Duplicate: the name is taken; nothing was made.
            QuotaExceeded: nothing was made.
        """
        check_text("name", name, shortest=1, longest=FILESYSTEM_NAME_CHARACTERS, pattern=_FILESYSTEM_NAME)
        return self._perform(
            "createFilesystem", payload(Filesystem.parse), body={"name": name, "region": region}
        )

    def delete_filesystem(self, filesystem_id: str) -> tuple[str, ...]:
        """Delete a filesystem with all that is in it; the ids that are gone.

        Raises InUse while an instance that mounts it is not gone yet, NotFound when it is gone itself.
        """
        return self._perform(
            "filesystemDelete",
            payload(lambda data: Fields(data, "FilesystemDeleteResponse").texts("deleted_ids")),
            ids={"id": filesystem_id},
        )
