"""Reads a kubeconfig: one context of it, with the credentials that need no other program.

Refused with a sentence, not ignored: `insecure-skip-tls-verify` (certificates are always verified),
plain http, credential plugins (`exec`, `auth-provider`), user name with password, and impersonation.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from sophia_infra.kubernetes_plugin.errors import SettingsRefused

_REFUSED_CREDENTIALS = {
    "exec": "starts a program for credentials (exec)",
    "auth-provider": "uses an auth-provider",
    "username": "uses a user name with password, which API servers no longer take",
    "as": "impersonates another user (as)",
}


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One way to one API server. Certificates and keys are PEM bytes; secrets never show in `repr`.

    Attributes:
        server: URL, https, without trailing slash.
        ca: certificates that may have signed the server's; None means those of this machine.
        namespace: of the context; None when it names none.
        tls_server_name: name to expect in the server's certificate instead of the URL's host.
    """

    server: str
    user: str
    namespace: str | None = None
    ca: bytes | None = None
    client_certificate: bytes | None = None
    client_key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    proxy_url: str | None = None

    def as_text(self) -> str:
        """A kubeconfig with this context only and nothing in other files, for programs that take one."""
        cluster = {
            "server": self.server,
            "certificate-authority-data": _encoded(self.ca),
            "tls-server-name": self.tls_server_name,
            "proxy-url": self.proxy_url,
        }
        user = {
            "client-certificate-data": _encoded(self.client_certificate),
            "client-key-data": _encoded(self.client_key),
            "token": self.token,
        }
        context = {"cluster": "cluster", "user": "user", "namespace": self.namespace}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "cluster", "cluster": _without_none(cluster)}],
                "users": [{"name": "user", "user": _without_none(user)}],
                "contexts": [{"name": "context", "context": _without_none(context)}],
                "current-context": "context",
            }
        )


def load_kubeconfig(
    text_or_path: str | None, context: str | None = None, *, environ: Mapping[str, str] = os.environ
) -> Kubeconfig:
    """Read a kubeconfig given as text (YAML or JSON) or as a path.

    Args:
        text_or_path: None means the first file of KUBECONFIG, else `~/.kube/config`. Several files are not
            merged.
        context: name of the context; None means `current-context`.

    Raises:
        SettingsRefused: it cannot be read, lacks the context, or asks for what is refused above.
    """
    text, folder, where = _text_of(text_or_path, environ)
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        # The parser's message quotes lines, and lines of a kubeconfig are secrets.
        raise SettingsRefused(f"{where} is not YAML.") from None
    if not isinstance(document, dict):
        raise SettingsRefused(f"{where} is not a kubeconfig: it has no clusters, users and contexts.")
    name = context or document.get("current-context")
    if not name:
        raise SettingsRefused(f"{where} has no current-context: set it, or give the provider a context.")
    chosen = _named(document, "contexts", "context", name, where)
    cluster = _named(document, "clusters", "cluster", str(chosen.get("cluster", "")), where)
    user_name = str(chosen.get("user", ""))
    user = _named(document, "users", "user", user_name, where) if user_name else {}
    _refuse(cluster, user, user_name, where)
    token = user.get("token")
    if not token and user.get("tokenFile"):
        token = _read_file(folder, user["tokenFile"], where).decode().strip()
    return Kubeconfig(
        server=str(cluster["server"]).rstrip("/"),
        user=user_name,
        namespace=chosen.get("namespace") or None,
        ca=_pem(cluster, "certificate-authority", folder, where),
        client_certificate=_pem(user, "client-certificate", folder, where),
        client_key=_pem(user, "client-key", folder, where),
        token=str(token) if token else None,
        tls_server_name=cluster.get("tls-server-name") or None,
        proxy_url=cluster.get("proxy-url") or None,
    )


def _text_of(text_or_path: str | None, environ: Mapping[str, str]) -> tuple[str, Path, str]:
    """The text, the folder that its relative paths start at, and its name in messages."""
    if text_or_path and ("\n" in text_or_path or text_or_path.lstrip().startswith("{")):
        return text_or_path, Path.cwd(), "The provider's kubeconfig"
    if text_or_path:
        file = Path(text_or_path).expanduser()
    else:
        listed = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
        file = Path(listed[0]) if listed else Path(environ.get("HOME", "~")).expanduser() / ".kube" / "config"
    try:
        return file.read_text(encoding="utf-8"), file.parent, f"The kubeconfig {file}"
    except FileNotFoundError:
        if text_or_path is None:
            raise SettingsRefused(
                f"The provider has no kubeconfig, and {file} does not exist: give it the argument kubeconfig."
            ) from None
        raise SettingsRefused(f"The kubeconfig {file} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsRefused(f"The kubeconfig {file} cannot be read: {reason}.") from None


def _named(document: dict[str, Any], rows: str, key: str, name: str, where: str) -> dict[str, Any]:
    listed = document.get(rows) or []
    for row in listed:
        if isinstance(row, dict) and row.get("name") == name:
            return row.get(key) or {}
    known = ", ".join(str(row.get("name")) for row in listed if isinstance(row, dict)) or "none"
    raise SettingsRefused(f"{where} has no {key} {name!r} (it has: {known}).")


def _refuse(cluster: dict[str, Any], user: dict[str, Any], user_name: str, where: str) -> None:
    server = str(cluster.get("server") or "")
    if urlsplit(server).scheme != "https":
        raise SettingsRefused(f"{where} has the server {server!r}: it must be an https URL.")
    if cluster.get("insecure-skip-tls-verify"):
        raise SettingsRefused(
            f"{where} turns TLS checks off (insecure-skip-tls-verify), which is refused: "
            "put the cluster's CA into certificate-authority-data instead."
        )
    for key, what in _REFUSED_CREDENTIALS.items():
        if user.get(key):
            raise SettingsRefused(
                f"{where}: user {user_name!r} {what}; give it a token or a client certificate."
            )


def _pem(section: dict[str, Any], key: str, folder: Path, where: str) -> bytes | None:
    data = section.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise SettingsRefused(f"{where}: {key}-data is not base64.") from None
    file = section.get(key)
    return _read_file(folder, file, where) if file else None


def _read_file(folder: Path, file: str, where: str) -> bytes:
    path = folder / Path(file).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsRefused(
            f"{where} names the file {path}, which cannot be read: {error.strerror}."
        ) from None


def _encoded(pem: bytes | None) -> str | None:
    return base64.b64encode(pem).decode() if pem is not None else None


def _without_none(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}
