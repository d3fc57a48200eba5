"""The cloud-config that makes a Lambda machine a k3s server or agent."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from sophia_infra.joining.credentials import AUTHORITIES, join_token, part, server_ca_sha256
from sophia_infra.joining.errors import BootTextTooLong, JoiningError
from sophia_infra.joining.host_files import (
    ADDRESS_SERVICES,
    JOIN_UNIT,
    KERNEL_SETTINGS,
    RELEASES,
    firewall_rules,
    join_environment,
    join_script,
    k3s_unit,
)
from sophia_infra.joining.k3s_files import (
    ADMISSION,
    AUDIT_POLICY,
    SERVER_FOLDER,
    SETTINGS_FOLDER,
    agent_settings,
    server_settings,
    yaml_text,
)
from sophia_infra.model.catalogue import REGIONS_WITHOUT_FIREWALL

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Node

__all__ = ["MAX_BYTES", "user_data"]

_COMPRESSED_FROM_BYTES = 2_000
"""The script alone: what is short stays readable."""

MAX_BYTES = 16_384
"""Of one node's boot text: what the strictest clouds take. Lambda takes 1 MB (facts/lambda-cloud.md 1.3)."""


def user_data(
    node: Node,
    cluster: Cluster,
    credentials: Mapping[str, Any],
    server_address: str | None,
    kube: KubernetesConfig,
) -> str:
    """The boot text of `node`: `#cloud-config`, ASCII, at most `MAX_BYTES`. A secret.

    The same arguments give the same text. The server's text holds the authorities and both tokens; an
    agent's holds the agents' token, and the digest of the server's authority.

    Args:
        node: a node of `cluster`.
        credentials: from `make_credentials`.
        server_address: of the server as this agent reaches it, IP or name; None for the server itself.
        kube: for version, topology and who may reach the API.

    Raises:
        IncompleteCredentials: a part is missing.
        JoiningError: an agent without a server's address, or the other way round.
        BootTextTooLong: it does not fit.
    """
    if node.is_server != (server_address is None):
        raise JoiningError(
            f"{node.machine}: a server's address goes into the boot text of agents, and only of agents.",
            next_step="this is a mistake of the program; report it.",
        )
    written = _common_files(node, server_address, credentials, kube)
    if server_address is None:
        written += _server_files(node, cluster, credentials, overlay=kube.topology == "overlay")
    else:
        written += _agent_files(node, credentials, _url(server_address))
    document = {
        "write_files": [_entry(path, text, mode) for path, text, mode in written],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            # It waits for the server, minutes maybe: boot must not hang on it.
            ["systemctl", "enable", "--now", "--no-block", "sophia-join.service"],
        ],
    }
    text = "#cloud-config\n" + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000)
    if len(text) > MAX_BYTES:
        raise BootTextTooLong(
            f"{node.machine}: the boot text has {len(text):,} bytes; at most {MAX_BYTES:,} are allowed.",
            next_step="shorten the list of `api_sources`, which is all that may grow.",
        )
    return text


def _common_files(
    node: Node, server_address: str | None, credentials: Mapping[str, Any], kube: KubernetesConfig
) -> list[tuple[str, str, str]]:
    environment = join_environment(
        (
            ("ROLE", "server" if server_address is None else "agent"),
            ("NODE_NAME", node.name),
            ("GPU_COUNT", str(node.gpu_count)),
            ("TOPOLOGY", kube.topology),
            ("INSTALL_K3S_VERSION", kube.k3s_version),
            ("RELEASES", RELEASES),
            ("ADDRESS_SERVICES", " ".join(ADDRESS_SERVICES)),
            ("SERVER_URL", "" if server_address is None else _url(server_address)),
            ("CA_SHA256", server_ca_sha256(credentials)),
        )
    )
    made = [
        ("/etc/sophia/join.env", environment, "0644"),
        ("/usr/local/sbin/sophia-join", join_script(), "0755"),
        ("/etc/systemd/system/sophia-join.service", JOIN_UNIT, "0644"),
        ("/etc/sysctl.d/90-sophia-kubelet.conf", KERNEL_SETTINGS, "0644"),
    ]
    if node.region in REGIONS_WITHOUT_FIREWALL:
        rules = firewall_rules([str(one) for one in kube.api_sources], overlay=kube.topology == "overlay")
        made.append(("/etc/sophia/firewall.nft", rules, "0644"))
    return made


def _server_files(
    node: Node, cluster: Cluster, credentials: Mapping[str, Any], *, overlay: bool
) -> list[tuple[str, str, str]]:
    authorities = [
        (f"{SERVER_FOLDER}/tls/{file}.{ending}", part(credentials, f"{name}_{kind}"), "0600")
        for name, file in AUTHORITIES.items()
        for kind, ending in (("certificate", "crt"), ("key", "key"))
    ]
    return [
        ("/etc/systemd/system/k3s.service", k3s_unit("server"), "0644"),
        (
            f"{SETTINGS_FOLDER}/config.yaml",
            yaml_text(server_settings(node, cluster, overlay=overlay)),
            "0600",
        ),
        # Short form: a first server takes nothing else for sure, and it needs no proof of itself.
        (f"{SETTINGS_FOLDER}/server-token", part(credentials, "server_token"), "0600"),
        (f"{SETTINGS_FOLDER}/agent-token", part(credentials, "agent_token"), "0600"),
        (f"{SERVER_FOLDER}/admission.yaml", yaml_text(ADMISSION), "0600"),
        (f"{SERVER_FOLDER}/audit.yaml", yaml_text(AUDIT_POLICY), "0600"),
        (f"{SERVER_FOLDER}/logs/.keep", "", "0600"),
        *authorities,
    ]


def _agent_files(node: Node, credentials: Mapping[str, Any], server_url: str) -> list[tuple[str, str, str]]:
    return [
        ("/etc/systemd/system/k3s-agent.service", k3s_unit("agent"), "0644"),
        (f"{SETTINGS_FOLDER}/config.yaml", yaml_text(agent_settings(node, server_url)), "0600"),
        (f"{SETTINGS_FOLDER}/join-token", join_token(credentials), "0600"),
    ]


def _url(address: str) -> str:
    return f"https://[{address}]:6443" if ":" in address else f"https://{address}:6443"


def _entry(path: str, text: str, mode: str) -> dict[str, str]:
    entry = {"path": path, "permissions": mode}
    if len(text) < _COMPRESSED_FROM_BYTES:
        return {**entry, "content": text}
    return {**entry, "encoding": "gz+b64", "content": base64.b64encode(_gzip(text.encode("ascii"))).decode()}


def _gzip(data: bytes) -> bytes:
    """`data` as gzip, the same bytes under every Python: without a time, and by no system in particular."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + body + struct.pack("<LL", zlib.crc32(data), len(data))


class _Dumper(yaml.SafeDumper):
    """Files as literal blocks: the text stays readable, and needs no escaping that costs bytes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
