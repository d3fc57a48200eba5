"""What the whole world may reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Any

from sophia_infra.model.catalogue import REGIONS_WITHOUT_FIREWALL
from sophia_infra.model.resource_tokens import kind_of
from sophia_policies.kubernetes import is_kind, object_name
from sophia_policies.machines import machines_of
from sophia_policies.plain import UNKNOWN, Resource, entries, is_unknown, read, text_of
from sophia_policies.rule import (
    Finding,
    ResourceRule,
    Setting,
    Situation,
    StackRule,
    cannot_tell,
    note,
    violation,
)

__all__ = ["RULES"]

# A network with fewer fixed bits than this is everybody: half the Internet is not a narrower source.
_EVERYBODY_BELOW_BITS = 8

_CLOSED_PORTS = {
    22: "SSH",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    6333: "Qdrant",
    6334: "Qdrant gRPC",
    6379: "Redis",
    8123: "ClickHouse",
    9200: "Elasticsearch",
    11211: "Memcached",
    26379: "Redis Sentinel",
    27017: "MongoDB",
}
_PORTS_SETTING = {
    "ports": Setting(
        {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
        sorted(_CLOSED_PORTS),
        "that are never open to everybody",
    )
}


def _is_everybody(source: str) -> bool:
    try:
        return IPv4Network(source, strict=False).prefixlen < _EVERYBODY_BELOW_BITS
    except (AddressValueError, NetmaskValueError, ValueError):
        return False


def _named(port: int) -> str:
    return f"{port} ({_CLOSED_PORTS[port]})" if port in _CLOSED_PORTS else str(port)


def _is_ruleset(resource: Resource) -> bool:
    return kind_of(resource.type) == "FirewallRuleset"


def _check_firewall(resource: Resource, situation: Situation) -> Iterator[Finding]:
    for rule in entries(resource.props.get("rules")):
        source, protocol, ports = (read(rule, part) for part in ("source", "protocol", "ports"))
        if is_unknown(rule) or is_unknown(source) or is_unknown(ports) or is_unknown(protocol):
            yield cannot_tell("a firewall rule is not known")
            continue
        if not _is_everybody(text_of(source)) or protocol == "icmp":
            continue
        opened = [port for port in situation.settings["ports"] if _holds(ports, port)]
        if opened:
            yield violation(
                f"{source} may reach port {', '.join(_named(port) for port in opened)} by {protocol}"
            )


def _holds(ports: Any, port: int) -> bool:
    """Whether a rule's `ports` ([low, high]; none means all) hold `port`; an unknown end counts as open."""
    if not isinstance(ports, (list, tuple)) or len(ports) != 2:
        return True
    low, high = ports
    return (is_unknown(low) or low <= port) and (is_unknown(high) or port <= high)


def _is_service(resource: Resource) -> bool:
    return is_kind(resource, "core", "Service")


def _open_balancer(resource: Resource) -> Any:
    """Whether a Service is a load balancer that everybody may reach; UNKNOWN when not known."""
    kind = read(resource.props, "spec", "type")
    if is_unknown(kind):
        return UNKNOWN
    if kind != "LoadBalancer":
        return False
    sources = list(entries(read(resource.props, "spec", "loadBalancerSourceRanges")))
    if any(is_unknown(source) for source in sources):
        return UNKNOWN
    return not sources or any(_is_everybody(text_of(source)) for source in sources)


def _check_balancer_ports(resource: Resource, situation: Situation) -> Iterator[Finding]:
    is_open = _open_balancer(resource)
    if is_unknown(is_open):
        yield cannot_tell("whether everybody may reach it is not known")
        return
    if not is_open:
        return
    for row in entries(read(resource.props, "spec", "ports")):
        port, target = read(row, "port"), read(row, "targetPort")
        if is_unknown(row) or is_unknown(port) or is_unknown(target):
            yield cannot_tell("its ports are not known")
            continue
        closed = [value for value in (port, target) if value in situation.settings["ports"]]
        if closed:
            yield violation(f"Service {object_name(resource)} opens port {_named(closed[0])} to everybody")


def _check_balancer_sources(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    is_open = _open_balancer(resource)
    if is_unknown(is_open):
        yield cannot_tell("whether everybody may reach it is not known")
    elif is_open:
        yield violation(
            f"Service {object_name(resource)} is open to everybody: it has no loadBalancerSourceRanges"
        )


def _check_no_firewall(resources: Sequence[Resource], _situation: Situation) -> Iterator[Finding]:
    # Imported here: it loads pydantic, and the pack has to answer the engine at once.
    nowhere = sorted(REGIONS_WITHOUT_FIREWALL)
    for resource in filter(_is_ruleset, resources):
        region = resource.props.get("region")
        if is_unknown(region):
            yield cannot_tell("the region of the ruleset is not known", resource)
        elif region in nowhere:
            yield violation(
                f"ruleset {resource.name}: Lambda does not apply firewall rules in {region}", resource
            )
    machines = machines_of(resources)
    bare = [
        machine.name
        for machine in machines
        if any(region in nowhere for _kind, region in machine.choices if not is_unknown(region))
    ]
    if bare:
        yield note(
            f"{', '.join(bare)}: no firewall of Lambda's stands in front of "
            f"machines in {', '.join(nowhere)}; "
            "close the ports on the machines themselves"
        )
    uncertain = [machine.name for machine in machines if is_unknown(machine.choices[0][1])]
    if uncertain:
        yield cannot_tell(f"the region of {', '.join(uncertain)} is not known")


RULES: Iterable[ResourceRule | StackRule] = (
    ResourceRule(
        name="no-world-open-port",
        level="mandatory",
        summary="No firewall rule opens SSH or a database port to everybody.",
        reason="Such a port is found by scanners within minutes of the launch.",
        fix="Name the network that may connect: an office, a VPN, the other machines.",
        settings=_PORTS_SETTING,
        applies=_is_ruleset,
        check=_check_firewall,
    ),
    ResourceRule(
        name="no-world-open-service",
        level="mandatory",
        summary="No Service of type LoadBalancer opens SSH or a database port to everybody.",
        reason="A load balancer gets a public address; a database behind it is a database on the Internet.",
        fix="Use a ClusterIP, or set loadBalancerSourceRanges.",
        settings=_PORTS_SETTING,
        applies=_is_service,
        check=_check_balancer_ports,
    ),
    ResourceRule(
        name="load-balancer-sources",
        level="advisory",
        summary="A Service of type LoadBalancer says who may reach it.",
        reason="Open to everybody should be a decision, not what happens when nobody writes a line.",
        fix="Set loadBalancerSourceRanges, or waive this rule for the services that are meant to be public.",
        applies=_is_service,
        check=_check_balancer_sources,
    ),
    StackRule(
        name="firewall-not-applied",
        level="advisory",
        summary="Nobody relies on firewall rules where Lambda does not apply them (us-south-1).",
        reason="The ruleset is accepted, and every port of the machine is open all the same.",
        fix="Close the ports on the machine (ufw in user_data), or use another region.",
        check=_check_no_firewall,
    ),
)
