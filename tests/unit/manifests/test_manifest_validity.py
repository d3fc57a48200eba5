"""Every object is one that the API server takes: by Kubernetes' own schemas, and by those of the charts."""

from __future__ import annotations

import json
import re

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings

from sophia_infra.charts import check_custom_object, check_values, is_custom_object
from sophia_infra.manifests import Manifest, NameTaken, check_names
from sophia_infra.manifests.names import bounded
from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.kubernetes_schemas import schema_problems
from tests.unit.manifests.sites import STACKS, TOKEN, Site, all_sites, row, site_of, sites

FEW = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def wrong(site: Site) -> list[str]:
    """What the schemas say about each object and release."""
    found: list[str] = []
    for release in site.releases:
        found += check_values(release.chart, release.values)
    for item in site.manifests:
        if item.is_patch:
            continue
        if is_custom_object(item.body):
            found += check_custom_object(item.body)
            continue
        found += [f"{item.name}: {problem}" for problem in schema_problems(item.body)]
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_the_schemas_take_every_object_of_a_stack(stack: str) -> None:
    assert [sentence for site in sites(stack) for sentence in wrong(site)] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_package_itself_agrees_about_one_object_of_each_kind() -> None:
    (site,) = sites("local")
    for body in {item.kind: item.body for item in site.manifests if not item.is_patch}.values():
        if not is_custom_object(body):
            kubernetes_validate.validate(body, "1.36", strict=True)


@FEW
@given(sections())
def test_the_schemas_take_every_object_of_any_section(section: dict[str, object]) -> None:
    assert wrong(site_of(section)) == []


def test_an_object_with_an_unknown_field_is_found() -> None:
    site = sites("local")[0]
    body = site.one("Deployment", "sophia-backend")
    assert wrong(site) == []
    body["spec"]["replica"] = 1
    try:
        assert any("replica" in sentence for sentence in wrong(site))
    finally:
        del body["spec"]["replica"]


@FEW
@given(sections())
def test_names_are_unique_short_and_lower_case(section: dict[str, object]) -> None:
    site = site_of(section)
    seen = set()
    for item in site.manifests:
        metadata = item.body["metadata"]
        limit = 52 if item.kind == "CronJob" else 63
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", metadata["name"]), metadata["name"]
        assert len(metadata["name"]) <= limit
        seen.add((item.kind, metadata.get("namespace"), metadata["name"]))
    assert len(seen) == len(site.manifests)
    assert len({(type(item), getattr(item, "kind", ""), item.name) for item in site.items}) == len(site.items)


def test_a_name_that_is_too_long_stays_unique_and_the_same() -> None:
    long = "a" * 70
    assert bounded("a" * 63) == "a" * 63
    assert len(bounded(long)) == 63
    assert bounded(long) == bounded(long)
    assert bounded(long + "b") != bounded(long + "c")
    assert re.fullmatch("a+-[0-9a-f]{8}", bounded("a" * 53 + "-" * 20))
    assert len(bounded(long, 52)) == 52


def test_every_item_follows_only_what_stands_before_it() -> None:
    for site in all_sites():
        before: set[str] = set()
        for item in site.items:
            missing = set(item.after) - before
            assert not missing, f"{item.name} follows {missing}"
            before.add(item.name)


def test_what_lives_in_a_namespace_follows_it() -> None:
    for site in all_sites():
        namespaces = {body["metadata"]["name"] for body in site.of("Namespace")}
        names = {item.metadata["name"]: item.name for item in site.manifests if item.kind == "Namespace"}
        followers = {item.name: set(item.after) for item in site.items}
        for item in site.manifests:
            namespace = item.metadata.get("namespace")
            if namespace in (None, "kube-system"):
                continue
            assert namespace in namespaces
            reach, frontier = set(), {item.name}
            while frontier:
                reach |= frontier
                frontier = set().union(*(followers.get(name, set()) for name in frontier)) - reach
            assert names[namespace] in reach, item.name


def test_phase_1_holds_the_operator_and_labels_only() -> None:
    (site,) = sites("local")
    first = site.objects.up_to(1)
    kinds = {item.kind if isinstance(item, Manifest) else item.chart for item in first}
    assert kinds == {"Namespace", "gpu-operator", "Node"}
    assert site.items[: len(first)] == first


def test_the_same_stack_gives_the_same_text_each_time() -> None:
    sites.cache_clear()
    first = json.dumps([item.body for site in all_sites() for item in site.manifests])
    sites.cache_clear()
    assert json.dumps([item.body for site in all_sites() for item in site.manifests]) == first


def test_the_token_shows_in_no_text_of_an_item() -> None:
    (site,) = sites("local")
    assert all(TOKEN not in repr(item) for item in site.items)
    (secret,) = site.of("Secret")
    assert secret["metadata"]["name"] == "pulumi-esc-token"
    assert secret["stringData"] == {"token": TOKEN}


def test_a_workload_that_hits_the_name_of_a_backup_is_refused() -> None:
    section = {
        "namespaces": {"apps": {}},
        "workloads": {"db-backup": row(namespace="apps")},
        "databases": {
            "db": {
                "kind": "postgres",
                "namespace": "apps",
                "image": "ghcr.io/sophia/db:1.0",
                "storage": "1Gi",
                "cpu": "100m",
                "memory": "128Mi",
                "backup": {"size": "1Gi"},
            }
        },
    }
    with pytest.raises(NameTaken, match=r"would both be .*db-backup.*nothing was sent to the cluster"):
        site_of(section)


def test_names_are_checked_within_kind_and_namespace() -> None:
    def named(kind: str, namespace: str, logical: str) -> Manifest:
        return Manifest(logical, {"kind": kind, "metadata": {"name": "x", "namespace": namespace}})

    check_names([named("Service", "a", "1"), named("Service", "b", "2"), named("Secret", "a", "3")])
    with pytest.raises(NameTaken, match="Service x in namespace a"):
        check_names([named("Service", "a", "1"), named("Service", "a", "2")])
    with pytest.raises(NameTaken, match="the resource 1"):
        check_names([named("Service", "a", "1"), named("Service", "b", "1")])
