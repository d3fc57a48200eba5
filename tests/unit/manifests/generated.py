"""Sections of any shape that the model accepts and the five machines can carry."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.unit.manifests.sites import row

NAMES = ("a", "bb", "web-1", "worker", "queue-reader", "n" * 45)
NAMESPACES = ("apps", "more")
# Without dashboards but once: they are the same whatever is drawn, and take most of the time.
_NO_GRAFANA = {"grafana": {"enabled": False}}
_ALERTING = {
    "slack": {"channel": "#alerts", "webhook": "monitoring.slack"},
    "pagerduty": {"routing_key": "monitoring.pagerduty"},
    "webhook": {"url": "monitoring.webhook"},
    "dead_mans_switch": {"url": "monitoring.switch"},
}
MONITORING: tuple[dict[str, Any] | None, ...] = (
    None,
    _NO_GRAFANA,
    {**_NO_GRAFANA, "logs": "loki", "alerting": _ALERTING, "storage": "5Gi"},
    {**_NO_GRAFANA, "exporter": {"enabled": False}, "scrape_s": 5, "retention_days": 1},
    {"grafana": {"admin_password": "monitoring.password", "host": "grafana"}, "logs": "loki"},
)
MODELS = ("GH200", "A6000", "A100", "RTX6000", "A10")


@st.composite
def _workload(draw: st.DrawFn, port: int, targets: tuple[str, ...]) -> dict[str, Any]:
    gpu_model = draw(st.sampled_from((None, *MODELS)))
    fields: dict[str, Any] = {
        "namespace": draw(st.sampled_from(NAMESPACES)),
        "ports": {"http": port, **draw(st.sampled_from(({}, {"metrics": 9090}, {"grpc": port + 1})))},
        "architectures": ["amd64", "arm64"],
        "talks_to": draw(st.lists(st.sampled_from(targets), max_size=3, unique=True)) if targets else [],
        "internet": draw(st.booleans()),
        "max_unavailable": 1,
        "priority": draw(st.sampled_from(("gpu-critical", "high", "standard"))),
        "health": draw(st.sampled_from(({}, {"tcp": True}, {"startup_s": 301, "path": "/"}))),
    }
    if gpu_model is not None:
        fields["gpu"] = {"model": gpu_model, "count": 0}
    if draw(st.booleans()):
        fields["shm"] = "16Mi"
    if draw(st.booleans()):
        cache = draw(st.booleans())
        fields["volumes"] = {"data": {"mount": "/data", "size": "1Gi", "cache": cache}}
    if draw(st.booleans()):
        fields["ingress"] = {"host": f"h{port}"}
    if draw(st.booleans()):
        fields["secret_env"] = {"A_TOKEN": "some.path"}
    if draw(st.booleans()):
        fields["autoscale"] = {"min": 1, "max": draw(st.integers(1, 4)), "cpu": 70}
    else:
        fields["replicas"] = draw(st.integers(1, 3))
    return row(**fields)


@st.composite
def _database(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    in_group = kind != "postgres" and draw(st.booleans())
    fields: dict[str, Any] = {
        "kind": kind,
        "namespace": draw(st.sampled_from(NAMESPACES)),
        "image": f"ghcr.io/sophia/{kind}:1.0",
        "storage": "1Gi",
        "cpu": "100m",
        "memory": "128Mi",
        "replicas": 3 if in_group else 1,
        "sentinel": in_group and kind == "redis",
    }
    if draw(st.booleans()):
        fields["backup"] = {"size": "1Gi", "schedule": "0 2 * * *"}
    if draw(st.booleans()):
        fields["secret_env"] = {"POSTGRES_PASSWORD": "some.path"}
    return fields


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """`sophia:kubernetes` for `sites.site_of`."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    kinds = draw(st.lists(st.sampled_from(("postgres", "redis", "qdrant")), max_size=2, unique=True))
    databases = {f"db-{kind}": draw(_database(kind)) for kind in kinds}
    with_gpu = draw(st.sampled_from((None, *MODELS)))
    workloads: dict[str, Any] = {}
    for number, name in enumerate(names):
        targets = tuple(other for other in (*names, *databases) if other != name)
        workloads[name] = draw(_workload(9100 + 10 * number, targets))
        if number == 0 and with_gpu is not None:
            fields = {key: value for key, value in workloads[name].items() if key not in ("autoscale",)}
            workloads[name] = {**fields, "replicas": 1, "gpu": {"model": with_gpu}}
    return {
        "namespaces": {
            "apps": draw(st.sampled_from(({}, {"cpu": "8", "max_pods": 50}))),
            "more": {},
        },
        "gpu_sharing": draw(st.sampled_from(({}, {"A6000": {"time_slicing": 2}}))),
        "training": draw(st.sampled_from((None, {}))),
        "monitoring": draw(st.sampled_from(MONITORING)),
        "ingress": {"domain": "example.com"},
        "secrets": {"organization": "o", "project": "p", "environment": "e"},
        "workloads": workloads,
        "databases": databases,
    }
