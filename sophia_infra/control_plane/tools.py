"""The programs of a control plane, built once from tools/kube into the cache of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.control_plane.errors import KubeToolsMissing
from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.cache import cache_root, find_built
from sophia_infra.engine.home import Home
from sophia_infra.engine.product import GoModule, Product, Trial
from sophia_infra.engine.versions import MINIMUM_GO

__all__ = ["KUBERNETES_VERSION", "KUBE_TOOLS", "KubeTools", "find_kube_tools", "kube_cache_root"]

KUBERNETES_VERSION = "1.36.4"
ETCD_VERSION = "3.6.15"
KWOK_VERSION = "0.8.0"
HELM_VERSION = "3.21.4"
"""Those of tools/kube/*/go.mod."""

_SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")
_BASE = "k8s.io/component-base/version"
_HELM = "helm.sh/helm/v3/internal/version"

KUBE_TOOLS = Product(
    name="Kubernetes control plane",
    version=KUBERNETES_VERSION,
    sources="tools/kube",
    modules=(
        GoModule(
            folder="kubernetes",
            packages=(
                *(f"k8s.io/kubernetes/cmd/{program}" for program in (*_SERVERS, "kubectl")),
                "go.etcd.io/etcd/server/v3",
            ),
            linker_flags=f"-X {_BASE}.gitVersion=v{KUBERNETES_VERSION} -X {_BASE}.gitMajor={_MAJOR} "
            f"-X {_BASE}.gitMinor={_MINOR} -X {_BASE}.gitTreeState=clean",
            renamed={"server": "etcd"},
        ),
        GoModule(
            folder="kwok",
            packages=("sigs.k8s.io/kwok/cmd/kwok",),
            linker_flags=f"-X sigs.k8s.io/kwok/pkg/consts.Version={KWOK_VERSION}",
        ),
        GoModule(
            folder="helm",
            packages=("helm.sh/helm/v3/cmd/helm",),
            linker_flags=f"-X {_HELM}.version=v{HELM_VERSION} -X {_HELM}.gitTreeState=clean",
        ),
    ),
    files=(*_SERVERS, "kubectl", "etcd", "kwok", "helm"),
    manifest="tools.json",
    trials=(
        *(Trial(program, ("--version",), f"Kubernetes v{KUBERNETES_VERSION}") for program in _SERVERS),
        Trial("kubectl", ("version", "--client"), f"Client Version: v{KUBERNETES_VERSION}"),
        Trial("etcd", ("--version",), f"etcd Version: {ETCD_VERSION}"),
        Trial("kwok", ("--version",), f"kwok version v{KWOK_VERSION}"),
        Trial("helm", ("version", "--template", "{{.Version}}"), f"v{HELM_VERSION}"),
    ),
    way_out="Without it, manifests can still be written to a folder: `make up`, with no CLUSTER=1.",
    trial_environment=lambda scratch: {"HOME": str(scratch), "KUBECONFIG": ""},
)
"""About 530 MB. One folder for all: helm and kubectl go with the server they are tested against."""


_BUILD_IT = "`make kube` builds it once (about 9 minutes)."
_GET_GO = f"Install Go {MINIMUM_GO.major}.{MINIMUM_GO.minor} or newer (https://go.dev/dl/) to build it."


@dataclass(frozen=True, slots=True)
class KubeTools:
    """A folder with kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, etcd, kwok and helm.

    `notes` says in sentences what was found and not used, for example an old Go.
    """

    directory: Path
    version: str = KUBERNETES_VERSION
    fresh: bool = False
    notes: tuple[str, ...] = ()


def find_kube_tools(
    home: Home,
    progress: Callable[[BuildProgress], None] | None = None,
    may_build: bool = True,
    *,
    environ: Mapping[str, str] = os.environ,
) -> KubeTools:
    """Return the cached build of tools/kube, else build it (9 minutes on 2 cores).

    Two calls at the same time build once; the second waits and reports so through `progress`.

    Args:
        progress: called about once a second while something is built.
        may_build: False: what was not built before is KubeToolsMissing.
        environ: read for PATH and for `SOPHIA_ENGINE_DIR`, see `kube_cache_root`.

    Raises:
        KubeToolsMissing: none built before, and no Go (or an old one, or no sources) to build them.
        BuildFailed: `go` failed; nothing half-built is left.
    """
    notes: list[str] = []

    def missing(why: str, buildable: bool) -> KubeToolsMissing:
        sentences = [f"There is no Kubernetes control plane here, and {why}.", *notes]
        return KubeToolsMissing(" ".join(sentences), next_step=_BUILD_IT if buildable else _GET_GO)

    built = find_built(
        KUBE_TOOLS,
        home.checkout,
        kube_cache_root(environ),
        missing=missing,
        notes=notes,
        progress=progress,
        may_build=may_build,
        environ=environ,
    )
    return KubeTools(built.directory, built.version, built.fresh, tuple(notes))


def kube_cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds one folder per build: beside the engine's, with `-kube` after its name."""
    engines = cache_root(environ)
    return engines.with_name(f"{engines.name}-kube")
