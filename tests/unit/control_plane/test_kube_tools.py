from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sophia_infra.control_plane.errors import KubeToolsMissing
from sophia_infra.control_plane.tools import (
    ETCD_VERSION,
    HELM_VERSION,
    KUBE_TOOLS,
    KUBERNETES_VERSION,
    KWOK_VERSION,
    KubeTools,
    find_kube_tools,
    kube_cache_root,
)
from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.errors import BuildFailed
from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.toolchain import PULUMI_ENGINE
from tests.unit.engine.fakes import write_script

CHECKOUT = Path(__file__).resolve().parents[3]

GO = """\
#!{python} -IS
import pathlib, sys
arguments = sys.argv[1:]
answers = {answers!r}
if arguments[0] == "version":
    print("go version go1.26.8 linux/amd64")
elif arguments[0] == "list":
    print("errors\\nfmt\\n" + "\\n".join(arguments[2:]))
elif arguments[0] == "build":
    target = pathlib.Path(arguments[arguments.index("-o") + 1])
    for package in arguments[arguments.index("-o") + 2:]:
        name = package.removesuffix("/v3").rpartition("/")[2]
        print(package, file=sys.stderr)
        (target / name).write_text("#!/bin/sh\\necho " + repr(answers.get(name, "?")) + "\\n")
        (target / name).chmod(0o755)
"""
ANSWERS = {trial.program: trial.answer for trial in KUBE_TOOLS.trials} | {
    "server": f"etcd Version: {ETCD_VERSION}"
}

Find = Callable[..., KubeTools]


def write_go(folder: Path, **answers: str) -> None:
    write_script(folder / "go", GO.format(python=sys.executable, answers={**ANSWERS, **answers}))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for module in KUBE_TOOLS.modules:
        (folder / "tools" / "kube" / module.folder).mkdir(parents=True)
        (folder / "tools" / "kube" / module.folder / "go.mod").write_text("module test\n")
        (folder / "tools" / "kube" / module.folder / "go.sum").write_text("")
    return folder


@pytest.fixture
def find(tmp_path: Path, checkout: Path) -> Find:
    write_go(tmp_path / "bin")
    home: Home = open_home(checkout=checkout, environ={})

    def find_with(
        may_build: bool = True, progress: Callable[[BuildProgress], None] | None = None, path: str = "bin"
    ) -> KubeTools:
        environ = {"PATH": str(tmp_path / path), "SOPHIA_ENGINE_DIR": str(tmp_path / "cache")}
        return find_kube_tools(home, progress, may_build, environ=environ)

    return find_with


def test_the_programs_of_three_modules_are_built_into_one_folder_once(find: Find, tmp_path: Path) -> None:
    built = find()
    assert built.fresh
    assert built.directory.parent == tmp_path / "cache-kube"
    assert {file.name for file in built.directory.iterdir()} == {*KUBE_TOOLS.files, "tools.json"}
    assert find(may_build=False) == KubeTools(built.directory, KUBERNETES_VERSION)


def test_progress_counts_over_all_modules(find: Find) -> None:
    seen: list[BuildProgress] = []
    find(progress=seen.append)
    assert seen[0].line == "loading the Go modules of the Kubernetes control plane"
    assert f"building the Kubernetes control plane {KUBERNETES_VERSION} with Go 1.26.8" in [
        row.line for row in seen
    ]
    assert seen[-1].packages_done == seen[-1].packages_total == 5 + 3 * 2 + 2
    done = [row.packages_done for row in seen]
    assert done == sorted(done)


@pytest.mark.parametrize("module", [module.folder for module in KUBE_TOOLS.modules])
def test_another_go_sum_of_any_module_is_another_build(find: Find, checkout: Path, module: str) -> None:
    first = find()
    (checkout / "tools" / "kube" / module / "go.sum").write_text("changed\n")
    assert find().directory != first.directory


def test_without_go_the_way_out_is_named(find: Find) -> None:
    with pytest.raises(KubeToolsMissing) as missing:
        find(path="nowhere")
    assert str(missing.value) == (
        "There is no Kubernetes control plane here, and no Go toolchain to build one. "
        "Install Go 1.26 or newer (https://go.dev/dl/) to build it."
    )


def test_what_may_not_be_built_now_can_be_built_later(find: Find) -> None:
    with pytest.raises(KubeToolsMissing, match=r"none was built before\. `make kube` builds it once"):
        find(may_build=False)


def test_a_program_of_another_version_is_no_build(find: Find, tmp_path: Path) -> None:
    write_go(tmp_path / "bin", kwok="kwok version v0.7.0")
    with pytest.raises(BuildFailed) as failed:
        find()
    assert str(failed.value) == (
        "kwok of the Kubernetes control plane was built, but does not say its version (see below).\n"
        "  kwok version v0.7.0\n"
        "Without it, manifests can still be written to a folder: `make up`, with no CLUSTER=1."
    )
    assert [entry.name for entry in (tmp_path / "cache-kube").iterdir()] == ["build.lock"]


@pytest.mark.parametrize(
    ("module", "dependency", "version"),
    [
        ("kubernetes", "k8s.io/kubernetes", KUBERNETES_VERSION),
        ("kubernetes", "go.etcd.io/etcd/server/v3", ETCD_VERSION),
        ("kwok", "sigs.k8s.io/kwok", KWOK_VERSION),
        ("helm", "helm.sh/helm/v3", HELM_VERSION),
    ],
)
def test_the_versions_are_those_of_go_mod(module: str, dependency: str, version: str) -> None:
    text = (CHECKOUT / "tools" / "kube" / module / "go.mod").read_text()
    assert re.search(rf"\b{re.escape(dependency)} v(\S+)", text)[1] == version  # type: ignore[index]


def test_the_staging_modules_are_those_of_the_same_kubernetes() -> None:
    text = (CHECKOUT / "tools" / "kube" / "kubernetes" / "go.mod").read_text()
    versions = set(re.findall(r"=> k8s\.io/\S+ v(\S+)", text))
    assert versions == {f"0.{KUBERNETES_VERSION.partition('.')[2]}"}


def test_the_two_caches_are_neighbours() -> None:
    assert kube_cache_root({"SOPHIA_ENGINE_DIR": "/x/engine"}) == Path("/x/engine-kube")
    assert PULUMI_ENGINE.revision == 0  # it goes into the key: an engine that was built before stays good
