"""Preview, create, update, replace, refresh, import, delete: by the real engine on the real API server."""

from __future__ import annotations

import json

import pytest

from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import config_map, deployment, engine, stack
from tests.cluster.plugin_project import PluginProject, row

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine


def test_everything_is_made_and_a_second_run_changes_nothing(stack: PluginProject, plane: Plane) -> None:
    name = "plugin-everything"
    service = {
        "metadata": {"name": "web", "namespace": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    stack.write(
        row("core/v1:Namespace", "space", {"metadata": {"name": name}}),
        row("core/v1:ConfigMap", "settings", config_map(name), after=["space"]),
        row("apps/v1:Deployment", "web", deployment(name), after=["space"]),
        row("core/v1:Service", "web-service", service, after=["space"]),
        outputs={"uid": ["settings", "metadata", "uid"], "address": ["web-service", "spec", "clusterIP"]},
    )

    preview = stack.preview()
    assert {step.op for step in preview} == {"create"}
    assert stack.up().changes["create"] == 6
    assert stack.up(expect_no_changes=True).changes == {"same": 6}
    assert stack.run("refresh").changes == {"same": 6}

    live = plane.request("GET", f"/api/v1/namespaces/{name}/configmaps/settings")
    assert stack.outputs()["uid"] == live["metadata"]["uid"]
    assert stack.outputs()["address"].startswith("10.")
    assert (
        plane.request("GET", f"/apis/apps/v1/namespaces/{name}/deployments/web")["status"][
            "availableReplicas"
        ]
        == 2
    )

    stack.destroy()
    assert name not in plane.kubectl("get", "namespaces", "--output=name")


def test_a_preview_touches_nothing_and_knows_what_the_server_will_decide(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    dependent = {
        "metadata": {"name": "copy", "namespace": namespace},
        "data": {"uid": {"$output": ["first", "metadata", "uid"]}},
    }
    stack.write(
        row("core/v1:ConfigMap", "first", config_map(namespace)),
        row("core/v1:ConfigMap", "second", dependent),
    )
    steps = {step.name: step for step in stack.preview()}
    assert steps["second"].op == "create"
    assert steps["second"].new is not None
    assert "04da6b54" in json.dumps(dict(steps["second"].new.inputs))  # the engine's mark for "not known yet"
    assert "settings" not in plane.kubectl("get", "configmaps", "-n", namespace, "--output=name")


def test_a_change_is_one_update_that_names_the_property(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    stack.write(row("apps/v1:Deployment", "web", deployment(namespace)))
    stack.up()
    changed = deployment(namespace, container={"image": "registry.example/web:2"})
    stack.write(row("apps/v1:Deployment", "web", changed))
    (step,) = stack.preview()
    assert (step.op, dict(step.detailed_diff)) == (
        "update",
        {"spec.template.spec.containers[0].image": "update"},
    )
    stack.up()
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    container = plane.request("GET", path)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example/web:2"


def test_what_a_program_no_longer_says_is_removed(stack: PluginProject, plane: Plane, namespace: str) -> None:
    arguments = stack.arguments(enable_config_map_mutable=True)
    stack.write(row("core/v1:ConfigMap", "settings", config_map(namespace, a="1", b="2")), provider=arguments)
    stack.up()
    stack.write(row("core/v1:ConfigMap", "settings", config_map(namespace, a="1")), provider=arguments)
    stack.up()
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "1"}


def test_a_default_written_out_is_no_change(stack: PluginProject, namespace: str) -> None:
    plain = deployment(namespace, container={"resources": {"requests": {"cpu": "1"}}})
    stack.write(row("apps/v1:Deployment", "web", plain))
    stack.up()
    spelled = deployment(
        namespace,
        container={"resources": {"requests": {"cpu": "1000m"}}, "terminationMessagePolicy": "File"},
        revisionHistoryLimit=10,
    )
    stack.write(row("apps/v1:Deployment", "web", spelled))
    assert stack.up(expect_no_changes=True).changes == {"same": 3}


@pytest.mark.parametrize(
    ("type_", "before", "after"),
    [
        pytest.param("core/v1:ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}, id="data"),
        pytest.param(
            "storage.k8s.io/v1:StorageClass",
            {"provisioner": "example.com/a"},
            {"provisioner": "example.com/b"},
            id="in-the-table",
        ),
        pytest.param(
            "core/v1:PersistentVolume",
            {
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "hostPath": {"path": "/a"},
                }
            },
            {
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "hostPath": {"path": "/b"},
                }
            },
            id="only-the-server-knows",
        ),
    ],
)
def test_a_field_that_cannot_change_replaces_the_object(
    stack: PluginProject,
    plane: Plane,
    namespace: str,
    type_: str,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    metadata = {"name": f"fixed-{namespace}", **({"namespace": namespace} if "ConfigMap" in type_ else {})}
    stack.write(
        row(type_, "fixed", {"metadata": metadata, **before}), outputs={"uid": ["fixed", "metadata", "uid"]}
    )
    stack.up()
    first = stack.outputs()["uid"]
    stack.write(
        row(type_, "fixed", {"metadata": metadata, **after}), outputs={"uid": ["fixed", "metadata", "uid"]}
    )
    ops = [step.op for step in stack.preview()]
    assert ops == ["delete-replaced", "replace", "create-replacement"] or "replace" in ops
    stack.up()
    assert stack.outputs()["uid"] != first
    assert stack.up(expect_no_changes=True).changes == {"same": 3}


def test_a_made_name_stays_and_is_new_after_a_replacement(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    def settings(value: str) -> dict[str, object]:
        return {"metadata": {"namespace": namespace}, "data": {"a": value}}

    names: list[str] = []
    for value in ("1", "1", "2"):
        stack.write(
            row("core/v1:ConfigMap", "settings", settings(value)),
            outputs={"name": ["settings", "metadata", "name"]},
        )
        stack.up()
        names.append(stack.outputs()["name"])
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("settings-") for name in names)
    listed = plane.kubectl("get", "configmaps", "-n", namespace, "--output=name")
    assert names[2] in listed
    assert names[0] not in listed


def test_refresh_sees_drift_and_a_gone_object_and_up_repairs_both(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    stack.write(
        row("core/v1:ConfigMap", "kept", config_map(namespace, "kept", a="1")),
        row("core/v1:ConfigMap", "gone", config_map(namespace, "gone", a="1")),
        provider=stack.arguments(enable_config_map_mutable=True, enable_patch_force=True),
    )
    stack.up()
    plane.kubectl("patch", "configmap", "kept", "-n", namespace, "--type=merge", '-p={"data":{"a":"9"}}')
    plane.kubectl("delete", "configmap", "gone", "-n", namespace)
    refreshed = stack.run("refresh").changes
    assert (refreshed["update"], refreshed["delete"]) == (1, 1)
    changes = stack.up().changes
    assert (changes["update"], changes["create"]) == (1, 1)
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/kept")["data"] == {"a": "1"}


def test_an_object_of_somebody_else_is_imported(stack: PluginProject, plane: Plane, namespace: str) -> None:
    plane.kubectl(
        "create", "deployment", "web", "-n", namespace, "--image=registry.example/web:1", "--replicas=2"
    )
    plane.kubectl("label", "deployment", "web", "-n", namespace, "by=hand")
    wanted = deployment(namespace)
    stack.write(row("apps/v1:Deployment", "web", wanted, import_=f"{namespace}/web"))
    changes = stack.up().changes
    assert changes["import"] == 1
    live = plane.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/web")
    assert live["metadata"]["labels"]["by"] == "hand"
    assert stack.up(expect_no_changes=True)


def test_deletion_orphans_or_waits_as_the_annotation_says(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    waiting, orphaning = deployment(namespace, "waiting"), deployment(namespace, "orphaning")
    orphaning["metadata"]["annotations"] = {"pulumi.com/deletionPropagationPolicy": "orphan"}
    stack.write(
        row("apps/v1:Deployment", "waiting", waiting), row("apps/v1:Deployment", "orphaning", orphaning)
    )
    stack.up()
    stack.destroy()
    pods = plane.kubectl("get", "pods", "-n", namespace, "--output=name")
    assert "waiting-" not in pods
    assert pods.count("orphaning-") == 2
