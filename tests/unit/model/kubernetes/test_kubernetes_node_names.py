"""What a machine is called as a node: each generation is a node of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.model.kubernetes import place
from sophia_infra.model.kubernetes.nodes import node_name
from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_stacks import REMOVED, SECTION, Change, stack_of

FLEET = "sophia:fleet"
SECOND: Change = ((FLEET, "small", "generation"), 2)


def test_each_generation_of_a_machine_is_a_node_of_its_own() -> None:
    """A cluster keeps a node's name for the machine that joined with it first."""
    stack = stack_of(SECOND, ((FLEET, "data", "generation"), 11), ((SECTION, "server"), "small"))
    (cluster,) = place(stack).clusters.values()
    assert {node.machine: node.name for node in cluster.nodes} == {
        "core": "core",
        "small": "small-2",
        "shared": "shared",
        "data": "data-11",
    }
    assert cluster.server == "small", "the server is known by its machine"
    assert [node.name for node in cluster.nodes if node.is_server] == ["small-2"]
    assert all(node.labels["sophia.internal/instance"] == node.machine for node in cluster.nodes)


def test_nodes_of_an_existing_cluster_are_called_as_in_the_fleet() -> None:
    stack = stack_of(((SECTION, "cluster"), "existing"), ((SECTION, "topology"), REMOVED), SECOND)
    (cluster,) = place(stack).clusters.values()
    assert [node.name for node in cluster.nodes] == ["core", "small", "shared", "data"]


def test_warnings_and_refusals_name_machines_as_the_file_does() -> None:
    assert any("port 6443 of small, the server of sophia," in line for line in stack_of(SECOND).warnings)
    with pytest.raises(ConfigError, match=r'server: "core" is not in .*; allowed: small, shared, data$'):
        stack_of(
            SECOND,
            ((SECTION, "topology"), "per_region"),
            ((SECTION, "workloads", "api", "talks_to"), ["store"]),
            ((SECTION, "server"), "core"),
        )


NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@given(name=NAMES, generation=st.integers(2, 1_000_000))
def test_a_node_name_is_a_label_value_and_ends_in_its_generation(name: str, generation: int) -> None:
    made = node_name(name, generation)
    assert re.fullmatch(rf"[a-z][a-z0-9-]*-{generation}", made)
    assert len(made) <= 63
    assert (made == f"{name}-{generation}") is (len(f"{name}-{generation}") <= 63)


def test_long_names_that_begin_alike_stay_apart() -> None:
    names = {node_name("a" * 62 + last, generation) for last in "bcd" for generation in (2, 3)}
    assert len(names) == 6
    assert {len(name) for name in names} == {63}


def test_a_generation_that_takes_another_machines_name_is_refused() -> None:
    twin: Change = ((FLEET, "data-2"), {"type": "1xA10", "region": "us-south-1", "purpose": "test"})
    stack_of(twin)
    with pytest.raises(ConfigError) as caught:
        stack_of(twin, ((FLEET, "data", "generation"), 2))
    assert str(caught.value) == (
        "Pulumi.test.yaml sophia:fleet.data.generation: 2 gives its node the name data-2, another machine's; "
        "raise it further"
    )
    stack_of(twin, ((FLEET, "data", "generation"), 3))
