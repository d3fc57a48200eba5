"""Cases of the rules about what the world may reach."""

from __future__ import annotations

from typing import Any

from sophia_policies.plain import Resource

from tests.unit.policies.policy_cases import UNKNOWN, Case, kube, machine

WORLD = "0.0.0.0/0"


def ruleset(*rules: Any, region: Any = "us-east-3") -> Resource:
    listed: Any = rules[0] if len(rules) == 1 and not isinstance(rules[0], dict) else list(rules)
    return Resource(
        "pulumi-python:dynamic/lambda:FirewallRuleset", "web", {"region": region, "rules": listed}, "urn:web"
    )


def allow(source: Any, ports: Any, protocol: Any = "tcp") -> dict[str, Any]:
    return {"protocol": protocol, "source": source, "ports": ports}


def service(port: Any, *, kind: Any = "LoadBalancer", sources: Any = None, target: Any = None) -> Resource:
    spec: dict[str, Any] = {
        "type": kind,
        "ports": [{"port": port, "targetPort": port if target is None else target}],
    }
    if sources is not None:
        spec["loadBalancerSourceRanges"] = sources
    return kube("core/v1:Service", "db", spec=spec)


CASES = (
    Case("no-world-open-port", "pass", "SSH from an office", [ruleset(allow("203.0.113.0/24", [22, 22]))]),
    Case("no-world-open-port", "pass", "HTTPS for everybody", [ruleset(allow(WORLD, [443, 443]))]),
    Case(
        "no-world-open-port",
        "fail",
        "SSH",
        [ruleset(allow(WORLD, [22, 22]))],
        [("violation", "22 (SSH) by tcp")],
    ),
    Case(
        "no-world-open-port",
        "fail",
        "a range that holds databases",
        [ruleset(allow(WORLD, [5000, 6400]))],
        [("violation", "5432 (PostgreSQL), 6333 (Qdrant), 6334 (Qdrant gRPC), 6379 (Redis)")],
    ),
    Case(
        "no-world-open-port",
        "fail",
        "half of the world is the world",
        [ruleset(allow("128.0.0.0/1", [22, 22]))],
        [("violation", "128.0.0.0/1")],
    ),
    Case(
        "no-world-open-port",
        "boundary",
        "8 fixed bits are a network",
        [ruleset(allow("10.0.0.0/8", [22, 22]))],
    ),
    Case(
        "no-world-open-port",
        "boundary",
        "7 are not",
        [ruleset(allow("10.0.0.0/7", [22, 22]))],
        [("violation", "22")],
    ),
    Case("no-world-open-port", "boundary", "ends of a range", [ruleset(allow(WORLD, [23, 2378]))]),
    Case("no-world-open-port", "boundary", "icmp has no ports", [ruleset(allow(WORLD, None, "icmp"))]),
    Case(
        "no-world-open-port",
        "fail",
        "no ports means all",
        [ruleset(allow(WORLD, None, "all"))],
        [("violation", "22 (SSH)")],
    ),
    Case(
        "no-world-open-port",
        "fail",
        "own list",
        [ruleset(allow(WORLD, [443, 443]))],
        [("violation", "443")],
        {"ports": [443]},
    ),
    Case("no-world-open-port", "unknown", "rules", [ruleset(UNKNOWN)], [("cannot_tell", "firewall rule")]),
    Case(
        "no-world-open-port",
        "unknown",
        "source",
        [ruleset(allow(UNKNOWN, [22, 22]))],
        [("cannot_tell", "rule")],
    ),
    Case(
        "no-world-open-port",
        "unknown",
        "an unknown end of a range counts as open",
        [ruleset(allow(WORLD, [1, UNKNOWN]))],
        [("violation", "22 (SSH)")],
    ),
    Case("no-world-open-service", "pass", "a ClusterIP", [service(5432, kind="ClusterIP")]),
    Case("no-world-open-service", "pass", "with sources", [service(5432, sources=["203.0.113.0/24"])]),
    Case("no-world-open-service", "pass", "HTTPS", [service(443)]),
    Case(
        "no-world-open-service", "fail", "a database", [service(5432)], [("violation", "5432 (PostgreSQL)")]
    ),
    Case(
        "no-world-open-service",
        "boundary",
        "behind port 80",
        [service(80, target=6379)],
        [("violation", "6379")],
    ),
    Case(
        "no-world-open-service",
        "boundary",
        "all as a source",
        [service(22, sources=[WORLD])],
        [("violation", "22")],
    ),
    Case(
        "no-world-open-service",
        "unknown",
        "type",
        [service(22, kind=UNKNOWN)],
        [("cannot_tell", "everybody")],
    ),
    Case("no-world-open-service", "unknown", "ports", [service(UNKNOWN)], [("cannot_tell", "ports")]),
    Case("load-balancer-sources", "pass", "named", [service(443, sources=["203.0.113.0/24"])]),
    Case("load-balancer-sources", "fail", "none", [service(443)], [("violation", "open to everybody")]),
    Case("load-balancer-sources", "boundary", "a NodePort is none", [service(443, kind="NodePort")]),
    Case(
        "load-balancer-sources",
        "unknown",
        "sources",
        [service(443, sources=UNKNOWN)],
        [("cannot_tell", "everybody")],
    ),
    Case("firewall-not-applied", "pass", "elsewhere", [ruleset(), machine("a")]),
    Case(
        "firewall-not-applied",
        "fail",
        "a ruleset in us-south-1",
        [ruleset(region="us-south-1")],
        [("violation", "does not apply firewall rules in us-south-1")],
    ),
    Case(
        "firewall-not-applied",
        "boundary",
        "machines there are named once, fallbacks included",
        [machine("a", region="us-south-1"), machine("b", fallbacks=[{"region": "us-south-1"}])],
        [("note", "a, b: no firewall of Lambda's")],
    ),
    Case(
        "firewall-not-applied",
        "unknown",
        "unknown regions",
        [ruleset(region=UNKNOWN), machine("a", region=UNKNOWN)],
        [("cannot_tell", "ruleset"), ("cannot_tell", "the region of a")],
    ),
)
