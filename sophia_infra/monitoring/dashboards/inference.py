"""Board `inference`: dollars and tokens of the gateway, how fast it answers, and what its backends do."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Query, above, below
from sophia_infra.monitoring.terms import Terms

__all__ = ["inference"]

_WINDOW = "[$__rate_interval]"
_MODEL = '{model=~"$model"}'


def inference(terms: Terms) -> Board:
    """Needs a gateway."""
    board = Board(
        terms,
        "inference",
        "Inference",
        "The gateway's own count, which is the ledger's. Several gateways on one ledger start from its "
        "totals, so increases are shown, never sums of counters.",
    )
    board.choose("model", "Model", "label_values(lambda_inference_requests_total, model)")
    _dollars(board, terms)
    _answers(board)
    _backends(board, terms)
    return board


def _dollars(board: Board, terms: Terms) -> None:
    hour, month = float(terms.inference_usd_per_hour), float(terms.inference_usd_per_month)
    board.row("Dollars first")
    board.stat(
        "Dollars per hour now",
        f"All models, users and backends, over five minutes. The gateway refuses from ${hour:g} an hour on.",
        units.Dollars,
        Query("inference:usd_per_hour:rate5m"),
        steps=above(0.8 * hour, hour),
        decimals=2,
        alerts=("InferenceCostsHigh", "HighInferenceCosts"),
    )
    board.stat(
        "Dollars of the last 30 days",
        f"Of ${month:g} a month.",
        units.Dollars,
        Query("inference:cost_usd:sum30d"),
        steps=above(0.8 * month, month),
        decimals=2,
        alerts=("InferenceMonthForecastExceeded", "InferenceBudgetBurns", "InferenceBudgetBurnsFast"),
    )
    board.stat(
        "Fullest budget of a user",
        "Share used of the budget that binds a user most; at 100 % its calls are refused.",
        units.PercentUnit,
        Query("max(lambda_inference_budget_use_ratio)"),
        steps=above(0.8, 1),
        decimals=0,
        alerts=("InferenceUserNearBudget", "InferenceRefusedByBudget"),
    )
    board.stat(
        "Calls per second",
        "That reached the ledger.",
        units.RequestsPerSecond,
        Query(f"sum(rate(lambda_inference_requests_total{_MODEL}{_WINDOW}))"),
        decimals=1,
    )
    board.stat(
        "Fast answers",
        "Share of calls that ended within 2 s and of streams that began within 0.2 s, over five minutes: the "
        "plan's limits.",
        units.PercentUnit,
        Query("min(gateway:calls_under_2s:ratio_rate5m)", "ended in 2 s"),
        Query("min(gateway:first_tokens_under_200ms:ratio_rate5m)", "began in 0.2 s"),
        width=8,
        steps=below(0.9, 0.95),
        decimals=1,
    )
    board.chart(
        "Dollars per hour by model",
        "Of the ledger, over five minutes.",
        units.Dollars,
        Query(f"inference_model:usd_per_hour:rate5m{_MODEL}", "{{model}}"),
        stacked=True,
        alerts=("InferenceCostsHigh",),
    )
    board.chart(
        "Dollars per hour by user",
        "Who spends.",
        units.Dollars,
        Query("inference_user:usd_per_hour:rate5m", "{{user}}"),
        stacked=True,
        alerts=("InferenceUserNearBudget",),
    )
    board.chart(
        "Dollars per thousand tokens",
        "What a model really costs, input and output together, over an hour.",
        units.Dollars,
        Query(f"inference_model:usd_per_thousand_tokens:ratio_rate1h{_MODEL}", "{{model}}"),
    )


def _answers(board: Board) -> None:
    board.row("Answers")
    board.chart(
        "Tokens per second",
        "Read and written, by model.",
        units.CountsPerSecond,
        Query(f"inference_model:tokens_per_second:rate5m{_MODEL}", "{{model}} {{kind}}"),
        stacked=True,
    )
    board.chart(
        "Time to the last byte",
        "50th, 95th and 99th percentile of calls; the plan's limits are 2 s and 5 s.",
        units.Seconds,
        *(
            Query(
                f"histogram_quantile({quantile},"
                f" sum by (le) (rate(lambda_inference_latency_seconds_bucket{_MODEL}{_WINDOW})))",
                name,
            )
            for quantile, name in ((0.5, "50th"), (0.95, "95th"), (0.99, "99th"))
        ),
        steps=above(2, 5),
    )
    board.chart(
        "Time to the first token",
        "95th percentile of streams by model. No cold start: a model that has to load shows here.",
        units.Seconds,
        Query(
            "histogram_quantile(0.95,"
            f" sum by (le, model) (rate(lambda_inference_first_token_seconds_bucket{_MODEL}{_WINDOW})))",
            "{{model}}",
        ),
        alerts=("InferenceModelNotServed",),
    )
    board.chart(
        "Calls by outcome",
        "As the ledger has them.",
        units.RequestsPerSecond,
        Query(f"sum by (outcome) (rate(lambda_inference_requests_total{_MODEL}{_WINDOW}))", "{{outcome}}"),
        stacked=True,
        width=12,
        alerts=("ErrorBudgetBurnsFast", "ErrorBudgetBurns"),
    )
    board.chart(
        "Refusals by code",
        "Calls answered with an error; insufficient_quota is a budget, queue_full too few GPUs.",
        units.RequestsPerSecond,
        Query(f"sum by (code) (rate(lambda_inference_refused_total{_WINDOW}))", "{{code}}"),
        stacked=True,
        width=12,
        alerts=("InferenceRefusedByBudget", "InferenceQueueFull"),
    )


def _backends(board: Board, terms: Terms) -> None:
    board.row("Backends")
    board.states(
        "Backends",
        "Ready means that a model is loaded there and answers.",
        Query("max by (backend) (lambda_inference_backend_ready)", "{{backend}}"),
        words=((0, "not ready", "red"), (1, "ready", "green")),
        width=8,
        alerts=("InferenceDown", "InferenceBackendNotReady"),
    )
    board.chart(
        "Calls that wait",
        "In the gateways for a backend, and inside the backend.",
        units.NoUnit,
        Query("sum by (backend) (lambda_inference_queue_length)", "{{backend}}, in the gateways"),
        Query("max by (backend) (lambda_inference_backend_queue_length)", "{{backend}}, in the backend"),
        alerts=("InferenceQueueFull",),
    )
    if terms.of_kind("vllm"):
        board.chart(
            "KV cache of the own servers",
            "Used share; when it is full, running calls are put back and computed again.",
            units.PercentUnit,
            Query("max by (service, pod) (vllm:kv_cache_usage_perc)", "{{pod}}"),
            most=1,
            steps=above(0.9, 0.95),
            alerts=("ModelCacheFull",),
        )
