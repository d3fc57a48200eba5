"""The property `boot_data` of an instance: the boot text that makes it a node, a secret.

Deferred like tags: what a machine booted with cannot be changed, and no change of it is worth ending a
paid machine for. It is no part of the launch key, and only the encrypted inputs hold the text. Everything
else (outputs, comparisons) knows its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from sophia_infra.joining import merge_user_data
from sophia_infra.lambda_cloud.specs import USER_DATA_BYTES
from sophia_infra.provider.outcome import UNKNOWN, Props

__all__ = [
    "BOOT_DATA",
    "BOOT_DATA_DIGEST",
    "boot_data_changed",
    "boot_data_digest",
    "boot_data_problem",
    "has_boot_data",
    "without_boot_data",
]

BOOT_DATA: Final = "boot_data"
BOOT_DATA_DIGEST: Final = "boot_data_sha256"


def boot_data_digest(props: Mapping[str, Any]) -> dict[str, str]:
    """{"boot_data_sha256": hex}; {} when there is no boot data. An old digest among `props` is ignored."""
    text = props.get(BOOT_DATA)
    return {BOOT_DATA_DIGEST: hashlib.sha256(text.encode()).hexdigest()} if text else {}


def has_boot_data(props: Mapping[str, Any]) -> bool:
    """Whether inputs or outputs speak of boot data, known or not: the machine is a node, or is to be one."""
    return bool(props.get(BOOT_DATA) or props.get(BOOT_DATA_DIGEST))


def boot_data_changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether the new inputs have other boot data than the state records; True when it is not known yet."""
    if news.get(BOOT_DATA) is UNKNOWN:
        return True
    return (olds.get(BOOT_DATA_DIGEST) or None) != boot_data_digest(news).get(BOOT_DATA_DIGEST)


def without_boot_data(props: Mapping[str, Any]) -> Props:
    """`props` as outputs may show them."""
    return {name: value for name, value in props.items() if name not in (BOOT_DATA, BOOT_DATA_DIGEST)}


def boot_data_problem(props: Mapping[str, Any]) -> tuple[str, str] | None:
    """(property, reason) when both boot texts together are more than a launch may carry; never shows them."""
    own, join = props.get("user_data"), props.get(BOOT_DATA)
    if not isinstance(join, str) or not join or not (own is None or isinstance(own, str)):
        return None
    size = len(merge_user_data(join, own).encode("utf-8", "surrogatepass"))
    if size <= USER_DATA_BYTES:
        return None
    return (
        "user_data" if own else BOOT_DATA,
        f"and what makes the machine a node have {size:,} bytes together; at most {USER_DATA_BYTES:,} are "
        "allowed",
    )
