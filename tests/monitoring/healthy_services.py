"""Pages of services by family, of databases, and of what runs beside them in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_infra.manifests.names import EXTERNAL_SECRETS_NAMESPACE, KUEUE_NAMESPACE, MONITORING_NAMESPACE
from sophia_infra.monitoring.terms import Service
from tests.monitoring.healthy_fleet import page_labels
from tests.monitoring.platform import Line, Page, Series, age, moment
from tests.monitoring.series import counter, gauge, histogram, one_of
from tests.monitoring.site import CLUSTER_QUEUE, Pod, Site

__all__ = ["service_pages"]

_DAY_S = 86_400.0
_HTTP_BUCKETS_S = "0.005 0.01 0.025 0.05 0.1 0.2 0.5 1.0 2.0 5.0 10.0"
_VLLM_BUCKETS_S = "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1.0 2.5 5.0 10.0"
_VLLM_LENGTHS = "1.0 10.0 100.0 1000.0 10000.0"
_N8N_BUCKETS_S = "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10"
_TRAEFIK_BUCKETS_S = "0.1 0.3 1.2 5"
_QDRANT_BUCKETS_S = "0.001 0.005 0.01 0.02 0.05 0.1 0.5 1 5 10"
_KUEUE_BUCKETS_S = "1 5 10 40 160 640 2560"
_SHARE_OF_ERRORS = 0.00002
"""A fiftieth of what an objective of 99.9 % allows."""


def service_pages(site: Site) -> Iterator[Page]:
    """One page for each pod that is scraped, and those of Traefik, Kueue, External Secrets and Prometheus."""
    families = {service.name: service for service in site.terms.services}
    for pod in site.pods:
        service = families.get(pod.service)
        if service is not None and service.kind not in {"gateway", "none"}:
            yield Page(service.name, page_labels(pod), tuple(_family(service, pod)))
    yield _part("traefik", "kube-system", _traefik(site))
    if site.terms.has_training:
        yield _part("kueue", KUEUE_NAMESPACE, _kueue())
    if site.terms.has_secrets:
        yield _part("external-secrets", EXTERNAL_SECRETS_NAMESPACE, _external_secrets(site))
    yield _part("prometheus", MONITORING_NAMESPACE, _prometheus())
    yield _part("alertmanager", MONITORING_NAMESPACE, _alertmanager())


def _part(job: str, namespace: str, series: Iterable[Series]) -> Page:
    labels = {
        "instance": f"{job}-0:9090",
        "namespace": namespace,
        "pod": f"{job}-0",
        "service": job,
        "container": job,
        "endpoint": "metrics",
    }
    return Page(job, labels, tuple(series))


def _family(service: Service, pod: Pod) -> Iterable[Series]:
    if service.kind == "vllm":
        return [*_http(), *_vllm()]
    if service.kind == "n8n":
        return _n8n(is_first_main=pod.name.endswith("00000"))
    if service.kind == "postgres":
        return _postgres()
    if service.kind == "redis":
        return _redis(is_master=pod.name.endswith("-0"), replicas=2 if service.name == "redis" else 0)
    if service.kind == "qdrant":
        return _qdrant()
    return _http()


def _http() -> Iterator[Series]:
    call = {"method": "POST", "handler": "/v1/calls"}
    yield counter("http_requests_total", 5.0, **call, status="2xx")
    yield counter("http_requests_total", 0.01, **call, status="4xx")
    yield counter("http_requests_total", 5.0 * _SHARE_OF_ERRORS, **call, status="5xx")
    yield from histogram("http_request_duration_seconds", 5.01, 0.008, _HTTP_BUCKETS_S, **call)
    yield gauge("http_requests_in_progress", 1)


def _vllm() -> Iterator[Series]:
    model = {"model_name": "qwen-3-32b", "engine": "0"}
    yield gauge("vllm:num_requests_running", 3, **model)
    yield gauge("vllm:num_requests_waiting", 0, **model)
    yield gauge("vllm:kv_cache_usage_perc", 0.4, **model)
    yield counter("vllm:prefix_cache_queries_total", 500, **model)
    yield counter("vllm:prefix_cache_hits_total", 200, **model)
    yield counter("vllm:num_preemptions_total", 0, **model)
    yield counter("vllm:prompt_tokens_total", 500, **model)
    yield counter("vllm:generation_tokens_total", 150, **model)
    for reason, per_s in (("stop", 0.9), ("length", 0.1), ("abort", 0.0001), ("error", 0.0)):
        yield counter("vllm:request_success_total", per_s, **model, finished_reason=reason)
    for name, mean_s in (
        ("time_to_first_token", 0.01),
        ("inter_token_latency", 0.008),
        ("e2e_request_latency", 0.4),
        ("request_queue_time", 0.002),
        ("request_prefill_time", 0.01),
        ("request_decode_time", 0.3),
    ):
        yield from histogram(f"vllm:{name}_seconds", 1.0, mean_s, _VLLM_BUCKETS_S, **model)
    for name, mean in (("request_prompt_tokens", 500.0), ("request_generation_tokens", 150.0)):
        yield from histogram(f"vllm:{name}", 1.0, mean, _VLLM_LENGTHS, **model)


def _n8n(*, is_first_main: bool) -> Iterator[Series]:
    if is_first_main:
        yield gauge("n8n_scaling_mode_queue_jobs_waiting", 0)
        yield gauge("n8n_scaling_mode_queue_jobs_active", 20)
        yield counter("n8n_scaling_mode_queue_jobs_completed", 250 / 60)
        yield counter("n8n_scaling_mode_queue_jobs_failed", 0.0001)
    yield gauge("n8n_active_workflow_count", 40)
    yield from histogram("n8n_http_request_duration_seconds", 2.0, 0.01, _N8N_BUCKETS_S)
    yield gauge("n8n_version_info", 1, version="v1.103.2", major="1", minor="103", patch="2")
    yield counter("n8n_process_cpu_seconds_total", 0.2)
    yield gauge("n8n_process_resident_memory_bytes", 4e8)
    yield gauge("n8n_nodejs_eventloop_lag_seconds", 0.002)


def _postgres() -> Iterator[Series]:
    yield gauge("pg_up", 1)
    yield gauge("pg_exporter_last_scrape_error", 0)
    yield gauge("pg_settings_max_connections", 200)
    yield gauge("pg_postmaster_start_time_seconds", moment(5 * _DAY_S))
    for datname in ("postgres", "sophia"):
        session = {
            "datname": datname,
            "usename": "sophia",
            "application_name": "",
            "backend_type": "client backend",
            "wait_event_type": "",
            "wait_event": "",
        }
        for state, count in (("active", 4), ("idle", 20), ("idle in transaction", 1)):
            yield gauge("pg_stat_activity_count", count, **session, state=state)
            yield gauge("pg_stat_activity_max_tx_duration", 2, **session, state=state)
        database = {"datid": "16384", "datname": datname}
        yield gauge("pg_stat_database_numbackends", 25, **database)
        for name, per_s in (
            ("xact_commit", 50.0),
            ("xact_rollback", 0.05),
            ("blks_hit", 5000.0),
            ("blks_read", 20.0),
            ("deadlocks", 0.0),
            ("conflicts", 0.0),
            ("temp_bytes", 100.0),
            ("tup_fetched", 1000.0),
            ("tup_inserted", 150.0),
            ("tup_updated", 20.0),
            ("tup_deleted", 5.0),
        ):
            yield counter(f"pg_stat_database_{name}", per_s, **database)
        yield gauge("pg_database_size_bytes", 8e9, datname=datname)
        yield gauge("pg_locks_count", 3, datname=datname, mode="accesssharelock")


def _redis(*, is_master: bool, replicas: int) -> Iterator[Series]:
    role = "master" if is_master else "slave"
    yield gauge("redis_up", 1)
    described = {"redis_version": "7.4.5", "redis_mode": "standalone", "maxmemory_policy": "allkeys-lru"}
    yield gauge("redis_instance_info", 1, role=role, **described)
    yield gauge("redis_uptime_in_seconds", Line(5 * _DAY_S, 1))
    yield gauge("redis_connected_clients", 30)
    yield gauge("redis_blocked_clients", 0)
    yield gauge("redis_connected_slaves", replicas if is_master else 0)
    if not is_master:
        yield gauge("redis_master_link_up", 1, master_host="redis-0", master_port="6379")
    yield gauge("redis_memory_used_bytes", 3e8)
    yield gauge("redis_memory_max_bytes", 768e6)
    for name, per_s in (
        ("keyspace_hits_total", 95.0),
        ("keyspace_misses_total", 5.0),
        ("evicted_keys_total", 0.0),
        ("expired_keys_total", 1.0),
        ("rejected_connections_total", 0.0),
        ("commands_processed_total", 100.0),
    ):
        yield counter(f"redis_{name}", per_s)
    for name, per_s in (
        ("commands_total", 100.0),
        ("commands_duration_seconds_total", 0.002),
        ("commands_failed_calls_total", 0.0),
        ("commands_rejected_calls_total", 0.0),
    ):
        yield counter(f"redis_{name}", per_s, cmd="get")
    yield gauge("redis_db_keys", 1000, db="db0")
    yield gauge("redis_rdb_last_bgsave_status", 1)
    yield gauge("redis_aof_last_write_status", 1)
    yield gauge("redis_slowlog_length", 0)


def _qdrant() -> Iterator[Series]:
    yield gauge("app_info", 1, name="qdrant", version="1.15.1")
    yield gauge("app_status_recovery_mode", 0)
    yield gauge("collections_total", 4)
    yield gauge("cluster_enabled", 1)
    yield gauge("cluster_peers_total", 3)
    yield gauge("cluster_pending_operations_total", 0)
    yield counter("cluster_term", 0)
    for protocol, call in (
        ("rest", {"method": "POST", "endpoint": "/collections/{name}/points/search"}),
        ("grpc", {"endpoint": "/qdrant.Points/Search"}),
    ):
        status = "200" if protocol == "rest" else "0"
        yield counter(f"{protocol}_responses_total", 10, **call, status=status)
        yield counter(f"{protocol}_responses_fail_total", 10 * _SHARE_OF_ERRORS, **call, status="500")
        name = f"{protocol}_responses_duration_seconds"
        yield from histogram(name, 10, 0.004, _QDRANT_BUCKETS_S, **call, status=status)
    yield gauge("memory_resident_bytes", 2e9)
    yield gauge("memory_allocated_bytes", 1.5e9)


def _traefik(site: Site) -> Iterator[Series]:
    yield counter("traefik_config_reloads_total", 0.0001)
    yield gauge("traefik_config_last_reload_success", age(3600))
    door = {"entrypoint": "websecure", "protocol": "http"}
    yield gauge("traefik_open_connections", 12, entrypoint="websecure", protocol="HTTP")
    certificate = {"cn": "*.sophia.example.com", "serial": "1", "sans": "*.sophia.example.com"}
    yield gauge("traefik_tls_certs_not_after", age(-80 * _DAY_S), **certificate)
    for code, per_s in (("200", 20.0), ("404", 0.05), ("503", 20.0 * _SHARE_OF_ERRORS)):
        call = {**door, "code": code, "method": "GET"}
        yield counter("traefik_entrypoint_requests_total", per_s, **call)
        name = "traefik_entrypoint_request_duration_seconds"
        yield from histogram(name, per_s, 0.02, _TRAEFIK_BUCKETS_S, **call)
    for service in site.terms.services:
        if not service.has_route:
            continue
        behind = {"service": f"{service.namespace}-{service.name}-http@kubernetes"}
        for code, per_s in (("200", 5.0), ("404", 0.01), ("503", 5.0 * _SHARE_OF_ERRORS)):
            call = {**behind, "protocol": "http", "code": code, "method": "GET"}
            yield counter("traefik_service_requests_total", per_s, **call)
            name = "traefik_service_request_duration_seconds"
            yield from histogram(name, per_s, 0.02, _TRAEFIK_BUCKETS_S, **call)
        yield counter("traefik_service_retries_total", 0, **behind)


def _kueue() -> Iterator[Series]:
    queue = {"cluster_queue": CLUSTER_QUEUE, "replica_role": "leader"}
    for status in ("active", "inadmissible"):
        yield gauge("kueue_pending_workloads", 0, **queue, status=status)
    yield gauge("kueue_reserving_active_workloads", 1, **queue)
    yield gauge("kueue_admitted_active_workloads", 1, **queue)
    yield counter("kueue_admitted_workloads_total", 0.0005, **queue, priority_class="")
    wait = "kueue_admission_wait_time_seconds"
    yield from histogram(wait, 0.0005, 20, _KUEUE_BUCKETS_S, **queue, priority_class="")
    evicted = {"reason": "Preempted", "underlying_cause": "", "priority_class": ""}
    yield counter("kueue_evicted_workloads_total", 0, **queue, **evicted)
    yield from one_of(
        "kueue_cluster_queue_status", "status", ("pending", "active", "terminating"), "active", queue
    )


def _external_secrets(site: Site) -> Iterator[Series]:
    for service in site.terms.services:
        names = {"name": service.name, "namespace": service.namespace}
        condition = {**names, "condition": "Ready"}
        yield from one_of("externalsecret_status_condition", "status", ("True", "False"), "True", condition)
        yield counter("externalsecret_sync_calls_total", 1 / 3600, **names)
        yield counter("externalsecret_sync_calls_error", 0, **names)
    call = {"provider": "Pulumi", "call": "Get"}
    yield counter("externalsecret_provider_api_calls_count", 0.01, **call, status="success")
    yield counter("externalsecret_provider_api_calls_count", 0, **call, status="error")
    store = {"name": "pulumi-esc-store", "condition": "Ready"}
    yield from one_of("clustersecretstore_status_condition", "status", ("True", "False"), "True", store)


def _prometheus() -> Iterator[Series]:
    yield counter("prometheus_rule_evaluation_failures_total", 0, rule_group="/etc/prometheus/rules;slo")
    yield gauge("prometheus_tsdb_retention_limit_bytes", 50e9)
    yield gauge("prometheus_tsdb_storage_blocks_bytes", 10e9)


def _alertmanager() -> Iterator[Series]:
    for integration in ("slack", "pagerduty", "webhook"):
        yield counter("alertmanager_notifications_total", 0.001, integration=integration)
        yield counter("alertmanager_notifications_failed_total", 0, integration=integration)
