"""What is wrong about clusters, machines and roles, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import LLM, SECTION

CASES = [
    Case(
        "a misspelled key",
        (((SECTION, "topolgy"), "overlay"),),
        (
            "topolgy: is not a known key, did you mean topology?; allowed: cluster, "
            "kubeconfig_env, topology, primary_region, first_phase, server, k3s_version, "
            "api_sources, gpu_operator, gpu_sharing, node_roles, autoscaling, namespaces, storage_class, "
            "shared_storage_classes, images, ingress, secrets, training, monitoring, forecaster, scaler, "
            "shared_ports, workloads_file, workloads, databases"
        ),
    ),
    Case(
        "a topology that does not exist",
        (((SECTION, "topology"), "federated"),),
        ('topology: "federated" is not a topology; allowed: per_region, overlay'),
    ),
    Case(
        "a k3s release of another minor",
        (((SECTION, "k3s_version"), "v1.37.0+k3s1"),),
        ('k3s_version: "v1.37.0+k3s1" is not a release of k3s 1.36; allowed: v1.36.<patch>+k3s<number>'),
    ),
    Case(
        "a source with bits behind its prefix",
        (((SECTION, "api_sources"), ["203.0.113.7/24"]),),
        (
            'api_sources[0]: "203.0.113.7/24" has bits behind its prefix; allowed: '
            '"203.0.113.0/24", "203.0.113.7/32"'
        ),
    ),
    Case(
        "a kubeconfig for a cluster that makes its own",
        (((SECTION, "kubeconfig_env"), "KUBECONFIG"),),
        (
            'kubeconfig_env: "KUBECONFIG" goes only with cluster existing: a joined cluster '
            "makes its own kubeconfig"
        ),
    ),
    Case(
        "a path instead of the variable with it instead of the variable",
        (
            ((SECTION, "cluster"), "existing"),
            ((SECTION, "topology"), "per_region"),
            ((SECTION, "kubeconfig_env"), "/home/me/.kube/config"),
        ),
        (
            "kubeconfig_env: (hidden) is not the name of an environment variable (is it the key "
            "itself?); allowed: upper-case letters, digits and _, for example "
            "SOPHIA_INFERENCE_KEY"
        ),
    ),
    Case(
        "a topology for a cluster that exists",
        (((SECTION, "cluster"), "existing"),),
        ('topology: "overlay" goes only with cluster joined: an existing cluster is as it is'),
    ),
    Case(
        "a primary region for one cluster",
        (((SECTION, "primary_region"), "us-south-1"),),
        (
            'primary_region: "us-south-1" goes only with topology per_region: an overlay is one '
            "cluster; server places it"
        ),
    ),
    Case(
        "a primary region without machines",
        (
            ((SECTION, "topology"), "per_region"),
            ((SECTION, "primary_region"), "us-west-1"),
            ((*LLM, "gpu"), None),
        ),
        ('primary_region: "us-west-1" has no machine that joins a cluster; allowed: us-east-3, us-south-1'),
    ),
    Case(
        "a server that is no machine",
        (((SECTION, "server"), "smal"),),
        ('server: "smal" is not in sophia:fleet, did you mean small?; allowed: core, small, shared, data'),
    ),
    Case(
        "a server of another cluster",
        (((SECTION, "topology"), "per_region"), ((SECTION, "server"), "core")),
        (
            'server: "core" is not in sophia-us-south-1, the primary cluster: name one of its '
            "machines, or its region as primary_region; allowed: small, shared, data"
        ),
    ),
    Case(
        "a server that is adopted",
        (((SECTION, "server"), "small"), (("sophia:fleet", "small", "adopt"), {"name": "small"})),
        ('server: "small" is adopted: it booted long ago, so that cloud-init cannot join it'),
    ),
    Case(
        "roles of no machine",
        (((SECTION, "node_roles"), {"cor": ["training"]}),),
        (
            'node_roles.cor: "cor" is not in sophia:fleet, did you mean core?; allowed: core, '
            "small, shared, data"
        ),
    ),
    Case(
        "roles as the plan writes them",
        (((SECTION, "node_roles"), {"data": "training,large-inference"}),),
        (
            'node_roles.data: "training,large-inference" has a comma, which no label value may '
            "have: each role becomes a label of its own, with the value true; allowed: a list: "
            "[training, large-inference]"
        ),
    ),
    Case(
        "a role with a comma",
        (((SECTION, "node_roles"), {"data": ["training,large-inference"]}),),
        (
            "node_roles.data: has a comma, which no label value may have: each role becomes a "
            "label of its own, with the value true; allowed: a list: [training, large-inference]"
        ),
    ),
    Case(
        "a role with capitals",
        (((SECTION, "node_roles"), {"data": ["Training"]}),),
        ("node_roles.data: has no name as role 1; allowed: lower-case letters, digits and hyphens, up to 63"),
    ),
    Case(
        "a role twice",
        (((SECTION, "node_roles"), {"data": ["training", "training"]}),),
        ("node_roles.data: names role 2 twice"),
    ),
    Case(
        "only adopted machines",
        (
            (("sophia:fleet", "core", "adopt"), {"name": "core"}),
            (("sophia:fleet", "small", "adopt"), {"name": "small"}),
            (("sophia:fleet", "shared", "adopt"), {"name": "shared"}),
            (("sophia:fleet", "data", "adopt"), {"name": "data"}),
        ),
        (
            'cluster: "joined" has no machine to join: cloud-init runs at the first boot, and '
            "every machine of the fleet is adopted or of a later phase; allowed: existing, with "
            "a kubeconfig; or a machine that this stack launches"
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()
