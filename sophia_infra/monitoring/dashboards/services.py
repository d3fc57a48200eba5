"""Board `services`: rows by family of metrics, what comes in from outside, then databases by kind."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Query, above, below
from sophia_infra.monitoring.terms import Terms

__all__ = ["has_services", "services"]

_KINDS = ("http", "vllm", "n8n", "postgres", "redis", "qdrant")
_CHOSEN = '{namespace=~"$namespace",service=~"$service"}'
_NAME = "{{service}}"


def has_services(terms: Terms) -> bool:
    """Whether there is anything to show."""
    return any(service.kind in _KINDS or service.has_route for service in terms.services)


def services(terms: Terms) -> Board:
    """What the stack has of each family."""
    board = Board(
        terms,
        "services",
        "Services",
        "Calls, errors and latency of each row by what its family measures, and the databases behind them.",
    )
    board.choose("namespace", "Namespace", "label_values(service:declared:info, namespace)")
    board.choose("service", "Service", "label_values(service:declared:info, service)")
    if terms.of_kind("http", "vllm"):
        _calls(board)
    if any(service.has_route for service in terms.services):
        _routes(board)
    for kind, row in (("n8n", _n8n), ("postgres", _postgres), ("redis", _redis), ("qdrant", _qdrant)):
        if any(service.kind == kind for service in terms.services):
            row(board)
    return board


def _calls(board: Board) -> None:
    board.row("Calls")
    board.chart(
        "Calls per second",
        "Of rows that count http_requests_total, probes left out.",
        units.RequestsPerSecond,
        Query(f"service:requests:rate5m{_CHOSEN}", _NAME),
        stacked=True,
    )
    board.chart(
        "Failing calls",
        "Share of 5xx over five minutes.",
        units.PercentUnit,
        Query(f"service:errors:ratio_rate5m{_CHOSEN}", _NAME),
        alerts=("ServiceErrors", "ErrorBudgetBurnsFast"),
    )
    board.chart(
        "95th percentile of latency",
        "Over five minutes; the plan's limit is 0.2 s.",
        units.Seconds,
        Query(f"service:latency_p95:seconds_rate5m{_CHOSEN}", _NAME),
        steps=above(0.2, 0.5),
        alerts=("ServiceSlow", "PipelineSlow"),
    )


def _routes(board: Board) -> None:
    board.row("From outside")
    board.chart(
        "Calls per second by route",
        "As the ingress controller passes them to a row.",
        units.RequestsPerSecond,
        Query('route:requests:rate5m{service=~"$service"}', _NAME),
        stacked=True,
        alerts=("IngressDown",),
    )
    board.chart(
        "Failing calls by route",
        "Share of 5xx, those of the ingress controller itself among them.",
        units.PercentUnit,
        Query('route:errors:ratio_rate5m{service=~"$service"}', _NAME),
        alerts=("RouteErrors",),
    )
    board.chart(
        "95th percentile by route",
        "Over five minutes, as people outside see it.",
        units.Seconds,
        Query('route:latency_p95:seconds_rate5m{service=~"$service"}', _NAME),
        alerts=("RouteSlow",),
    )


def _n8n(board: Board) -> None:
    board.row("Workflows")
    board.chart(
        "Executions that run and wait",
        "Every main of n8n counts all of them, so the highest is taken.",
        units.NoUnit,
        Query('n8n:executions_active:max{namespace=~"$namespace"}', "running"),
        Query('n8n:executions_waiting:max{namespace=~"$namespace"}', "waiting"),
        width=12,
        alerts=("WorkflowsWait", "WorkflowsBelowPlan"),
    )
    board.chart(
        "Failed executions",
        "Share of those that ended, over 15 minutes.",
        units.PercentUnit,
        Query('n8n:executions_failed:ratio_rate15m{namespace=~"$namespace"}', "failed"),
        width=12,
        alerts=("WorkflowsFail",),
    )


def _postgres(board: Board) -> None:
    board.row("Postgres")
    board.chart(
        "Connections",
        "Share of max_connections; at 100 % nobody else gets in.",
        units.PercentUnit,
        Query(f"postgres:connections:ratio{_CHOSEN}", "{{pod}}"),
        width=12,
        most=1,
        steps=above(0.8, 0.95),
        alerts=("PostgresConnectionsNearFull", "PostgresDown"),
    )
    transactions = "sum by (service) (rate(pg_stat_database_xact_{}{}[$__rate_interval]))"
    board.chart(
        "Transactions per second",
        "Committed and rolled back.",
        units.OpsPerSecond,
        Query(transactions.format("commit", _CHOSEN), f"{_NAME} committed"),
        Query(transactions.format("rollback", _CHOSEN), f"{_NAME} rolled back"),
        width=12,
        alerts=("PostgresDeadlocks", "PostgresTransactionTooLong"),
    )


def _redis(board: Board) -> None:
    board.row("Redis")
    board.chart(
        "Memory",
        "Share of maxmemory. Full, a cache drops keys and a queue refuses to take any.",
        units.PercentUnit,
        Query(f"redis:memory:ratio{_CHOSEN}", "{{pod}}"),
        width=12,
        most=1,
        steps=above(0.8, 0.9),
        alerts=("RedisMemoryNearFull", "RedisCacheFull"),
    )
    board.chart(
        "Look-ups that find something",
        "Share over 15 minutes; below 80 % a cache does little.",
        units.PercentUnit,
        Query(f"redis:hits:ratio_rate15m{_CHOSEN}", _NAME),
        width=12,
        most=1,
        steps=below(0.8, 0.9),
        alerts=("RedisHitRateLow",),
    )


def _qdrant(board: Board) -> None:
    board.row("Qdrant")
    board.chart(
        "95th and 99th percentile",
        "Of searching and writing, over five minutes; the plan's limits are 50 ms and 200 ms.",
        units.Seconds,
        Query(f"qdrant:latency_p95:seconds_rate5m{_CHOSEN}", f"{_NAME} {{{{protocol}}}} 95th"),
        Query(f"qdrant:latency_p99:seconds_rate5m{_CHOSEN}", f"{_NAME} {{{{protocol}}}} 99th"),
        width=12,
        steps=above(0.05, 0.2),
        alerts=("QdrantSlow", "QdrantTailSlow"),
    )
    answers = "sum by (service) (rate({}_responses_total{}[$__rate_interval]))"
    board.chart(
        "Answers per second",
        "Over HTTP and gRPC.",
        units.RequestsPerSecond,
        Query(answers.format("rest", _CHOSEN), f"{_NAME} HTTP"),
        Query(answers.format("grpc", _CHOSEN), f"{_NAME} gRPC"),
        width=12,
        alerts=("QdrantErrors",),
    )
