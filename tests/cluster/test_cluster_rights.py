"""Who may do what in the cluster: the table of docs/security.md, held against a real API server.

For each account with rights of ours the server is asked about every resource that it has and every verb, so
that what it may not do is as certain as what it may. Costs ten seconds of questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.manifest_probes import apply
from tests.cluster.plane import CHECKOUT, Plane
from tests.unit.manifests.sites import STACKS, sites

RBAC = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
POWERS = (
    ("", "users", "impersonate"),
    ("", "groups", "impersonate"),
    ("", "serviceaccounts", "impersonate"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind"),
    ("rbac.authorization.k8s.io", "clusterroles", "escalate"),
    ("certificates.k8s.io", "signers", "approve"),
    ("certificates.k8s.io", "signers", "sign"),
    ("*", "*", "*"),
)
"""By which rights grow; no list of resources has them."""

NOBODY = "system:serviceaccount:nowhere:nobody"
EVERYWHERE = "everywhere"
Right = tuple[str, str, str, str, str]
"""Where, group, resource, verb, name; the name is empty for any."""


def rows() -> list[list[str]]:
    """The table's rows: account, where, group, resources, verbs, names."""
    text = (CHECKOUT / "docs/security.md").read_text(encoding="utf-8")
    text = text.replace("STACK", "local-scaling")  # the name that the site of these tests has
    lines = text.partition("| account |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def documented() -> dict[str, set[Right]]:
    found: dict[str, set[Right]] = {}
    for account, where, group, resources, verbs, names in rows():
        found.setdefault(account, set()).update(
            (where, "" if group == "core" else group, resource, verb, "" if names == "any" else names)
            for resource in resources.split(", ")
            for verb in verbs.split(", ")
        )
    return found


def made() -> list[dict[str, Any]]:
    """Roles and bindings of all stacks, each once."""
    found = {
        (item.kind, item.metadata.get("namespace"), item.metadata["name"]): item.body
        for stack in STACKS
        for site in sites(stack)
        for item in site.manifests
        if item.kind in RBAC
    }
    return list(found.values())


def accounts(kind: str) -> set[str]:
    """`namespace/name` of each account: those that are `made`, or those that are `bound`."""
    if kind == "bound":
        subjects = [subject for body in made() for subject in body.get("subjects", ())]
        assert {subject["kind"] for subject in subjects} == {"ServiceAccount"}
        return {f"{subject['namespace']}/{subject['name']}" for subject in subjects}
    return {
        f"{item.metadata['namespace']}/{item.metadata['name']}"
        for stack in STACKS
        for site in sites(stack)
        for item in site.manifests
        if item.kind == "ServiceAccount"
    }


@pytest.fixture(scope="module")
def bound(plane: Plane) -> Iterator[Plane]:
    """Every role and binding that the program makes, in whatever stack; gone after."""
    bodies = made()
    try:
        apply(plane, bodies)
        yield plane
    finally:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        plane.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text)


def served(plane: Plane) -> list[tuple[str, str, bool]]:
    """Group, resource (subresources too) and whether it has namespaces, for all that the server serves."""
    paths = {"": "/api/v1"}
    for group in plane.request("GET", "/apis")["groups"]:
        paths[group["name"]] = f"/apis/{group['preferredVersion']['groupVersion']}"
    return [
        (group, row["name"], row["namespaced"])
        for group, path in paths.items()
        for row in plane.request("GET", path)["resources"]
    ]


def may(
    plane: Plane, user: str, namespace: str, group: str, resource: str, verb: str, name: str = ""
) -> bool:
    resource, _, part = resource.partition("/")
    attributes = {"group": group, "resource": resource, "verb": verb, "namespace": namespace, "name": name}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {**attributes, "subresource": part},
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(plane.request("POST", path, body)["status"].get("allowed"))


def found_rights(plane: Plane, account: str) -> set[Right]:
    """Of all questions those that are answered with yes, and not for everybody."""
    user = f"system:serviceaccount:{account.replace('/', ':')}"
    own_namespace = account.partition("/")[0]
    questions = [(*row, verb) for row in served(plane) for verb in VERBS]
    questions += [(group, resource, False, verb) for group, resource, verb in POWERS]
    found: set[Right] = set()
    for group, resource, _, verb in questions:
        if may(plane, NOBODY, "", group, resource, verb):
            continue
        if may(plane, user, "", group, resource, verb):
            found.add((EVERYWHERE, group, resource, verb, ""))
            continue
        for namespace in ("kube-system", own_namespace):
            if may(plane, user, namespace, group, resource, verb):
                found.add((namespace, group, resource, verb, ""))
    return found


@pytest.mark.parametrize("account", sorted(documented()))
def test_an_account_may_do_what_its_row_says_and_nothing_else(bound: Plane, account: str) -> None:
    user = f"system:serviceaccount:{account.replace('/', ':')}"
    expected = documented()[account]
    of_any_name = {right for right in expected if not right[4]}
    assert found_rights(bound, account) == of_any_name
    for where, group, resource, verb, name in expected - of_any_name:
        assert may(bound, user, where, group, resource, verb, name)
        assert not may(bound, user, where, group, resource, verb, "another")
        assert not may(bound, user, "default", group, resource, verb, name)


def test_every_account_with_a_right_has_a_row() -> None:
    assert accounts("bound") == set(documented())


def test_all_other_accounts_have_no_right_that_nobody_has(bound: Plane) -> None:
    def listed(account: str) -> str:
        namespace, _, name = account.partition("/")
        user = f"--as=system:serviceaccount:{namespace}:{name}"
        return bound.kubectl("auth", "can-i", "--list", user, "-n", namespace)

    others = sorted(accounts("made") - accounts("bound"))
    assert len(others) > 10
    assert {listed(account) for account in others} == {listed("nowhere/nobody")}
