"""Pages about money: the exporter of fleet and dollars, and the inference gateways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.model.kubernetes import Node
from tests.monitoring.platform import Line, Page, Series, moment
from tests.monitoring.series import counter, gauge, histogram, one_of
from tests.monitoring.site import Pod, Site

__all__ = ["fleet_pages"]

_DAY_S = 86_400.0
_HOUR_S = 3600.0
_OWNERS = ("stack", "orphan", "other", "unknown")
_STATUSES = ("booting", "active", "unhealthy", "terminating", "terminated", "preempted")
_OUTCOMES = (
    *("ok", "unauthorized", "forbidden", "rate_limited", "server_fault", "unreachable"),
    *("unexpected_answer", "refused"),
)
_GATEWAY_BUCKETS_S = "0.005 0.01 0.025 0.05 0.1 0.2 0.5 1.0 2.0 5.0 10.0 30.0 60.0 120.0 300.0"
_SCOUT = "llama-4-scout-17b-16e-instruct"
_OWN = "qwen-3-32b"


def fleet_pages(site: Site, origin_s: float) -> Iterator[Page]:
    """Pages of the exporter and of the two gateways."""
    exporter = next(pod for pod in site.pods if pod.container == "exporter")
    labels = {
        "instance": exporter.address,
        "namespace": MONITORING_NAMESPACE,
        "pod": exporter.name,
        "service": "sophia-exporter",
        "container": exporter.container,
        "endpoint": "metrics",
    }
    yield Page("sophia-exporter", labels, tuple(_exporter(site, origin_s)))
    for pod in site.pods:
        if pod.service == "inference-gateway":
            yield Page(pod.service, page_labels(pod), tuple(_gateway(site)))


def page_labels(pod: Pod) -> dict[str, str]:
    """Labels that a ServiceMonitor gives to what is read from the pod of a row."""
    return {
        "instance": pod.address,
        "namespace": pod.namespace,
        "pod": pod.name,
        "service": pod.service,
        "container": pod.container,
        "endpoint": "metrics",
    }


def _exporter(site: Site, origin_s: float) -> Iterator[Series]:
    yield gauge("lambda_cloud_up", 1)
    yield gauge("lambda_cloud_last_success_timestamp_seconds", Line(-10, 1, is_moment=True))
    yield gauge("lambda_cloud_data_age_seconds", 10)
    yield gauge("lambda_cloud_poll_duration_seconds", 0.4)
    yield gauge("lambda_cloud_clock_skew_seconds", 0.2)
    yield gauge("sophia_exporter_info", 1, version="1.0.0")
    for outcome in _OUTCOMES:
        yield counter("lambda_cloud_polls_total", (outcome == "ok") / 30, outcome=outcome)
        for operation in ("list_instances", "list_instance_types"):
            rate = (outcome == "ok") / 30
            yield counter("lambda_cloud_requests_total", rate, operation=operation, outcome=outcome)
    for limit in ("request", "launch"):
        yield gauge("lambda_cloud_rate_tokens", 1, limit=limit)
    for node in site.nodes:
        yield from _machine(site, node)
    yield from _totals(site, origin_s)
    yield from _catalogue(site)
    for name, filesystem in site.config.filesystems.items():
        yield gauge("lambda_cloud_filesystem_used_bytes", 80e9, name=name, region=filesystem.region)
        yield gauge("lambda_cloud_filesystem_usd_per_month", 14.9, name=name, region=filesystem.region)
    yield gauge("process_start_time_seconds", moment(_DAY_S))
    yield gauge("process_resident_memory_bytes", 60e6)
    yield counter("process_cpu_seconds_total", 0.01)


def _machine(site: Site, node: Node) -> Iterator[Series]:
    usd = site.usd_per_hour(node)
    machine = {"instance_id": f"i-{node.machine}", "name": node.machine}
    kind = {"instance_type": node.instance_type, "gpu_model": node.gpu_model or "", "region": node.region}
    yield gauge(
        "lambda_cloud_instance_info",
        1,
        **machine,
        **kind,
        stack=site.terms.stack,
        owner="stack",
        node=node.name,
    )
    yield from one_of("lambda_cloud_instance_status", "status", _STATUSES, "active", machine)
    yield gauge("lambda_cloud_instance_age_seconds", Line(10 * _DAY_S, 1), **machine)
    yield gauge("lambda_cloud_instance_usd_per_hour", usd, **machine, **kind, owner="stack")
    yield counter("lambda_cloud_instance_cost_usd_total", usd / _HOUR_S, **machine, **kind, owner="stack")
    yield gauge("lambda_cloud_machine_missing", 0, name=node.machine)
    yield gauge("lambda_node_usd_per_hour", usd, node=node.name, instance_id=f"i-{node.machine}", **kind)
    for resource, weight in (("gpu", 0.7), ("cpu", 0.2), ("memory", 0.1)):
        yield gauge("lambda_node_cost_weight", weight, node=node.name, resource=resource)


def _totals(site: Site, origin_s: float) -> Iterator[Series]:
    run_rate = sum(site.usd_per_hour(node) for node in site.nodes)
    began_s = datetime.fromtimestamp(origin_s, tz=UTC).replace(day=1, hour=0, minute=0, second=0).timestamp()
    budget = float(site.terms.budget_usd_per_month)
    # As in a month in which two machines run in office hours only: seven tenths of the budget at its end.
    spent = 0.7 * budget * (origin_s - began_s) / (31 * _DAY_S)
    for owner in _OWNERS:
        share = float(owner == "stack")
        yield gauge("lambda_cloud_usd_per_hour", share * run_rate, owner=owner)
        yield gauge("lambda_cloud_machines", share * len(site.nodes), owner=owner)
        month = Line(share * spent, share * run_rate / _HOUR_S)
        yield gauge("lambda_cloud_month_spent_usd", month, owner=owner)
        yield gauge("lambda_cloud_month_forecast_usd", share * 0.7 * budget, owner=owner)
    for gpu in site.gpus:
        yield gauge("lambda_cloud_gpus", 1, gpu_model=str(gpu.node.gpu_model), owner="stack")
    yield gauge("lambda_cloud_month_spent_complete", 1)
    yield gauge("lambda_cloud_budget_usd_per_month", budget)
    yield gauge("lambda_cloud_budget_usd_per_hour", budget / 720)
    yield gauge("lambda_cloud_budget_alert_ratio", site.terms.budget_alert_percent / 100)


def _catalogue(site: Site) -> Iterable[Series]:
    yield gauge("lambda_cloud_prices_timestamp_seconds", Line(-60, 1, is_moment=True))
    for node in site.nodes:
        usd = site.usd_per_hour(node)
        yield gauge("lambda_cloud_type_usd_per_hour", usd, instance_type=node.instance_type)
        yield gauge("lambda_cloud_type_planned_usd_per_hour", usd, instance_type=node.instance_type)
        for region in ("us-east-3", "us-south-1", "us-west-1"):
            yield gauge("lambda_cloud_capacity", 1, instance_type=node.instance_type, region=region)


def _gateway(site: Site) -> Iterator[Series]:
    gateway = site.config.gateway
    assert gateway is not None
    backends = {"own-gpu": _OWN, "third-party": _SCOUT}
    for backend, model in backends.items():
        for user in gateway.users:
            for kind in ("input", "output"):
                names = {"model": model, "backend": backend, "user": user, "kind": kind}
                yield counter("lambda_inference_cost_total", 0.01 / _HOUR_S, **names)
                yield counter("lambda_inference_tokens_total", 20.0, **names)
        for outcome, per_s in (("ok", 1.0), ("failed", 0.00002), ("cancelled", 0.0001), ("unknown", 0.0)):
            names = {"model": model, "backend": backend, "outcome": outcome}
            yield counter("lambda_inference_requests_total", per_s, **names)
        for outcome, per_s in (("ok", 1.0), ("timeout", 0.00005)):
            yield counter("lambda_inference_attempts_total", per_s, backend=backend, outcome=outcome)
        yield counter("lambda_inference_cache_hits_total", 0.1, model=model)
        yield from histogram("lambda_inference_latency_seconds", 1.0, 0.4, _GATEWAY_BUCKETS_S, model=model)
        yield from histogram(
            "lambda_inference_first_token_seconds", 0.5, 0.05, _GATEWAY_BUCKETS_S, model=model
        )
        yield gauge("lambda_inference_queue_length", 0, backend=backend)
        yield gauge("lambda_inference_backend_ready", 1, backend=backend)
        yield gauge("lambda_inference_warm_backends", 1, model=model)
    yield gauge("lambda_inference_backend_queue_length", 0, backend="own-gpu")
    yield gauge("lambda_inference_gpu_cache_use_ratio", 0.4, backend="own-gpu")
    for code in ("rate_limit_exceeded", "no_backend_ready", "ledger_unavailable"):
        per_s = 0.0002 if code == "rate_limit_exceeded" else 0.0
        yield counter("lambda_inference_refused_total", per_s, code=code)
    yield gauge("lambda_inference_in_flight", 2)
    yield gauge("lambda_inference_open_streams", 1)
    for user in gateway.users:
        yield gauge("lambda_inference_budget_use_ratio", 0.3, user=user)
