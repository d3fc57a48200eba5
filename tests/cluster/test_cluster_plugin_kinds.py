"""Patches, manifests in a directory, and the typed classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import config_map, deployment, engine, stack
from tests.cluster.plugin_project import PluginProject, row

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine

NODE = "sophia-ai-core"


def labels_of(plane: Plane) -> dict[str, str]:
    return dict(plane.request("GET", f"/api/v1/nodes/{NODE}")["metadata"]["labels"])


def node_patch(purpose: str, **labels: str) -> dict[str, Any]:
    annotations = {"pulumi.com/patchFieldManager": f"sophia-infra-{purpose}"}
    return {"kind": "Node", "metadata": {"name": NODE, "labels": labels, "annotations": annotations}}


def test_a_patch_sets_its_fields_only_and_gives_them_back(stack: PluginProject, plane: Plane) -> None:
    before = labels_of(plane)
    stack.write(
        row("core/v1:NodePatch", "role", node_patch("roles", role="core")),
        row("core/v1:NodePatch", "mig", node_patch("mig", mig="all")),
    )
    assert [step.op for step in stack.preview()] == ["create", "create"]
    assert labels_of(plane) == before
    stack.up()
    assert labels_of(plane) == before | {"role": "core", "mig": "all"}
    assert stack.up(expect_no_changes=True)
    assert stack.run("refresh").changes["same"] == 4
    assert "capacity" not in stack.resources()["role"]["outputs"].get("status", {})

    stack.write(row("core/v1:NodePatch", "role", node_patch("roles", role="edge")))
    stack.up()
    assert labels_of(plane) == before | {"role": "edge"}
    stack.destroy()
    assert labels_of(plane) == before


def test_a_patch_needs_its_object(stack: PluginProject) -> None:
    patch = {"metadata": {"name": "no-such-node", "labels": {"a": "b"}}}
    stack.write(row("core/v1:NodePatch", "role", patch))
    assert 'nodes "no-such-node" not found' in stack.refused()
    stack.write(row("core/v1:NodePatch", "role", {"metadata": {"labels": {"a": "b"}}}))
    assert "a patch needs the name of the Node" in stack.refused("preview")


def test_manifests_are_written_instead_of_applied(stack: PluginProject, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    arguments = {"render_yaml_to_directory": str(folder)}
    secret = {"metadata": {"name": "login", "namespace": "shop"}, "stringData": {"password": "correct-horse"}}
    definition = {"metadata": {"name": "things.example.com"}, "spec": {"group": "example.com"}}
    rows = [
        row("apiextensions.k8s.io/v1:CustomResourceDefinition", "things", definition),
        row("apps/v1:Deployment", "web", deployment("shop")),
        row("core/v1:Secret", "login", secret),
        row("core/v1:NodePatch", "role", node_patch("roles", role="core")),
    ]
    stack.write(*rows, provider=arguments)
    stack.preview()
    assert not folder.exists()
    result = stack.up()
    written = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.yaml"))
    assert written == [
        "0-crd/apiextensions.k8s.io_v1-customresourcedefinition-default-things.example.com.yaml",
        "1-manifest/apps_v1-deployment-shop-web.yaml",
        f"1-manifest/v1-nodepatch-default-{NODE}-sophia-infra-roles.yaml",
        "1-manifest/v1-secret-shop-login.yaml",
    ]
    web = yaml.safe_load((folder / written[1]).read_text())
    assert (web["apiVersion"], web["kind"], web["spec"]["replicas"]) == ("apps/v1", "Deployment", 2)
    assert (folder / written[3]).stat().st_mode & 0o777 == 0o600
    assert [line.message for line in result.diagnostics if "in place of secret values" in line.message]
    assert "correct-horse" not in (folder / written[3]).read_text()
    assert stack.up(expect_no_changes=True)

    (folder / written[1]).unlink()
    assert stack.run("refresh").changes["delete"] == 1
    stack.write(*rows[:3], provider=arguments)
    stack.up()
    assert len(list(folder.rglob("*.yaml"))) == 3
    stack.destroy()
    assert not list(folder.rglob("*.yaml"))


def test_two_resources_for_one_file_are_refused(stack: PluginProject, tmp_path: Path) -> None:
    arguments = {"render_yaml_to_directory": str(tmp_path / "manifests")}
    stack.write(
        row("core/v1:ConfigMap", "one", config_map("shop")),
        row("core/v1:ConfigMap", "two", config_map("shop")),
        provider=arguments,
    )
    assert "are the same object: both would be" in stack.refused()


TYPED = """\
import pulumi
import pulumi_kubernetes as kubernetes

kubeconfig = pulumi.Output.secret(open({kubeconfig!r}).read())
opts = pulumi.ResourceOptions(provider=kubernetes.Provider("cluster", kubeconfig=kubeconfig))
labels = {{"app": "typed"}}
config = kubernetes.core.v1.ConfigMap(
    "settings", metadata={{"namespace": {namespace!r}}}, data={{"a": "1"}}, opts=opts
)
web = kubernetes.apps.v1.Deployment(
    "web",
    metadata=kubernetes.meta.v1.ObjectMetaArgs(name="typed", namespace={namespace!r}),
    spec=kubernetes.apps.v1.DeploymentSpecArgs(
        replicas=1,
        selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels),
        template=kubernetes.core.v1.PodTemplateSpecArgs(
            metadata=kubernetes.meta.v1.ObjectMetaArgs(labels=labels),
            spec=kubernetes.core.v1.PodSpecArgs(
                containers=[
                    kubernetes.core.v1.ContainerArgs(
                        name="main",
                        image="registry.example/web:1",
                        ports=[kubernetes.core.v1.ContainerPortArgs(container_port=80)],
                        env_from=[
                            kubernetes.core.v1.EnvFromSourceArgs(
                                config_map_ref=kubernetes.core.v1.ConfigMapEnvSourceArgs(name=config.metadata.name)
                            )
                        ],
                    )
                ]
            ),
        ),
    ),
    opts=opts,
)
pulumi.export("ready", web.status.available_replicas)
pulumi.export("reference", web.spec.template.spec.containers[0].env_from[0].config_map_ref.name)
pulumi.export("settings", config.metadata.name)
"""


def test_the_typed_classes_work_as_with_the_official_plugin(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    text = TYPED.format(kubeconfig=str(plane.kubeconfig), namespace=namespace)
    (stack.root / "__main__.py").write_text(text)
    stack.preview()
    stack.up()
    outputs = stack.outputs()
    assert outputs["ready"] == 1
    assert outputs["reference"] == outputs["settings"] != "settings"
    assert stack.up(expect_no_changes=True)
