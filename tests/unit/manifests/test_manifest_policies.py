"""The project's own policy pack has nothing mandatory to say about our objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sophia_policies.plain import Resource
from sophia_policies.registry import RULES
from sophia_policies.rule import Finding, ResourceRule, Situation

from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.sites import CHECKOUT, Site, row, site_of, sites, with_digests

STRICT = json.loads((CHECKOUT / "policies/config/production.json").read_text(encoding="utf-8"))
SETTINGS: dict[str, dict[str, Any]] = {
    "secrets-by-external-secret": {"allowed": ["pulumi-esc-token"]},
    "gpu-capacity": {"shares": {"A6000": 2}},
    "gpu-quota": {"shares": {"A6000": 2}},
}
WITHOUT_DIGESTS = frozenset({"image-digest"})


def as_resources(site: Site) -> Iterator[Resource]:
    """As the engine would register them, machines first."""
    for node in site.cluster.nodes:
        props = {"instance_type": node.instance_type, "region": node.region}
        kind = "pulumi-python:dynamic/lambda:Instance"
        yield Resource(kind, node.name, props, f"urn:{node.name}", True)
    for item in site.manifests:
        group = item.body["apiVersion"]
        token = group if "/" in group else f"core/{group}"
        suffix = "Patch" if item.is_patch else ""
        yield Resource(f"kubernetes:{token}:{item.kind}{suffix}", item.name, item.body, f"urn:{item.name}")


def violations(site: Site, skip: frozenset[str] = WITHOUT_DIGESTS) -> list[str]:
    """What stops a production update, of the rules that look at Kubernetes objects."""
    resources = list(as_resources(site))
    found = []
    for rule in RULES:
        level = STRICT.get(rule.name, rule.level)
        if level != "mandatory" or rule.name in skip:
            continue
        situation = Situation(
            today=date(2026, 11, 24),
            stack="production",
            settings={**rule.defaults, **SETTINGS.get(rule.name, {})},
            stack_config=None,
            seen=resources,
            waivers=(),
        )
        said: list[tuple[Resource | None, Finding]]
        if isinstance(rule, ResourceRule):
            said = [
                (resource, finding)
                for resource in resources
                if resource.type.startswith("kubernetes:") and rule.applies(resource)
                for finding in rule.check(resource, situation)
            ]
        else:
            said = [(None, finding) for finding in rule.check(resources, situation)]
        found += [
            f"{rule.name}: {resource.name if resource else ''} {finding.text}"
            for resource, finding in said
            if finding.kind == "violation"
        ]
    return found


@pytest.mark.parametrize("stack", ["local", "production", "production-keda", "local-logs"])
def test_the_pack_is_silent_about_a_stack(stack: str) -> None:
    assert [sentence for site in sites(stack) for sentence in violations(site)] == []


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sections())
def test_the_pack_is_silent_about_any_section(section: dict[str, object]) -> None:
    site = site_of(section)
    skip = WITHOUT_DIGESTS if "A6000" in site.kube.gpu_sharing else WITHOUT_DIGESTS | {"gpu-quota"}
    assert violations(site, skip) == []


def test_the_pack_speaks_when_an_object_is_wrong() -> None:
    site = site_of({"workloads": {"web": row(replicas=2)}})
    assert violations(site) == []
    body = site.one("Deployment", "web")
    body["spec"]["template"]["spec"]["containers"][0].pop("livenessProbe")
    body["spec"]["template"]["metadata"]["labels"].pop("team")
    found = violations(site)
    assert any("probes" in sentence for sentence in found)
    assert any("cost-labels" in sentence for sentence in found)


def test_digests_satisfy_the_strictest_image_rule() -> None:
    (site,) = sites("local")
    assert any("image-digest" in sentence for sentence in violations(site, frozenset()))
    assert violations(with_digests(site), frozenset()) == []
