"""What is allowed, and will not do what it looks like."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_stacks import API, LLM, REMOVED, SECTION, Change, stack_of

FLEET = "sophia:fleet"
WEST: Change = (
    (FLEET, "west"),
    {"type": "cpu_4x_general", "region": "us-west-1", "purpose": "the server of the tests"},
)
QUIET: tuple[Change, ...] = (WEST, ((SECTION, "server"), "west"))
"""A server where Lambda applies firewall rules, so that nothing else is warned of."""


def test_a_right_stack_on_a_guarded_server_is_quiet() -> None:
    assert stack_of(*QUIET).warnings == ()


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        (
            (),
            "sophia:kubernetes: port 6443 of small, the server of sophia, is open to the network: "
            "Lambda applies no firewall rules in us-south-1; only its certificates protect it",
        ),
        (
            (((SECTION, "api_sources"), ["203.0.113.0/24"]),),
            "sophia:kubernetes: port 6443 of small, the server of sophia, is open to the network: "
            "Lambda applies no firewall rules in us-south-1 and api_sources has no effect; only its "
            "certificates protect it",
        ),
        (
            (*QUIET, ((FLEET, "data", "adopt"), {"name": "data"})),
            "sophia:kubernetes.cluster: data cannot join: adopted machines booted long ago, and cloud-init "
            "runs at the first boot; replace them, or join them by hand and use cluster existing",
        ),
        (
            (
                *QUIET,
                ((SECTION, "first_phase"), 2),
                *(((FLEET, name, "phase"), 2) for name in ("west", "core")),
            ),
            "sophia:kubernetes.first_phase: small, shared, data of an earlier phase join only at a new "
            "launch: raise their generation if they run already",
        ),
        (
            (*QUIET, ((FLEET, "data", "fallbacks"), [{"type": "1xA10"}])),
            "sophia:fleet.data.fallbacks: places were counted for A100; on another GPU model the pods that "
            "choose it stay pending",
        ),
        (
            (
                *QUIET,
                (("sophia:phase",), 1),
                (
                    (SECTION, "images"),
                    {"require_digest": True, "digests": {"sophia/api:1.0.0": "sha256:" + "a" * 64}},
                ),
            ),
            "sophia:kubernetes.images.require_digest: 2 images have no digest yet; phase 2 refuses them",
        ),
    ],
    ids=["an open API", "sources without effect", "adopted", "too early", "another GPU", "no digests yet"],
)
def test_it_is_said(changes: tuple[Change, ...], warning: str) -> None:
    assert stack_of(*changes).warnings == (warning,)


def test_regions_apart_are_said_to_be_apart() -> None:
    warnings = stack_of(
        WEST,
        ((SECTION, "topology"), REMOVED),
        ((SECTION, "primary_region"), "us-west-1"),
        ((*API, "replicas"), 1),
        ((*API, "cpu"), "0.5"),
        ((SECTION, "databases", "store", "cpu"), "0.5"),
        ((FLEET, "data", "fallbacks"), [{"region": "us-west-2"}]),
    ).warnings
    assert [warning.split(":")[1] for warning in warnings] == [
        "kubernetes",
        "kubernetes",
        "fleet.data.fallbacks",
        "kubernetes.workloads.api.talks_to",
    ]
    assert "every machine of sophia-us-east-3 is arm64" in warnings[0]
    assert "the server of sophia-us-south-1, is open to the network" in warnings[1]
    assert "joins the cluster of us-south-1 across the internet" in warnings[2]
    assert "llm: in another cluster than api (sophia-us-west-1)" in warnings[3]


def test_nothing_is_said_before_the_first_phase() -> None:
    assert stack_of((("sophia:phase",), 1), ((SECTION, "first_phase"), 2)).warnings == ()


def test_an_existing_cluster_is_not_warned_of() -> None:
    changes: tuple[Change, ...] = (((SECTION, "cluster"), "existing"), ((SECTION, "topology"), REMOVED))
    assert stack_of(*changes, ((*LLM, "enabled"), True)).warnings == ()
