"""Rules about databases: Postgres, Redis, Qdrant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, Rule, RuleGroup, Severity
from sophia_infra.monitoring.rules.cluster.parts import OF_THE_ROW, PLATFORM, either, with_owner
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_POD: Final = "namespace, service, pod"
_SERVICE: Final = "namespace, service"

_CONNECTIONS_RATIO: Final = 0.8
_HIT_RATIO: Final = 0.8
_MEMORY_RATIO: Final = 0.9
_LOOKUPS_PER_S: Final = 1
"""Below this a hit rate is an accident."""
_QDRANT_P95_S: Final = 0.05
_QDRANT_P99_S: Final = 0.2
"""All from the plan: checklist, "Alerts to carry over"."""


def groups(terms: Terms) -> list[RuleGroup]:
    """One group for each kind that the stack has."""
    return [
        RuleGroup(f"sophia-{kind}", make(terms))
        for kind, make in _MAKERS.items()
        if any(service.kind == kind for service in terms.services)
    ]


def _postgres(terms: Terms) -> tuple[Rule, ...]:
    connections = f"sum by ({_POD}) (pg_stat_activity_count) / max by ({_POD}) (pg_settings_max_connections)"
    oldest = f'max by ({_POD}, datname) (pg_stat_activity_max_tx_duration{{state!="idle"}})'
    return (
        Recording("postgres:connections:ratio", connections),
        Recording("postgres:oldest_transaction:seconds", oldest),
        _down("PostgresDown", "pg_up", terms),
        _alert(
            "PostgresConnectionsNearFull",
            f"postgres:connections:ratio > {_CONNECTIONS_RATIO}",
            terms,
            for_s=300,
            summary="{{ $labels.service }} has {{ $value | humanizePercentage }} of its connections open.",
            description="At 100 % new callers are refused. Look for callers that do not give back what they "
            "take, or raise settings.max_connections.",
        ),
        _alert(
            "PostgresDeadlocks",
            f"sum by ({_SERVICE}, datname) (increase(pg_stat_database_deadlocks[15m])) > 1",
            terms,
            for_s=0,
            summary='{{ $labels.datname }} of {{ $labels.service }} had {{ printf "%.0f" $value }} deadlocks '
            "in a quarter of an hour.",
            description="Each one ended a transaction that has to be repeated. The server's log names both "
            "statements.",
        ),
        _alert(
            "PostgresTransactionTooLong",
            "postgres:oldest_transaction:seconds > 3600",
            terms,
            for_s=300,
            summary="A transaction in {{ $labels.datname }} of {{ $labels.service }} is open for "
            "{{ $value | humanizeDuration }}.",
            description="It keeps locks and stops cleaning up: everything gets slower. pg_stat_activity has "
            "its owner.",
        ),
    )


def _redis(terms: Terms) -> tuple[Rule, ...]:
    hits, misses = (f"sum by ({_SERVICE}) (rate(redis_keyspace_{part}_total[15m]))" for part in _LOOKUPS)
    masters = either(
        f'count by ({_SERVICE}) (redis_instance_info{{role="master"}})',
        f"0 * count by ({_SERVICE}) (redis_instance_info)",
    )
    memory = f"max by ({_POD}) (redis_memory_used_bytes) / (max by ({_POD}) (redis_memory_max_bytes) > 0)"
    return (
        Recording("redis:hits:ratio_rate15m", f"{hits} / ({hits} + {misses})"),
        Recording("redis:memory:ratio", memory),
        _down("RedisDown", "redis_up", terms),
        _alert(
            "RedisHitRateLow",
            # A queue looks up what is not there by design; only what may drop keys is a cache.
            f"redis:hits:ratio_rate15m < {_HIT_RATIO} and on ({_SERVICE}) {hits} + {misses} > "
            f'{_LOOKUPS_PER_S}\nand on ({_SERVICE}) redis_instance_info{{maxmemory_policy!="noeviction"}}',
            terms,
            for_s=900,
            summary="Only {{ $value | humanizePercentage }} of the look-ups in {{ $labels.service }} find "
            "something.",
            description="The cache is too small, keys expire too early, or it was just emptied.",
        ),
        _alert(
            "RedisMemoryNearFull",
            f"redis:memory:ratio > {_MEMORY_RATIO}\n"
            f'and on ({_POD}) redis_instance_info{{maxmemory_policy="noeviction"}}',
            terms,
            for_s=600,
            summary="{{ $labels.pod }} has used {{ $value | humanizePercentage }} of its memory and drops "
            "nothing.",
            description="At 100 % it refuses writes: n8n's queue stands still then.",
        ),
        _alert(
            "RedisCacheFull",
            f"redis:memory:ratio > {_MEMORY_RATIO}\n"
            f'and on ({_POD}) redis_instance_info{{maxmemory_policy!="noeviction"}}',
            terms,
            for_s=600,
            severity="info",
            summary="{{ $labels.pod }} has used {{ $value | humanizePercentage }} of its memory.",
            description="A full cache drops old keys, as it should. It only matters together with "
            "RedisHitRateLow.",
        ),
        _alert(
            "RedisMasterCount",
            f"({masters}) != 1",
            terms,
            for_s=120,
            severity="critical",
            summary="{{ $labels.service }} has {{ $value }} masters.",
            description="None: nothing can be written. Two: writes to one of them will be lost. The "
            "sentinels elect one within seconds when two of three are up.",
        ),
        _alert(
            "RedisReplicaCutOff",
            f"max by ({_POD}) (redis_master_link_up) == 0",
            terms,
            for_s=300,
            summary="Replica {{ $labels.pod }} does not hear its master.",
            description="It serves old data and is no reserve.",
        ),
    )


def _qdrant(terms: Terms) -> tuple[Rule, ...]:
    failed, answered = (
        either(*(f"sum by ({_SERVICE}) (rate({way}_responses_{part}[5m]))" for way in ("rest", "grpc")))
        for part in ("fail_total", "total")
    )
    return (
        *(Recording(f"qdrant:latency_p{share}:seconds_rate5m", _qdrant_latency(share)) for share in (95, 99)),
        _alert(
            "QdrantSlow",
            f"qdrant:latency_p95:seconds_rate5m > {_QDRANT_P95_S}",
            terms,
            for_s=300,
            summary="One search in twenty in {{ $labels.service }} takes longer than "
            "{{ $value | humanizeDuration }} ({{ $labels.protocol }}).",
            description="The plan's limit is 50 ms. Its memory no longer holds the index, or a collection "
            "has none.",
        ),
        _alert(
            "QdrantTailSlow",
            f"qdrant:latency_p99:seconds_rate5m > {_QDRANT_P99_S}",
            terms,
            for_s=300,
            summary="One search in a hundred in {{ $labels.service }} takes longer than "
            "{{ $value | humanizeDuration }} ({{ $labels.protocol }}).",
            description="The plan's limit is 200 ms. Look for large filters, and for optimizations that run.",
        ),
        _alert(
            "QdrantErrors",
            f"({failed}) / ({answered}) > 0.05 and on ({_SERVICE}) ({answered}) > 0.1",
            terms,
            for_s=300,
            summary="{{ $value | humanizePercentage }} of the answers of {{ $labels.service }} are failures.",
            description="A peer is gone or out of memory or disk: its log says which.",
        ),
    )


def _qdrant_latency(percent: int) -> str:
    """By protocol; only the endpoints that search and write are measured, and only answers with 200."""
    ways = either(
        *(
            f"label_replace(sum by ({_SERVICE}, le) (rate({way}_responses_duration_seconds_bucket[5m])), "
            f'"protocol", "{way}", "", "")'
            for way in ("rest", "grpc")
        )
    )
    return f"histogram_quantile(0.{percent}, {ways})"


def _down(name: str, series: str, terms: Terms) -> Alert:
    return _alert(
        name,
        f"max by ({_POD}) ({series}) == 0",
        terms,
        for_s=120,
        severity="critical",
        summary="{{ $labels.pod }} of {{ $labels.service }} takes no calls.",
        description="Its exporter runs in the same pod and cannot reach it: it starts, hangs, or refuses the "
        "password.",
    )


def _alert(
    name: str,
    expr: str,
    terms: Terms,
    *,
    for_s: int,
    summary: str,
    description: str,
    severity: Severity = "warning",
) -> Alert:
    return Alert(
        name,
        with_owner(expr, terms),
        for_s=for_s,
        severity=severity,
        owner=PLATFORM,
        summary=summary,
        description=description,
        labels=OF_THE_ROW,
    )


_LOOKUPS: Final = ("hits", "misses")
_MAKERS: Final[Mapping[str, Callable[[Terms], tuple[Rule, ...]]]] = MappingProxyType(
    {"postgres": _postgres, "redis": _redis, "qdrant": _qdrant}
)
