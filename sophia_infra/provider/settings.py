"""Which cloud a run talks to, and with which key: decided once, and refused when in doubt.

A stack of the real cloud that is pointed at an emulator sees every machine gone and launches the fleet
again; a stack of the emulator that is pointed at the real cloud costs money. So the stack file says which
of the two it is for, and the environment may only fill in what that leaves open.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from sophia_infra.model.loopback import is_loopback
from sophia_infra.provider.errors import SettingsRefused

__all__ = ["LAMBDA_URL", "CloudAccess", "cloud_access"]

LAMBDA_URL = "https://cloud.lambda.ai"


@dataclass(frozen=True, slots=True)
class CloudAccess:
    """Where and how to reach the cloud of a stack.

    Attributes:
        endpoint: "emulator" or "lambda".
        base_url: without a trailing slash.
        api_key: secret; not shown by repr.
    """

    endpoint: Literal["emulator", "lambda"]
    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"CloudAccess({self.endpoint}, {self.base_url}, key {self.key_id})"

    @property
    def key_id(self) -> str:
        """A name for the key that does not reveal it: 12 hex digits."""
        return hashlib.sha256(self.api_key.encode()).hexdigest()[:12]


def cloud_access(get: Callable[[str], Any], environment: Mapping[str, str] | None = None) -> CloudAccess:
    """Decide from the stack's configuration (`get("sophia:endpoint")`) and the environment.

    Raises:
        SettingsRefused: no key, no emulator address, an emulator elsewhere than on this machine, or an
            address in the environment of a stack of the real cloud.
    """
    env = os.environ if environment is None else environment
    endpoint = get("sophia:endpoint")
    url = env.get("LAMBDA_API_URL", "").rstrip("/")
    if endpoint == "lambda":
        if url:
            raise SettingsRefused(
                "LAMBDA_API_URL is set, but this stack is of the real Lambda Cloud. Nothing was sent.",
                next_step="unset LAMBDA_API_URL, or use a stack with `sophia:endpoint: emulator`.",
            )
        base_url = LAMBDA_URL
    elif endpoint == "emulator":
        if not url:
            raise SettingsRefused(
                "This stack runs on the emulator, and LAMBDA_API_URL does not say where that is.",
                next_step="use `sophia up`, which starts it, or run `sophia emulator` and export "
                "LAMBDA_API_URL.",
            )
        _refuse_remote(url)
        base_url = url
    else:
        raise SettingsRefused(
            f"sophia:endpoint is {endpoint!r}.",
            next_step="set it to `emulator` or `lambda` in the stack file.",
        )
    key = env.get("LAMBDA_API_KEY") or get("sophia:lambda_api_key")
    if not key:
        raise SettingsRefused(
            "There is no Lambda Cloud API key.",
            next_step="export LAMBDA_API_KEY, or `pulumi config set --secret sophia:lambda_api_key`.",
        )
    return CloudAccess(endpoint, base_url, str(key))


def _refuse_remote(url: str) -> None:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        raise SettingsRefused(
            f"LAMBDA_API_URL names {host or url!r}; a stack of the emulator is only ever served from this "
            "machine.",
            next_step="set it to the address that `sophia emulator` prints.",
        )
