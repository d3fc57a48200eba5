"""The command line of every component: loopback only, certificates both ways, roles instead of trust.

Source of the flags: Kubernetes 1.36 command-line reference, etcd 3.6 configuration flags, kwok 0.8 --help.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sophia_infra.control_plane.certificates import KWOK, VOLUMES
from sophia_infra.control_plane.folder import PlaneFolder

__all__ = [
    "COMPONENTS",
    "CONTROLLERS",
    "SERVERS",
    "Ports",
    "build_commands",
    "build_environment",
    "component_users",
]

SERVERS = ("etcd", "kube-apiserver")
"""What must answer before anything else can work, in the order of their need."""

CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok", "volumes")

COMPONENTS = (*SERVERS, *CONTROLLERS)

SERVICE_ADDRESSES = "10.96.0.0/16"
POD_ADDRESSES = "10.244.0.0/16"

LEASE_DURATION_S = 40
"""How long a node counts as alive after its last heartbeat; the controller manager waits 50 s."""

STAGES = Path(__file__).with_name("data") / "stages.yaml"


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports on 127.0.0.1. The other components listen on nothing."""

    etcd: int
    etcd_peer: int
    api_server: int

    def as_dict(self) -> dict[str, int]:
        """Name -> port."""
        return asdict(self)

    @property
    def server(self) -> str:
        """The address of the API server."""
        return f"https://127.0.0.1:{self.api_server}"


def component_users() -> dict[str, str]:
    """Component -> the certificate with which it goes to the API server."""
    return {
        "kube-controller-manager": "kube-controller-manager",
        "kube-scheduler": "kube-scheduler",
        "kwok": KWOK,
        "volumes": VOLUMES,
    }


def build_commands(tools: Path, folder: PlaneFolder, ports: Ports) -> dict[str, tuple[str, ...]]:
    """Component -> its command, first item a full path."""
    return {
        "etcd": (str(tools / "etcd"), *_etcd(folder, ports)),
        "kube-apiserver": (str(tools / "kube-apiserver"), *_api_server(folder, ports)),
        "kube-controller-manager": (
            str(tools / "kube-controller-manager"),
            *_controller_manager(folder),
        ),
        "kube-scheduler": (
            str(tools / "kube-scheduler"),
            f"--kubeconfig={folder.kubeconfigs / 'kube-scheduler'}",
            "--leader-elect=false",
            "--secure-port=0",
        ),
        "kwok": (
            str(tools / "kwok"),
            f"--kubeconfig={folder.kubeconfigs / 'kwok'}",
            f"--config={STAGES}",
            "--manage-all-nodes",
            f"--node-lease-duration-seconds={LEASE_DURATION_S}",
            f"--cidr={POD_ADDRESSES}",
        ),
        "volumes": (
            sys.executable,
            "-P",  # the user's current folder is no place to import from
            "-m",
            "sophia_infra.control_plane.volumes",
            str(folder.kubeconfigs / "volumes"),
        ),
    }


def build_environment(folder: PlaneFolder, environ: Mapping[str, str]) -> dict[str, str]:
    """What components get to see of the user's environment: no key, no proxy, no configuration of theirs."""
    kept = {name: environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in environ}
    return {**kept, "HOME": str(folder.root)}


def _etcd(folder: PlaneFolder, ports: Ports) -> Sequence[str]:
    certificates = folder.certificates
    client, peer = f"https://127.0.0.1:{ports.etcd}", f"https://127.0.0.1:{ports.etcd_peer}"
    return (
        f"--data-dir={folder.etcd}",
        "--name=local",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={certificates / 'etcd-ca.crt'}",
        f"--cert-file={certificates / 'etcd.crt'}",
        f"--key-file={certificates / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={certificates / 'etcd-ca.crt'}",
        f"--peer-cert-file={certificates / 'etcd.crt'}",
        f"--peer-key-file={certificates / 'etcd.key'}",
        "--log-level=warn",
    )


def _api_server(folder: PlaneFolder, ports: Ports) -> Sequence[str]:
    certificates = folder.certificates
    return (
        f"--etcd-servers=https://127.0.0.1:{ports.etcd}",
        f"--etcd-cafile={certificates / 'etcd-ca.crt'}",
        f"--etcd-certfile={certificates / 'etcd-client.crt'}",
        f"--etcd-keyfile={certificates / 'etcd-client.key'}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.api_server}",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # an endpoint on loopback is invalid, and no pod could reach it
        f"--tls-cert-file={certificates / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={certificates / 'kube-apiserver.key'}",
        "--tls-min-version=VersionTLS12",
        f"--client-ca-file={certificates / 'ca.crt'}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificates / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={certificates / 'service-accounts.key'}",
        f"--requestheader-client-ca-file={certificates / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={certificates / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={certificates / 'front-proxy-client.key'}",
        "--allow-privileged",  # the GPU operator needs it; Pod Security says which namespace may
        "--profiling=false",
    )


def _controller_manager(folder: PlaneFolder) -> Sequence[str]:
    certificates = folder.certificates
    return (
        f"--kubeconfig={folder.kubeconfigs / 'kube-controller-manager'}",
        f"--root-ca-file={certificates / 'ca.crt'}",
        f"--service-account-private-key-file={certificates / 'service-accounts.key'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        # 20 and 30 are made for a fleet of clusters; one stack would wait half a minute for its pods.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    )
