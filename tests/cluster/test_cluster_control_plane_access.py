"""Who gets in: nobody without a certificate, nobody from outside, and no helper further than its role."""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
from pathlib import Path

import pytest

from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.components import SERVERS
from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.folder import plane_folder
from sophia_infra.control_plane.status import read_status
from tests.cluster.plane import Plane


def test_everything_listens_on_loopback_and_only_servers_listen(plane: Plane) -> None:
    listening: dict[str, set[str]] = {}
    for component, pid in component_pids(plane).items():
        for address in listen_addresses(pid):
            listening.setdefault(component, set()).add(address)
    assert set(listening) == set(SERVERS)
    assert set().union(*listening.values()) == {"127.0.0.1"}


def test_without_a_certificate_nobody_gets_in(plane: Plane) -> None:
    folder = plane_folder(plane.home, plane.name)
    ports = json.loads(folder.ports_file.read_text())
    trusting = ssl.create_default_context(cafile=str(folder.certificates / "ca.crt"))
    assert b"401 Unauthorized" in ask(ports["api_server"], trusting, "/api/v1/nodes")
    for authority, port in (("etcd-ca", ports["etcd"]), ("etcd-ca", ports["etcd_peer"])):
        context = ssl.create_default_context(cafile=str(folder.certificates / f"{authority}.crt"))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, context, "/v3/kv/range")
    of_kubernetes = ssl.create_default_context(cafile=str(folder.certificates / "etcd-ca.crt"))
    of_kubernetes.load_cert_chain(folder.certificates / "admin.crt", folder.certificates / "admin.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(ports["etcd"], of_kubernetes, "/v3/kv/range")
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(ports["api_server"], of_kubernetes, "/api/v1/nodes")


@pytest.mark.parametrize(
    ("component", "path"),
    [
        ("kwok", "/api/v1/secrets"),
        ("kwok", "/api/v1/persistentvolumes"),
        ("volumes", "/api/v1/secrets"),
        ("volumes", "/api/v1/pods"),
    ],
)
def test_helpers_may_do_no_more_than_they_need(plane: Plane, component: str, path: str) -> None:
    with ApiClient(plane_folder(plane.home, plane.name).kubeconfigs / component) as client:
        with pytest.raises(RequestRefused, match="cannot list resource") as refused:
            client.request("GET", path)
        assert refused.value.status == 403


def test_files_belong_to_the_owner_alone(plane: Plane) -> None:
    root = plane_folder(plane.home, plane.name).root
    assert stat.S_IMODE(plane.kubeconfig.stat().st_mode) == 0o600
    assert [path for path in (root, *root.rglob("*")) if path.stat().st_mode & 0o077 and path.is_dir()] == []


def test_no_component_knows_a_secret_of_the_user(plane: Plane) -> None:
    for pid in component_pids(plane).values():
        names = {row.partition("=")[0] for row in Path(f"/proc/{pid}/environ").read_text().split("\0") if row}
        assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE"}


def component_pids(plane: Plane) -> dict[str, int | None]:
    return {row.name: row.pid for row in read_status(plane.home, plane.name).components}


def listen_addresses(pid: int | None) -> set[str]:
    """The addresses on which process `pid` listens, as /proc says."""
    found: set[str] = set()
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in inodes:
                raw = fields[1].partition(":")[0]
                words = [bytes.fromhex(raw[at : at + 8])[::-1] for at in range(0, len(raw), 8)]
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found


def ask(port: int, context: ssl.SSLContext, path: str) -> bytes:
    """The beginning of the answer to one plain request."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = secure.recv(400)
        if not answer:
            raise ConnectionError("closed without an answer")
        return answer
