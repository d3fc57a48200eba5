from __future__ import annotations

import base64
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.kubernetes_plugin.errors import NotSupported, TakenFile
from sophia_infra.kubernetes_plugin.rendered import Rendered, manifest_path
from sophia_infra.kubernetes_plugin.requests import Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.settings import Settings
from sophia_infra.plugin_protocol.values import Properties
from tests.unit.kubernetes_plugin.scenes import Listener


@pytest.fixture
def rendered(tmp_path: Path, listener: Listener) -> Rendered:
    session = Session(Settings(render_directory=tmp_path), threading.Event())
    return Rendered(session, listener, tmp_path)


def asks(new: dict[str, Any], name: str = "one", **further: Any) -> Request:
    type_ = f"kubernetes:core/v1:{new.get('kind', 'ConfigMap')}"
    secrets = frozenset({("data",)}) if new.get("kind") == "Secret" else frozenset()
    return Request(
        urn=f"urn::{type_}::{name}", type=type_, name=name, new=Properties(new, secrets), **further
    )


def body(kind: str = "ConfigMap", name: str = "settings", **further: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, **further}


@pytest.mark.parametrize(
    ("pulumi_type", "object_", "expected"),
    [
        ("kubernetes:core/v1:ConfigMap", body(), "1-manifest/v1-configmap-shop-settings.yaml"),
        (
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
            {"metadata": {"name": "system:Reader"}},
            "1-manifest/rbac.authorization.k8s.io_v1-clusterrole-default-system_reader.yaml",
        ),
        (
            "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
            {"metadata": {"name": "things.example.com"}},
            "0-crd/apiextensions.k8s.io_v1-customresourcedefinition-default-things.example.com.yaml",
        ),
        (
            "kubernetes:core/v1:NodePatch",
            {
                "kind": "Node",
                "metadata": {"name": "a", "annotations": {"pulumi.com/patchFieldManager": "roles"}},
            },
            "1-manifest/v1-nodepatch-default-a-roles.yaml",
        ),
    ],
)
def test_files_are_named_as_by_the_official_plugin(
    tmp_path: Path, pulumi_type: str, object_: dict[str, Any], expected: str
) -> None:
    assert str(manifest_path(tmp_path, pulumi_type, object_).relative_to(tmp_path)) == expected


def test_a_life_on_disk(rendered: Rendered, tmp_path: Path) -> None:
    file = tmp_path / "1-manifest" / "v1-configmap-shop-settings.yaml"
    rendered.create(asks(body(data={"a": "1"}), preview=True))
    assert not file.exists()
    id_, outputs = rendered.create(asks(body(data={"a": "1", "port": 80})))
    assert id_ == "shop/settings"
    assert yaml.safe_load(file.read_text()) == body(data={"a": "1", "port": 80})
    assert file.stat().st_mode & 0o777 == 0o600
    moved = rendered.update(asks(body(name="other"), old=outputs))
    assert not file.exists()
    recorded: dict[str, Any] = {
        "old": moved,
        "old_inputs": Properties(body(name="other")),
        "id": "shop/other",
    }
    assert rendered.read(asks({}, **recorded)) is not None
    rendered.delete(asks({}, old=moved))
    assert not list(tmp_path.rglob("*.yaml"))
    assert rendered.read(asks({}, **recorded)) is None


def test_two_writers_of_one_file_are_refused(rendered: Rendered) -> None:
    rendered.create(asks(body()))
    rendered.update(asks(body(), old=Properties(body())))  # the same resource may write again
    with pytest.raises(TakenFile, match="two and one are the same object: both would be"):
        rendered.create(asks(body(), "two"))


def test_no_secret_value_is_written_and_that_is_said(
    rendered: Rendered, listener: Listener, tmp_path: Path
) -> None:
    secret = body("Secret", data={"p": "aGlkZGVu"}, type="Opaque")
    _, outputs = rendered.create(asks(secret))
    text = (tmp_path / "1-manifest/v1-secret-shop-settings.yaml").read_text()
    assert "aGlkZGVu" not in text
    written = yaml.safe_load(text)
    assert base64.b64decode(written["data"]["p"]) == b"secret-not-written-here"
    assert {**written, "data": secret["data"]} == secret
    assert outputs.value["data"] == {"p": "aGlkZGVu"}, "the engine keeps the value, encrypted"
    assert len(listener.warnings) == 1
    assert "stand-ins" in listener.warnings[0]


def test_a_secret_inside_another_object_is_not_written_either(rendered: Rendered, tmp_path: Path) -> None:
    request = asks(body(data={"shown": "1", "password": "hidden", "more": {"list": ["hidden", "hidden"]}}))
    marked = frozenset({("data", "password"), ("data", "more", "list")})
    rendered.create(replace(request, new=Properties(request.new.value, marked)))
    text = (tmp_path / "1-manifest/v1-configmap-shop-settings.yaml").read_text()
    assert "hidden" not in text
    assert yaml.safe_load(text)["data"]["shown"] == "1"


def test_there_is_nothing_to_import(rendered: Rendered) -> None:
    with pytest.raises(NotSupported, match="cannot be imported"):
        rendered.read(asks({}, id="shop/settings"))
