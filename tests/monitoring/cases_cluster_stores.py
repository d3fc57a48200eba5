"""Cases: databases, their copies, and what ends by date."""

from __future__ import annotations

from collections.abc import Mapping

from tests.monitoring.cluster_cases import cluster_terms, fires, silent
from tests.monitoring.rule_cases import Recorded

_NS = "sophia-ai-prod"


def _in(service: str, number: int = 0) -> str:
    return f'namespace="{_NS}",service="{service}",pod="{service}-{number}",job="{service}"'


def _pod(service: str, owner: str) -> dict[str, str]:
    return {"namespace": _NS, "service": service, "pod": f"{service}-0", "owner": owner}


_PG = _in("postgres")
_OPEN = "pg_stat_activity_max_tx_duration"
_DB = 'datid="5",datname="sophia"'
_CACHE, _QUEUE = _in("redis"), _in("n8n-redis")


def _policy(target: str, policy: str, role: str = "master") -> dict[str, str]:
    return {f'redis_instance_info{{{target},role="{role}",maxmemory_policy="{policy}"}}': "1x60"}


def _lookups(target: str, hits: float, misses: float) -> dict[str, str]:
    return {
        f"redis_keyspace_hits_total{{{target}}}": f"0+{hits}x60",
        f"redis_keyspace_misses_total{{{target}}}": f"0+{misses}x60",
    }


def _memory(target: str, used: int, limit: int = 100) -> dict[str, str]:
    return {
        f"redis_memory_used_bytes{{{target}}}": f"{used}x60",
        f"redis_memory_max_bytes{{{target}}}": f"{limit}x60",
    }


_SEARCH = (
    f'{_in("qdrant")},method="POST",exported_endpoint="/collections/{{name}}/points/search",status="200"'
)
_GRPC = f'{_in("qdrant")},exported_endpoint="/qdrant.Points/Search",status="0"'
_QDRANT = {"namespace": _NS, "service": "qdrant", "owner": "ai"}


def _searches(under: Mapping[str, float]) -> dict[str, str]:
    return {
        f'rest_responses_duration_seconds_bucket{{{_SEARCH},le="{le}"}}': f"0+{count}x60"
        for le, count in under.items()
    }


_CRON = f'namespace="{_NS}",cronjob="postgres-backup"'
_EXISTS = {
    f'kube_cronjob_info{{namespace="{_NS}",cronjob="{name}-backup"}}': "1x2000"
    for name in ("postgres", "redis", "qdrant")
}
_HOUR = 3600
_DAY = 24 * _HOUR


def _schedule(last_good_s: int, period_s: int = _DAY) -> dict[str, str]:
    """promtool's clock starts at 0: a copy of yesterday is at a negative time."""
    return {
        f"kube_cronjob_status_last_successful_time{{{_CRON}}}": f"{last_good_s}x100",
        f"kube_cronjob_status_last_schedule_time{{{_CRON}}}": "0x100",
        f"kube_cronjob_next_schedule_time{{{_CRON}}}": f"{period_s}x100",
    }


_BACKUP = {"namespace": _NS, "cronjob": "postgres-backup", "database": "postgres", "owner": "platform"}
_JOB = f'namespace="{_NS}",job_name="postgres-backup-2900"'
_FAILED = {
    f'kube_job_failed{{{_JOB},condition="true"}}': "1x60",
    f'kube_job_owner{{{_JOB},owner_kind="CronJob",owner_name="postgres-backup"}}': "1x60",
    f"kube_job_created{{{_JOB}}}": "100x60",
}
_LAST_GOOD = f"kube_cronjob_status_last_successful_time{{{_CRON}}}"
_CERTIFICATE = 'namespace="kube-system",service="traefik",serial="1",sans="api.sophia.example.com"'
_CERTIFICATE_ALARM = {"cn": "api.sophia.example.com", "sans": "api.sophia.example.com"}


def _ends_in(days: float, cn: str = "api.sophia.example.com") -> dict[str, str]:
    return {f'traefik_tls_certs_not_after{{{_CERTIFICATE},cn="{cn}"}}': f"{int(days * _DAY)}x60"}


def _clients(under: Mapping[str, float]) -> dict[str, str]:
    series = "apiserver_client_certificate_expiration_seconds_bucket"
    return {f'{series}{{job="apiserver",le="{le}"}}': f"0+{count}x60" for le, count in under.items()}


_SECRET = (
    'namespace="external-secrets",exported_namespace="sophia-ai-prod",name="sophia-ai-core",condition="Ready"'
)

CASES = [
    *fires("PostgresDown", "takes no calls", {f"pg_up{{{_PG}}}": "0x60"}, _pod("postgres", "platform")),
    silent("PostgresDown", "up", {f"pg_up{{{_PG}}}": "1x60"}),
    *fires(
        "PostgresConnectionsNearFull",
        "170 of 200, in two states",
        {
            f'pg_stat_activity_count{{{_PG},datname="sophia",state="active"}}': "70x60",
            f'pg_stat_activity_count{{{_PG},datname="sophia",state="idle"}}': "100x60",
            f"pg_settings_max_connections{{{_PG}}}": "200x60",
        },
        _pod("postgres", "platform"),
    ),
    silent(
        "PostgresConnectionsNearFull",
        "100 of 200",
        {
            f'pg_stat_activity_count{{{_PG},datname="sophia",state="idle"}}': "100x60",
            f"pg_settings_max_connections{{{_PG}}}": "200x60",
        },
    ),
    *fires(
        "PostgresDeadlocks",
        "one a minute",
        {f"pg_stat_database_deadlocks{{{_PG},{_DB}}}": "0+1x60"},
        {"namespace": _NS, "service": "postgres", "datname": "sophia", "owner": "platform"},
        from_s=120,
    ),
    silent("PostgresDeadlocks", "old ones", {f"pg_stat_database_deadlocks{{{_PG},{_DB}}}": "9x60"}),
    *fires(
        "PostgresTransactionTooLong",
        "two hours",
        {f'{_OPEN}{{{_PG},datname="sophia",state="idle in transaction"}}': "7200x60"},
        {**_pod("postgres", "platform"), "datname": "sophia"},
    ),
    silent(
        "PostgresTransactionTooLong",
        "a minute",
        {f'pg_stat_activity_max_tx_duration{{{_PG},datname="sophia",state="active"}}': "60x60"},
    ),
    *fires("RedisDown", "takes no calls", {f"redis_up{{{_CACHE}}}": "0x60"}, _pod("redis", "platform")),
    silent("RedisDown", "up", {f"redis_up{{{_CACHE}}}": "1x60"}),
    *fires(
        "RedisHitRateLow",
        "half of them",
        {**_policy(_CACHE, "allkeys-lru"), **_lookups(_CACHE, 300, 300)},
        {"namespace": _NS, "service": "redis", "owner": "platform"},
        from_s=60,
    ),
    silent("RedisHitRateLow", "nine in ten", {**_policy(_CACHE, "allkeys-lru"), **_lookups(_CACHE, 540, 60)}),
    silent("RedisHitRateLow", "few look-ups", {**_policy(_CACHE, "allkeys-lru"), **_lookups(_CACHE, 1, 5)}),
    silent("RedisHitRateLow", "a queue", {**_policy(_QUEUE, "noeviction"), **_lookups(_QUEUE, 300, 300)}),
    *fires(
        "RedisMemoryNearFull",
        "a queue at 95 %",
        {**_policy(_QUEUE, "noeviction"), **_memory(_QUEUE, 95)},
        _pod("n8n-redis", "automation"),
    ),
    silent("RedisMemoryNearFull", "80 %", {**_policy(_QUEUE, "noeviction"), **_memory(_QUEUE, 80)}),
    silent("RedisMemoryNearFull", "no limit", {**_policy(_QUEUE, "noeviction"), **_memory(_QUEUE, 95, 0)}),
    *fires(
        "RedisCacheFull",
        "a cache at 95 %",
        {**_policy(_CACHE, "allkeys-lru"), **_memory(_CACHE, 95)},
        _pod("redis", "platform"),
    ),
    silent(
        "RedisCacheFull",
        "a queue, which is the other alarm",
        {**_policy(_QUEUE, "noeviction"), **_memory(_QUEUE, 95)},
    ),
    *fires(
        "RedisMasterCount",
        "none of three",
        {
            **_policy(_in("redis", 0), "allkeys-lru", "slave"),
            **_policy(_in("redis", 1), "allkeys-lru", "slave"),
        },
        {"namespace": _NS, "service": "redis", "owner": "platform"},
    ),
    *fires(
        "RedisMasterCount",
        "two",
        {**_policy(_in("redis", 0), "allkeys-lru"), **_policy(_in("redis", 1), "allkeys-lru")},
        {"namespace": _NS, "service": "redis", "owner": "platform"},
    ),
    silent(
        "RedisMasterCount",
        "one and a replica",
        {**_policy(_in("redis", 0), "allkeys-lru"), **_policy(_in("redis", 1), "allkeys-lru", "slave")},
    ),
    silent(
        "RedisMasterCount",
        "one and two replicas",
        {
            **_policy(_in("redis", 0), "allkeys-lru"),
            **_policy(_in("redis", 1), "allkeys-lru", "slave"),
            **_policy(_in("redis", 2), "allkeys-lru", "slave"),
        },
    ),
    *fires(
        "RedisReplicaCutOff",
        "does not hear its master",
        {f'redis_master_link_up{{{_CACHE},master_host="redis-1",master_port="6379"}}': "0x60"},
        _pod("redis", "platform"),
    ),
    silent(
        "RedisReplicaCutOff",
        "hears it",
        {f'redis_master_link_up{{{_CACHE},master_host="redis-1",master_port="6379"}}': "1x60"},
    ),
    *fires(
        "QdrantSlow",
        "80 ms",
        _searches({"0.05": 0, "0.1": 60, "+Inf": 60}),
        {**_QDRANT, "protocol": "rest"},
        from_s=60,
    ),
    silent("QdrantSlow", "20 ms", _searches({"0.025": 60, "0.05": 60, "+Inf": 60})),
    *fires(
        "QdrantSlow",
        "over gRPC too",
        {
            f'grpc_responses_duration_seconds_bucket{{{_GRPC},le="{le}"}}': values
            for le, values in (("0.05", "0+0x60"), ("0.1", "0+60x60"), ("+Inf", "0+60x60"))
        },
        {**_QDRANT, "protocol": "grpc"},
        from_s=60,
    ),
    *fires(
        "QdrantTailSlow",
        "two in a hundred take half a second",
        _searches({"0.05": 98, "0.2": 98, "0.5": 100, "+Inf": 100}),
        {**_QDRANT, "protocol": "rest"},
        from_s=60,
    ),
    silent("QdrantTailSlow", "two in a hundred take 0.1 s", _searches({"0.05": 98, "0.1": 100, "+Inf": 100})),
    *fires(
        "QdrantErrors",
        "one in ten",
        {
            f"rest_responses_total{{{_SEARCH}}}": "0+100x60",
            f"rest_responses_fail_total{{{_SEARCH}}}": "0+10x60",
        },
        _QDRANT,
        from_s=60,
    ),
    silent(
        "QdrantErrors",
        "one in a hundred",
        {
            f"rest_responses_total{{{_SEARCH}}}": "0+100x60",
            f"rest_responses_fail_total{{{_SEARCH}}}": "0+1x60",
        },
    ),
    *fires("BackupTooOld", "27 hours old, of a daily one", _schedule(-27 * _HOUR), _BACKUP),
    silent("BackupTooOld", "25 hours old", _schedule(-25 * _HOUR)),
    silent("BackupTooOld", "six days old, of a weekly one", _schedule(-6 * _DAY, 7 * _DAY)),
    *fires(
        "BackupMissing",
        "its CronJob is gone",
        {k: v for k, v in _EXISTS.items() if "postgres" not in k},
        _BACKUP,
    ),
    *fires(
        "BackupMissing",
        "made two days ago and never good",
        {**_EXISTS, f"kube_cronjob_created{{{_CRON}}}": f"{-2 * _DAY}x100"},
        _BACKUP,
    ),
    silent(
        "BackupMissing",
        "it was good once",
        {**_EXISTS, f"kube_cronjob_created{{{_CRON}}}": f"{-2 * _DAY}x100", _LAST_GOOD: "0x100"},
    ),
    silent("BackupMissing", "made today", {**_EXISTS, f"kube_cronjob_created{{{_CRON}}}": "0x100"}),
    *fires(
        "BackupJobFailed", "and none since", _FAILED, {"namespace": _NS, "job_name": "postgres-backup-2900"}
    ),
    *fires(
        "BackupJobFailed",
        "after a good one",
        {**_FAILED, _LAST_GOOD: "50x60"},
        {"namespace": _NS, "job_name": "postgres-backup-2900"},
    ),
    silent("BackupJobFailed", "and a good one since", {**_FAILED, _LAST_GOOD: "200x60"}),
    silent(
        "BackupJobFailed",
        "another job",
        {'kube_job_failed{namespace="a",job_name="b",condition="true"}': "1x60"},
    ),
    silent(
        "BackupJobFailed",
        "of another CronJob",
        {key.replace('"postgres-backup"', '"report"'): value for key, value in _FAILED.items()},
    ),
    *fires("CertificateExpiresSoon", "in 20 days", _ends_in(20), _CERTIFICATE_ALARM),
    silent("CertificateExpiresSoon", "in 60 days", _ends_in(60)),
    silent("CertificateExpiresSoon", "Traefik's own", _ends_in(20, "TRAEFIK DEFAULT CERT")),
    *fires("CertificateExpiresNow", "in two days", _ends_in(2), _CERTIFICATE_ALARM),
    silent("CertificateExpiresNow", "in 20 days", _ends_in(20)),
    *fires(
        "ClusterCertificateExpiresSoon",
        "some caller's, within 30 days",
        _clients({"172800": 0, "2.592e+06": 1, "+Inf": 60}),
        {},
        from_s=120,
    ),
    silent(
        "ClusterCertificateExpiresSoon", "all for months", _clients({"172800": 0, "2.592e+06": 0, "+Inf": 60})
    ),
    *fires(
        "ClusterCertificateExpiresNow",
        "within two days, as Prometheus 3 writes it",
        _clients({"172800.0": 1, "2.592e+06": 1, "+Inf": 60}),
        {},
        from_s=120,
    ),
    silent("ClusterCertificateExpiresNow", "in a month", _clients({"172800": 0, "2.592e+06": 1, "+Inf": 60})),
    *fires(
        "SecretNotSynced",
        "ESC refuses",
        {f'externalsecret_status_condition{{{_SECRET},status="False"}}': "1x60"},
        {"exported_namespace": _NS, "name": "sophia-ai-core", "owner": "ai"},
    ),
    silent(
        "SecretNotSynced", "synced", {f'externalsecret_status_condition{{{_SECRET},status="True"}}': "1x60"}
    ),
    Recorded(
        "the hit rate is of all pods together",
        "redis:hits:ratio_rate15m",
        {**_lookups(_in("redis", 0), 90, 0), **_lookups(_in("redis", 1), 0, 30)},
        1200,
        [(f'redis:hits:ratio_rate15m{{namespace="{_NS}",service="redis"}}', 0.75)],
        terms=cluster_terms(),
    ),
]
