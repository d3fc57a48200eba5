"""A real etcd and kube-apiserver founded on our credentials and server settings, as k3s would start them."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sophia_infra.control_plane import find_kube_tools
from sophia_infra.joining import (
    TLS_SERVER_NAME,
    kubeconfig,
    make_credentials,
    renew_admin_certificate,
    user_data,
)
from sophia_infra.lambda_cloud import LambdaCloud
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.kubernetes_api import ApiAccess, ask_api, send_api
from sophia_infra.provider.node_retirement import NodeRetirement, name_of, ready_status
from sophia_infra.provider.session import Session
from tests.cluster.plane import make_home, say_that_it_builds
from tests.unit.joining.stack import server as server_node
from tests.unit.joining.test_joining_boot_text import files_of

WAIT_S = 60.0


def leaf(
    folder: Path,
    name: str,
    authority: tuple[str, str],
    *,
    names: tuple[str, ...] = (),
    organization: str | None = None,
) -> tuple[str, str]:
    """A certificate under `authority`, for servers and clients alike: paths of certificate and key."""
    issuer = x509.load_pem_x509_certificate(authority[0].encode())
    signer = load_pem_private_key(authority[1].encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)]
            ),
            critical=False,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(folder / f"{name}.crt"), str(folder / f"{name}.key")


@dataclass
class Founded:
    """A running API server and how its operator reaches it."""

    url: str
    credentials: dict[str, str]
    kubectl_binary: Path
    folder: Path

    def kubectl(
        self, *arguments: str, credentials: dict[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        file = self.folder / "kubeconfig.yaml"
        file.write_text(kubeconfig(credentials or self.credentials, self.url))
        return subprocess.run(
            [str(self.kubectl_binary), f"--kubeconfig={file}", "--request-timeout=10s", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def access(self, credentials: dict[str, str] | None = None) -> ApiAccess:
        one = credentials or self.credentials
        return ApiAccess(
            self.url,
            TLS_SERVER_NAME,
            self.credentials["server_ca_certificate"],
            one["admin_certificate"],
            one["admin_key"],
        )


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Founded]:
    """Three seconds: the files are those of the boot text of a server, moved into a folder."""
    folder = tmp_path_factory.mktemp("founded")
    tools = find_kube_tools(make_home(tmp_path_factory.mktemp("home")), progress=say_that_it_builds).directory
    made = make_credentials("sophia-us-east-3", datetime.now(UTC))
    node = server_node()
    text = user_data(
        node, Cluster(node.cluster, node.region, (node,), node.name), made, None, KubernetesConfig()
    )
    for path, content in files_of(text).items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    peer_port, client_port, api_port = free_ports(3)
    with contextlib.ExitStack() as running:
        running.enter_context(
            _process(_etcd(tools, folder, made, peer_port, client_port), folder / "etcd.log")
        )
        api = _process(_api_server(tools, folder, made, client_port, api_port), folder / "api.log")
        process = running.enter_context(api)
        one = Founded(f"https://127.0.0.1:{api_port}", made, tools / "kubectl", folder)
        deadline = time.monotonic() + WAIT_S
        while ask_api(one.access(), "/readyz").kind != "ok":
            log = (folder / "api.log").read_text()[-2000:]
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.1)
        yield one


def _etcd(tools: Path, folder: Path, made: dict[str, str], peer: int, client: int) -> list[str]:
    tls = folder / "var/lib/rancher/k3s/server/tls/etcd"
    server = leaf(folder, "etcd", (made["etcd_server_ca_certificate"], made["etcd_server_ca_key"]))
    between = leaf(folder, "etcd-peer", (made["etcd_peer_ca_certificate"], made["etcd_peer_ca_key"]))
    return [
        str(tools / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=https://127.0.0.1:{client}",
        f"--advertise-client-urls=https://127.0.0.1:{client}",
        f"--listen-peer-urls=https://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=https://127.0.0.1:{peer}",
        f"--initial-cluster=default=https://127.0.0.1:{peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={tls / 'server-ca.crt'}",
        f"--cert-file={server[0]}",
        f"--key-file={server[1]}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={tls / 'peer-ca.crt'}",
        f"--peer-cert-file={between[0]}",
        f"--peer-key-file={between[1]}",
        "--unsafe-no-fsync",
    ]


def _api_server(tools: Path, folder: Path, made: dict[str, str], etcd: int, port: int) -> list[str]:
    tls = folder / "var/lib/rancher/k3s/server/tls"
    serving = leaf(
        folder,
        "kube-apiserver",
        (made["server_ca_certificate"], made["server_ca_key"]),
        names=("kubernetes", "kubernetes.default", TLS_SERVER_NAME),
    )
    to_etcd = leaf(folder, "etcd-client", (made["etcd_server_ca_certificate"], made["etcd_server_ca_key"]))
    accounts = rsa.generate_private_key(65537, 2048)
    key_file = folder / "service.key"
    key_file.write_bytes(accounts.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings = yaml.safe_load((folder / "etc/rancher/k3s/config.yaml").read_text())
    ours = [f"--{one}".replace("=/", f"={folder}/") for one in settings["kube-apiserver-arg"]]
    return [
        str(tools / "kube-apiserver"),
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--etcd-servers=https://127.0.0.1:{etcd}",
        f"--etcd-cafile={tls / 'etcd/server-ca.crt'}",
        f"--etcd-certfile={to_etcd[0]}",
        f"--etcd-keyfile={to_etcd[1]}",
        f"--tls-cert-file={serving[0]}",
        f"--tls-private-key-file={serving[1]}",
        f"--client-ca-file={tls / 'client-ca.crt'}",
        f"--requestheader-client-ca-file={tls / 'request-header-ca.crt'}",
        "--requestheader-allowed-names=system:auth-proxy",
        "--requestheader-username-headers=X-Remote-User",
        f"--service-account-key-file={key_file}",
        f"--service-account-signing-key-file={key_file}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.43.0.0/16",
        # As k3s does: without it, no pod may be privileged, whatever its namespace says.
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--disable-admission-plugins=ServiceAccount",
        *ours,
    ]


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def test_the_real_kubectl_is_administrator_by_the_computed_kubeconfig(founded: Founded) -> None:
    ready = founded.kubectl("get", "--raw", "/readyz")
    assert (ready.returncode, ready.stdout) == (0, "ok"), ready.stderr
    nodes = founded.kubectl("get", "nodes", "-o", "json")
    assert json.loads(nodes.stdout)["items"] == [], nodes.stderr
    who = json.loads(founded.kubectl("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]
    assert who["username"] == "sophia-admin"
    assert "system:masters" in who["groups"]


def test_a_renewed_certificate_opens_the_same_cluster(founded: Founded) -> None:
    renewed = renew_admin_certificate(founded.credentials, datetime.now(UTC))
    assert founded.kubectl("get", "--raw", "/readyz", credentials=renewed).stdout == "ok"


def test_credentials_of_another_cluster_open_nothing(founded: Founded) -> None:
    other = make_credentials("other", datetime.now(UTC))
    stranger = founded.kubectl("get", "nodes", credentials=other)
    assert "certificate signed by unknown authority" in stranger.stderr
    mixed = {**other, "server_ca_certificate": founded.credentials["server_ca_certificate"]}
    assert "Unauthorized" in founded.kubectl("get", "nodes", credentials=mixed).stderr
    assert ask_api(founded.access(mixed), "/readyz").kind == "refused"


def test_a_certificate_of_another_purpose_opens_nothing(founded: Founded) -> None:
    """Under a common root it would: that is why there is none."""
    for authority in ("server_ca", "request_header_ca", "etcd_server_ca", "etcd_peer_ca"):
        pair = founded.credentials[f"{authority}_certificate"], founded.credentials[f"{authority}_key"]
        certificate, key = leaf(founded.folder, authority, pair, organization="system:masters")
        forged = {
            **founded.credentials,
            "admin_certificate": Path(certificate).read_text(),
            "admin_key": Path(key).read_text(),
        }
        assert ask_api(founded.access(forged), "/api/v1/nodes").kind == "refused", authority


def test_nobody_is_anonymous(founded: Founded) -> None:
    run = subprocess.run(
        ["curl", "--silent", "--insecure", "--noproxy", "*", f"{founded.url}/version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout)["code"] == 401


def test_ready_nodes_are_seen_as_the_real_server_lists_them(founded: Founded) -> None:
    for name in ("sophia-ai-core", "sophia-mcp"):
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        made = founded.kubectl("create", "-f", "-", stdin=json.dumps(body))
        assert made.returncode == 0, made.stderr
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    patch = json.dumps({"status": {"conditions": [condition]}})
    founded.kubectl("patch", "node", "sophia-mcp", "--subresource=status", "-p", patch)
    answer = ask_api(founded.access(), "/api/v1/nodes")
    assert answer.kind == "ok"
    assert {name_of(node): ready_status(node) for node in answer.items() or ()} == {
        "sophia-ai-core": "False",
        "sophia-mcp": "True",
    }


def _pod(namespace: str, **security: Any) -> str:
    container = {"name": "main", "image": "example.test/a:1", "securityContext": security}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pod", "namespace": namespace},
            "spec": {"containers": [container], "automountServiceAccountToken": False},
        }
    )


def test_pods_are_restricted_by_default_and_a_label_opens_one_namespace(founded: Founded) -> None:
    privileged = founded.kubectl("create", "-f", "-", stdin=_pod("default", privileged=True))
    assert 'violates PodSecurity "restricted:latest"' in privileged.stderr
    founded.kubectl("create", "namespace", "gpu-operator")
    founded.kubectl("label", "namespace", "gpu-operator", "pod-security.kubernetes.io/enforce=privileged")
    opened = founded.kubectl("create", "-f", "-", stdin=_pod("gpu-operator", privileged=True))
    assert opened.returncode == 0, opened.stderr
    exempt = founded.kubectl("create", "-f", "-", stdin=_pod("kube-system", privileged=True))
    assert exempt.returncode == 0, exempt.stderr


def test_the_audit_log_says_who_and_what_and_never_a_secret(founded: Founded) -> None:
    secret = "top-" + "secret-value"
    founded.kubectl("create", "secret", "generic", "audited", f"--from-literal=password={secret}")
    file = founded.folder / "var/lib/rancher/k3s/server/logs/audit.log"
    deadline = time.monotonic() + WAIT_S
    while "audited" not in file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    text = file.read_text()
    row = next(json.loads(line) for line in text.splitlines() if '"secrets"' in line and '"create"' in line)
    assert row["user"]["username"] == "sophia-admin"
    assert row["objectRef"]["name"] == "audited"
    assert row["level"] == "Metadata"
    assert secret not in text
    assert base64.b64encode(secret.encode()).decode() not in text


def test_the_node_of_a_machine_that_is_gone_goes_at_once(founded: Founded, tmp_path: Path) -> None:
    for name in ("gone", "sophia-ready"):
        metadata = {"name": name, "labels": {"sophia.internal/instance": name}}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        assert founded.kubectl("create", "-f", "-", stdin=json.dumps(body)).returncode == 0
    patch = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    founded.kubectl("patch", "node", "sophia-ready", "--subresource=status", "-p", patch)
    clock = VirtualClock()
    session = Session(cast(LambdaCloud, Mock(spec=LambdaCloud)), clock, Journal(tmp_path))
    retirement = NodeRetirement(session, founded.access(), "sophia", 600.0, ask_api, send_api)
    began_s = clock.now()
    retirement.run({"sophia-ready"})
    assert clock.now() == began_s
    left = founded.kubectl("get", "nodes", "-o", "name").stdout.split()
    assert "node/gone" not in left
    assert "node/sophia-ready" in left
