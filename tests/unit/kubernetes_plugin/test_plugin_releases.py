"""Helm releases with a helm that is a script: what it is called with, and what becomes of what it says."""

from __future__ import annotations

import json
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.kubernetes_plugin.errors import Cancelled, NotReady, ReleaseFailed
from sophia_infra.kubernetes_plugin.helm import Helm, find_helm
from sophia_infra.kubernetes_plugin.releases import Releases
from sophia_infra.kubernetes_plugin.requests import Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.settings import Settings
from sophia_infra.plugin_protocol.values import UNKNOWN, Properties
from tests.unit.kubernetes_plugin.api_server import ApiServer
from tests.unit.kubernetes_plugin.certificates import Authority, kubeconfig_text
from tests.unit.kubernetes_plugin.scenes import Listener

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: n}\n---\n"
METADATA = {
    "name": "shop",
    "namespace": "n",
    "chart": "shop",
    "version": "1.2.3",
    "appVersion": "9",
    "revision": 3,
    "status": "deployed",
}


class FakeHelm:
    """A helm that writes down its arguments and values, and answers by the first word."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "helm"
        script = f"""\
            #!/bin/sh
            printf '%s\\n' "$*" >> {folder}/calls
            for last; do :; done
            case "$*" in *--values*) cat "$last" > {folder}/values ;; esac
            cat "$KUBECONFIG" > {folder}/kubeconfig
            verb=$1; [ $1 = get ] && verb=$2
            [ -f {folder}/$verb.sleep ] && exec sleep 60
            [ -f {folder}/$verb.fails ] && echo "Error: FAILED: $(cat {folder}/$verb.fails)" >&2 && exit 1
            cat {folder}/$verb.says 2>/dev/null || true
            """
        self.file.write_text(textwrap.dedent(script))
        self.file.chmod(0o755)

    def says(self, verb: str, answer: Any) -> None:
        (self.folder / f"{verb}.says").write_text(answer if isinstance(answer, str) else json.dumps(answer))

    def fails(self, verb: str, message: str) -> None:
        (self.folder / f"{verb}.fails").write_text(message)

    def calls(self) -> list[list[str]]:
        file = self.folder / "calls"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def verbs(self) -> list[str]:
        """What was done, without what was only looked at."""
        return [call[0] for call in self.calls() if call[0] != "get"]


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHelm:
    fake = FakeHelm(tmp_path)
    monkeypatch.setenv("SOPHIA_HELM", str(fake.file))
    fake.says("list", [])
    fake.says("metadata", METADATA)
    fake.says("manifest", MANIFEST)
    fake.says("values", {"a": 1})
    return fake


@pytest.fixture
def releases(server: ApiServer, authority: Authority) -> Releases:
    text = kubeconfig_text(server.url, ca=authority.pem)
    return Releases(Session(Settings(kubeconfig=text), threading.Event()), Listener())


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    folder.mkdir()
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"name": "shop", "version": "1.2.3"}))
    return folder


def asks(chart: Path, **further: Any) -> Request:
    verb = {
        key: further.pop(key) for key in ("preview", "old", "old_inputs", "id", "timeout_s") if key in further
    }
    inputs = {"name": "shop", "namespace": "n", "chart": str(chart), "version": "1.2.3", **further}
    type_ = "kubernetes:helm.sh/v3:Release"
    return Request(urn=f"urn::{type_}::shop", type=type_, name="shop", new=Properties(inputs), **verb)


def test_an_install_by_the_binary(helm: FakeHelm, releases: Releases, chart: Path) -> None:
    values = {"a": {"b": 1}}
    request = asks(chart, values=values, createNamespace=True, skipCrds=True, atomic=True, timeout=30)
    id_, outputs = releases.create(request)
    install = helm.calls()[-3]
    assert install[:3] == ["install", "shop", str(chart)]
    for flag in ("--create-namespace", "--skip-crds", "--atomic", "--wait", "30s"):
        assert flag in install
    assert json.loads((helm.folder / "values").read_text()) == values
    assert "current-context" in (helm.folder / "kubeconfig").read_text()
    assert id_ == "n/shop"
    assert outputs.value["status"]["revision"] == 3
    assert outputs.value["resourceNames"] == {"ConfigMap/v1": ["n/shop"]}
    assert "manifest" not in outputs.value


def test_a_preview_runs_no_helm(helm: FakeHelm, releases: Releases, chart: Path) -> None:
    assert releases.create(asks(chart, preview=True))[1].value["status"] is UNKNOWN
    assert releases.update(asks(chart, preview=True)).value["status"] is UNKNOWN
    assert helm.calls() == []


def test_values_files_come_before_values(helm: FakeHelm, releases: Releases, chart: Path) -> None:
    files = ["a: {x: 1, y: 1}\nb: 1\n", "a: {y: 2}\n"]
    releases.create(asks(chart, valueYamlFiles=files, values={"a": {"x": 3}}))
    assert json.loads((helm.folder / "values").read_text()) == {"a": {"x": 3, "y": 2}, "b": 1}


def test_a_chart_of_a_repository_is_pinned(helm: FakeHelm, releases: Releases) -> None:
    repository = {"repo": "https://charts.example", "username": "u"}
    releases.create(asks(Path("shop"), repositoryOpts=repository, skipAwait=True))
    install = " ".join(helm.calls()[-3])
    assert "install shop shop --version 1.2.3 --repo https://charts.example --username u" in install
    assert "--wait" not in install


def test_an_interrupted_install_is_done_anew_and_a_finished_one_upgraded(
    helm: FakeHelm, releases: Releases, chart: Path
) -> None:
    helm.says("list", [{"status": "pending-install"}])
    releases.create(asks(chart))
    assert helm.verbs() == ["list", "uninstall", "install"]
    helm.says("list", [{"status": "deployed"}])
    releases.create(asks(chart))
    assert helm.verbs()[-1] == "upgrade"
    helm.says("list", [{"status": "pending-upgrade"}])
    releases.update(asks(chart))
    assert helm.verbs()[-2:] == ["rollback", "upgrade"]


def test_a_failure_is_recorded_only_when_a_release_of_ours_is_there(
    helm: FakeHelm, releases: Releases, chart: Path
) -> None:
    helm.fails("install", "cannot re-use a name that is still in use")
    with pytest.raises(ReleaseFailed, match="helm install: FAILED: cannot re-use a name"):
        releases.create(asks(chart))
    helm.says("list", [{"status": "failed"}])
    helm.fails("upgrade", "timed out")
    with pytest.raises(NotReady) as unready:
        releases.update(asks(chart))
    assert (unready.value.id, unready.value.reasons) == (
        "n/shop",
        ("helm upgrade: FAILED: timed out",),
    )


def test_read_knows_gone_and_drifted(helm: FakeHelm, releases: Releases, chart: Path) -> None:
    request = asks(chart, id="n/shop", old_inputs=Properties({"chart": str(chart), "version": "1.0.0"}))
    found = releases.read(request)
    assert found is not None
    assert found.inputs.value["version"] == "1.2.3"
    imported = releases.read(asks(chart, id="n/shop"))
    assert imported is not None
    assert imported.inputs.value["values"] == {"a": 1}
    helm.fails("metadata", "release: not found")
    assert releases.read(request) is None


def test_deletion_waits_unless_told_not_to(helm: FakeHelm, releases: Releases, chart: Path) -> None:
    releases.delete(asks(chart, id="n/shop", old=Properties({"name": "shop"}), timeout_s=7))
    assert helm.calls()[-1] == [
        "uninstall",
        "shop",
        "--namespace",
        "n",
        "--ignore-not-found",
        "--timeout",
        "7s",
        "--wait",
    ]


def test_names_replace_and_values_do_not(releases: Releases, chart: Path) -> None:
    old = Properties({**asks(chart).new.value, "compat": "true"})
    request = asks(chart, old_inputs=old, values={"a": 1})
    assert (releases.diff(request).changes, releases.diff(request).replaces) == (
        {("values",): "add"},
        frozenset(),
    )
    assert releases.diff(asks(chart, old_inputs=old, namespace="other")).replaces == {("namespace",)}
    assert not releases.diff(asks(chart, old_inputs=old)).changes


def test_check_fills_in_and_refuses_rendering(releases: Releases, chart: Path, tmp_path: Path) -> None:
    request = asks(chart)
    checked = releases.check(Request("urn::t::web", "t", "web", new=Properties({"chart": str(chart)})))
    assert checked.inputs.value["version"] == "1.2.3"
    assert checked.inputs.value["name"].startswith("web-")
    rendering = Releases(Session(Settings(render_directory=tmp_path), threading.Event()), Listener())
    assert "cannot be rendered" in rendering.check(request).failures["chart"]


def test_helm_is_found_or_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ReleaseFailed, match="There is no helm here: install helm"):
        find_helm({"PATH": str(tmp_path)})
    with pytest.raises(ReleaseFailed, match="which is no program"):
        find_helm({"SOPHIA_HELM": str(tmp_path / "no")})


def test_a_stopped_run_stops_helm_and_leaves_no_file(
    helm: FakeHelm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    (helm.folder / "install.sleep").touch()
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled, match="helm install was stopped"):
        Helm("{}", cancelled, {}).run(["install"])
    assert not list(private.iterdir())
