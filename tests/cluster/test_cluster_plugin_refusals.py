"""What the user reads when the server, or the way to it, says no."""

from __future__ import annotations

import time

import pytest

from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import config_map, deployment, engine, stack
from tests.cluster.plugin_project import PluginProject, row
from tests.unit.kubernetes_plugin.certificates import Authority, kubeconfig_text

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Web", "the name 'Web' is not valid: use lower-case letters, digits, '-' and '.'"),
        ("w" * 254, "has 254 characters, and a ConfigMap may have 253"),
    ],
)
def test_a_bad_name_is_refused_before_anything_is_sent(
    stack: PluginProject, namespace: str, name: str, sentence: str
) -> None:
    stack.write(row("core/v1:ConfigMap", "settings", config_map(namespace, name)))
    text = stack.refused("preview")
    assert "metadata.name" in text
    assert sentence in text


def test_an_object_of_somebody_else_is_not_taken(stack: PluginProject, plane: Plane, namespace: str) -> None:
    plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=a=theirs")
    theirs = config_map(namespace, "settings", a="ours")
    stack.write(row("core/v1:ConfigMap", "settings", theirs))
    for verb in ("preview", "up"):
        text = stack.refused(verb)
        assert f'configmaps "settings" already exists in namespace {namespace}' in text
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {
        "a": "theirs"
    }

    theirs["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    stack.write(row("core/v1:ConfigMap", "settings", theirs))
    stack.up()
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {
        "a": "ours"
    }


def test_a_conflict_is_shown_in_the_servers_words(stack: PluginProject, plane: Plane, namespace: str) -> None:
    arguments = stack.arguments(enable_config_map_mutable=True)
    stack.write(row("core/v1:ConfigMap", "settings", config_map(namespace, a="1")), provider=arguments)
    stack.up()
    plane.kubectl("patch", "configmap", "settings", "-n", namespace, "--type=merge", '-p={"data":{"a":"9"}}')
    stack.write(row("core/v1:ConfigMap", "settings", config_map(namespace, a="2")), provider=arguments)
    text = stack.refused()
    assert 'Apply failed with 1 conflict: conflict with "kubectl-patch"' in text
    assert ".data.a" in text
    assert "pulumi.com/patchForce" in text


def test_invalid_and_unknown_fields_are_named(stack: PluginProject, namespace: str) -> None:
    invalid = deployment(
        namespace, container={"image": "Registry.Example/WEB", "ports": [{"containerPort": 99999}]}
    )
    unknown = deployment(namespace, "other", replica=3)
    stack.write(row("apps/v1:Deployment", "invalid", invalid), row("apps/v1:Deployment", "unknown", unknown))
    text = stack.refused("preview")
    assert "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 99999" in text
    assert ".spec.replica: field not declared in schema" in text


def test_a_missing_kind_and_a_missing_namespace(stack: PluginProject, namespace: str) -> None:
    thing = {"metadata": {"name": "thing", "namespace": namespace}, "spec": {}}
    stack.write(
        row("example.com/v1:Thing", "thing", thing), row("core/v1:ConfigMap", "lost", config_map("nowhere"))
    )
    text = stack.refused()
    assert "has no kind Thing in example.com/v1: is its custom resource definition installed" in text
    assert 'namespaces "nowhere" not found' in text


def test_the_quota_speaks_for_itself(stack: PluginProject, namespace: str) -> None:
    quota = {"metadata": {"name": "few", "namespace": namespace}, "spec": {"hard": {"pods": "1"}}}
    stack.write(
        row("core/v1:ResourceQuota", "few", quota),
        row("apps/v1:Deployment", "web", deployment(namespace), after=["few"], timeout="6s"),
    )
    text = stack.refused()
    assert "not ready after 6 s: 1 of 2 replicas" in text
    assert "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in text


def test_who_may_not_is_told_so(stack: PluginProject, plane: Plane, namespace: str) -> None:
    token = plane.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 600},
        },
    )["status"]["token"]
    ca = plane.request("GET", "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")["data"]["ca.crt"]
    kubeconfig = kubeconfig_text(plane.server, ca=ca.encode(), token=token)
    stack.write(
        row("core/v1:ConfigMap", "settings", config_map(namespace)), provider={"kubeconfig": kubeconfig}
    )
    text = stack.refused()
    assert (
        f'configmaps "settings" is forbidden: User "system:serviceaccount:{namespace}:default" cannot' in text
    )
    assert token not in text


def test_an_expired_certificate_has_its_own_sentence(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    ca = plane.request("GET", "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")["data"]["ca.crt"]
    client = Authority().client("alice", days=(-30, -1))
    kubeconfig = kubeconfig_text(plane.server, ca=ca.encode(), client=client, user="alice")
    stack.write(
        row("core/v1:ConfigMap", "settings", config_map(namespace)), provider={"kubeconfig": kubeconfig}
    )
    assert "The client certificate of user 'alice' in the kubeconfig expired on" in stack.refused()


def test_an_unreachable_cluster_is_one_sentence_within_ten_seconds(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    alive = stack.arguments(cluster_identifier="same", enable_config_map_mutable=True)
    made = [row("core/v1:ConfigMap", f"c{n}", config_map(namespace, f"c{n}")) for n in range(12)]
    stack.write(*made, provider=alive)
    stack.up()
    dead = dict(alive)
    dead["kubeconfig"] = dead["kubeconfig"].replace(plane.server, "https://127.0.0.1:1")
    changed = [row("core/v1:ConfigMap", f"c{n}", config_map(namespace, f"c{n}", b="2")) for n in range(12)]
    stack.write(*changed, provider=dead)
    started = time.monotonic()
    text = stack.refused()
    took_s = time.monotonic() - started
    assert "The API server https://127.0.0.1:1 cannot be reached (Connection refused)" in text
    assert took_s < 10 + ENGINE_ITSELF_S

    stack.write(*changed, provider={**dead, "skip_update_unreachable": True})
    stack.up()
    stack.write(provider={**dead, "delete_unreachable": True})
    assert stack.up().changes["delete"] == 12


ENGINE_ITSELF_S = 20.0
"""Start of engine, program and plugin on a machine that runs other tests too; two seconds when idle."""
