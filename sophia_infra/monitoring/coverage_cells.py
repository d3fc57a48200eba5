"""Who measures each signal: of families of rows, of what others see of them, of the platform's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.terms import ServiceKind

__all__ = [
    "CONTAINERS",
    "GPU_MEMORY",
    "OF_KIND",
    "OF_ROUTE",
    "PLATFORM",
    "SIGNALS",
    "VOLUME",
    "Cell",
    "Signal",
]

Signal = Literal["latency", "traffic", "errors", "saturation"]

SIGNALS: Final[tuple[Signal, ...]] = ("latency", "traffic", "errors", "saturation")
"""Google's Site Reliability Engineering, chapter 6."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One signal of one row.

    Attributes:
        metrics: the series it is read from, as they are scraped.
        alerts: who says so when it is bad; empty: dashboards only.
    """

    metrics: tuple[str, ...]
    alerts: tuple[str, ...] = ()

    @property
    def exporters(self) -> tuple[str, ...]:
        """Who exports the metrics, each once; Prometheus itself those about its targets."""
        known = inventory()
        names = (known[name].exporter if name in known else "prometheus" for name in self.metrics)
        return tuple(dict.fromkeys(names))


CONTAINERS: Final = Cell(
    (
        "container_cpu_cfs_throttled_periods_total",
        "container_memory_working_set_bytes",
    ),
    ("ServiceCpuThrottled", "ServiceMemoryNearLimit"),
)
GPU_MEMORY: Final = Cell(("DCGM_FI_DEV_FB_USED",), ("GpuMemoryNearFull",))
VOLUME: Final = Cell(("kubelet_volume_stats_available_bytes",), ("VolumeFullInHours", "VolumeFullInDays"))

OF_ROUTE: Final[Mapping[Signal, Cell]] = {
    "latency": Cell(("traefik_service_request_duration_seconds_bucket",), ("RouteSlow",)),
    "traffic": Cell(("traefik_service_requests_total",)),
    "errors": Cell(("traefik_service_requests_total",), ("RouteErrors",)),
}
"""Of a row with a route, whatever it says itself."""

OF_KIND: Final[Mapping[ServiceKind, Mapping[Signal, Cell]]] = {
    "none": {},
    "http": {
        "latency": Cell(("http_request_duration_seconds_bucket",)),
        "traffic": Cell(("http_requests_total",)),
        "errors": Cell(("http_requests_total",), ("ServiceErrors",)),
    },
    "vllm": {
        "latency": Cell(("vllm:time_to_first_token_seconds_bucket",), ("ModelSlow", "ModelAbovePlan")),
        "traffic": Cell(("vllm:request_success_total", "vllm:generation_tokens_total")),
        "errors": Cell(("http_requests_total",), ("ServiceErrors",)),
        "saturation": Cell(
            ("vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"), ("ModelQueueLong", "ModelCacheFull")
        ),
    },
    "gateway": {
        "latency": Cell(
            ("lambda_inference_latency_seconds_bucket", "lambda_inference_first_token_seconds_bucket")
        ),
        "traffic": Cell(("lambda_inference_requests_total",)),
        "errors": Cell(
            ("lambda_inference_requests_total", "lambda_inference_backend_ready"),
            ("ErrorBudgetBurnsFast", "ErrorBudgetBurns", "InferenceDown"),
        ),
        "saturation": Cell(
            ("lambda_inference_queue_length", "lambda_inference_refused_total"), ("InferenceQueueFull",)
        ),
    },
    "n8n": {
        "latency": Cell(("n8n_scaling_mode_queue_jobs_waiting",), ("WorkflowsWait",)),
        "traffic": Cell(("n8n_scaling_mode_queue_jobs_completed",), ("WorkflowsBelowPlan",)),
        "errors": Cell(("n8n_scaling_mode_queue_jobs_failed",), ("WorkflowsFail",)),
        "saturation": Cell(("n8n_scaling_mode_queue_jobs_active",), ("WorkflowsBelowPlan",)),
    },
    "postgres": {
        "latency": Cell(("pg_stat_activity_max_tx_duration",), ("PostgresTransactionTooLong",)),
        "traffic": Cell(("pg_stat_database_xact_commit",)),
        "errors": Cell(
            ("pg_up", "pg_stat_database_deadlocks", "pg_stat_database_xact_rollback"),
            ("PostgresDown", "PostgresDeadlocks"),
        ),
        "saturation": Cell(
            ("pg_stat_activity_count", "pg_settings_max_connections"), ("PostgresConnectionsNearFull",)
        ),
    },
    "redis": {
        "latency": Cell(("redis_commands_duration_seconds_total", "redis_commands_total")),
        "traffic": Cell(("redis_commands_processed_total",)),
        "errors": Cell(
            ("redis_up", "redis_instance_info", "redis_master_link_up", "redis_keyspace_misses_total"),
            ("RedisDown", "RedisMasterCount", "RedisReplicaCutOff", "RedisHitRateLow"),
        ),
        "saturation": Cell(("redis_memory_used_bytes",), ("RedisMemoryNearFull", "RedisCacheFull")),
    },
    "qdrant": {
        "latency": Cell(
            ("rest_responses_duration_seconds_bucket", "grpc_responses_duration_seconds_bucket"),
            ("QdrantSlow", "QdrantTailSlow"),
        ),
        "traffic": Cell(("rest_responses_total", "grpc_responses_total")),
        "errors": Cell(("rest_responses_fail_total", "grpc_responses_fail_total"), ("QdrantErrors",)),
    },
}

PLATFORM: Final[Mapping[str, Mapping[Signal, Cell]]] = {
    "machines": {
        "latency": Cell(
            ("node_pressure_cpu_waiting_seconds_total", "node_pressure_io_stalled_seconds_total")
        ),
        "traffic": Cell(("node_network_receive_bytes_total", "node_network_transmit_bytes_total")),
        "errors": Cell(
            ("kube_node_status_condition", "node_timex_offset_seconds"), ("NodeLost", "NodeClockOff")
        ),
        "saturation": Cell(
            ("node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_filesystem_avail_bytes"),
            (
                "NodeCpuSaturated",
                "NodeMemoryNearFull",
                "NodeUnderPressure",
                "DiskFullInHours",
                "DiskFullInDays",
            ),
        ),
    },
    "GPUs": {
        "latency": Cell(
            ("kube_pod_status_phase", "kube_pod_container_resource_requests"), ("PodPendingForGpu",)
        ),
        "traffic": Cell(("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_SM_ACTIVE"), ("GpuWasted", "GpuIdle")),
        "errors": Cell(
            ("DCGM_EXP_XID_ERRORS_COUNT", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "DCGM_FI_DEV_ROW_REMAP_FAILURE"),
            (
                "GpuXid",
                "GpuApplicationFault",
                "GpuEccUncorrectable",
                "GpuRowRemapFailed",
                "GpuMetricsMissing",
            ),
        ),
        "saturation": Cell(
            ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_GPU_TEMP", "DCGM_EXP_CLOCK_EVENTS_COUNT"),
            ("GpuMemoryNearFull", "GpuTooHot", "GpuThrottled"),
        ),
    },
    "Kubernetes API": {
        "latency": Cell(("apiserver_request_duration_seconds_bucket",), ("KubeApiSlow",)),
        "traffic": Cell(("apiserver_request_total",)),
        "errors": Cell(("apiserver_request_total",), ("KubeApiErrors", "KubeApiDown")),
        "saturation": Cell(("apiserver_current_inflight_requests",)),
    },
    "ingress": {
        "latency": Cell(("traefik_entrypoint_request_duration_seconds_bucket",), ("RouteSlow",)),
        "traffic": Cell(("traefik_entrypoint_requests_total",)),
        "errors": Cell(("traefik_entrypoint_requests_total",), ("RouteErrors", "IngressDown")),
        "saturation": Cell(("traefik_open_connections",)),
    },
    "sophia exporter": {
        "latency": Cell(
            ("lambda_cloud_poll_duration_seconds", "lambda_cloud_data_age_seconds"), ("FleetDataStale",)
        ),
        "traffic": Cell(("lambda_cloud_requests_total",)),
        "errors": Cell(
            ("lambda_cloud_up", "lambda_cloud_polls_total"),
            ("ExporterSilent", "LambdaApiFailing", "LambdaKeyRefused"),
        ),
        "saturation": Cell(("lambda_cloud_rate_tokens",), ("RateLimited",)),
    },
    "Prometheus": {
        "latency": Cell(("scrape_duration_seconds",)),
        "traffic": Cell(("scrape_samples_scraped",)),
        "errors": Cell(
            ("prometheus_rule_evaluation_failures_total", "up"),
            ("PrometheusRuleFailures", "PrometheusTargetDown", "PrometheusJobMissing", "Watchdog"),
        ),
        "saturation": Cell(("prometheus_tsdb_storage_blocks_bytes",), ("PrometheusTsdbNearFull",)),
    },
    "Alertmanager": {
        "latency": Cell(("alertmanager_notification_latency_seconds_count",)),
        "traffic": Cell(("alertmanager_notifications_total",)),
        "errors": Cell(("alertmanager_notifications_failed_total",), ("AlertmanagerNotifyFailing",)),
        "saturation": Cell(("alertmanager_alerts",)),
    },
}
