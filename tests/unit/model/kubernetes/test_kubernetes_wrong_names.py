"""What is wrong about ports, names and references, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, LLM, REMOVED, SECTION

CASES = [
    Case(
        "a duplicate port",
        (((*LLM, "ports"), {"http": 5432}),),
        (
            "databases.store.port: 5432 is the port of llm in sophia-ai-prod already; allowed: "
            "for example 5433, or list it in shared_ports"
        ),
    ),
    Case(
        "two workloads on one port",
        (
            (
                (SECTION, "workloads", "more"),
                {"image": "a/b:1", "ports": {"http": 8080}, "cpu": 1, "memory": "1Gi"},
            ),
        ),
        (
            "workloads.more.ports.http: 8080 is the port of llm in sophia-ai-prod already; "
            "allowed: for example 8081, or list it in shared_ports"
        ),
    ),
    Case(
        "a port twice in one workload",
        (((*API, "ports"), {"http": 8000, "metrics": 8000}),),
        ("workloads.api.ports.metrics: 8000 is the port http already"),
    ),
    Case(
        "no port at all",
        (((*API, "ports"), {}),),
        ("workloads.api.ports: is empty; probes ask a port; allowed: http: 8000"),
    ),
    Case(
        "a port that does not exist",
        (((*API, "ports", "http"), 70000),),
        ("workloads.api.ports.http: 70000 is out of range; allowed: a whole number from 1 to 65535"),
    ),
    Case(
        "a service port of nobody",
        (((*API, "service_ports"), {"htp": 80}),),
        ("workloads.api.service_ports.htp: 80 is not in ports, did you mean http?; allowed: http, metrics"),
    ),
    Case(
        "two ports on one service port",
        (((*API, "service_ports"), {"http": 9090}),),
        ("workloads.api.service_ports.http: 9090 is the port of metrics already"),
    ),
    Case(
        "a health port of nobody",
        (((*API, "health"), {"port": "htp"}),),
        ('workloads.api.health.port: "htp" is not in ports, did you mean http?; allowed: http, metrics'),
    ),
    Case(
        "a name too long",
        (
            (
                (SECTION, "workloads", "x" * 46),
                {"image": "a/b:1", "ports": {"http": 9000}, "cpu": 1, "memory": "1Gi"},
            ),
        ),
        (
            "workloads.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: is a name of 46 "
            "characters: objects made from it get suffixes and may have 63; allowed: at most 45 "
            "characters"
        ),
    ),
    Case(
        "a name with capitals",
        (
            (
                (SECTION, "workloads", "Api"),
                {"image": "a/b:1", "ports": {"http": 9000}, "cpu": 1, "memory": "1Gi"},
            ),
        ),
        (
            'workloads.Api: "Api" is not a name; allowed: lower-case letters, digits and '
            "hyphens, first a letter, last no hyphen"
        ),
    ),
    Case(
        "a claim name too long",
        (((*API, "volumes"), {"v" * 60: {"mount": "/data", "size": "1Gi"}}),),
        (
            "workloads.api.volumes.vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv: "
            "makes a claim of the name "
            "api-vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv, which has 64 "
            "characters; allowed: at most 59 characters for the volume"
        ),
    ),
    Case(
        "one name for a workload and a database",
        (
            (
                (SECTION, "databases", "api"),
                {"kind": "qdrant", "image": "a/b:1", "storage": "1Gi", "cpu": 1, "memory": "1Gi"},
            ),
        ),
        ("databases.api: is the name of a workload already; each has a Service"),
    ),
    Case(
        "a partner that does not exist",
        (((*API, "talks_to"), ["stor"]),),
        (
            'workloads.api.talks_to[0]: "stor" is neither a workload nor a database, did you '
            "mean store?; allowed: api, llm, store"
        ),
    ),
    Case(
        "a partner that is the workload itself",
        (((*API, "talks_to"), ["api"]),),
        ('workloads.api.talks_to[0]: "api" is the workload itself'),
    ),
    Case(
        "a partner that is switched off",
        (((*LLM, "enabled"), False),),
        ('workloads.api.talks_to[0]: "llm" is not enabled: enable it, or do not talk to it'),
    ),
    Case(
        "a namespace that is not declared",
        (((*API, "namespace"), "sophia-ai"),),
        (
            'workloads.api.namespace: "sophia-ai" is not in sophia:kubernetes.namespaces, did '
            "you mean sophia-ai-prod?; allowed: sophia-ai-prod"
        ),
    ),
    Case(
        "a namespace of Kubernetes",
        (((SECTION, "namespaces"), {"sophia-ai-prod": {}, "kube-system": {}}),),
        ("namespaces.kube-system: is not for workloads: kube-system belongs to Kubernetes or to an operator"),
    ),
    Case(
        "a route without ingress",
        (((SECTION, "ingress"), REMOVED),),
        (
            "workloads.api.ingress: needs sophia:kubernetes.ingress, which says the domain and "
            "the IngressClass"
        ),
    ),
    Case(
        "two routes that are the same",
        (((*LLM, "ingress"), {"host": "api"}),),
        ('workloads.llm.ingress.host: "api" leads to api already, with the same path /'),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()
