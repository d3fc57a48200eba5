"""Series about the service: does it answer, how fast may it be asked, what does it sell."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from sophia_infra.exporter.attempts import Attempts
from sophia_infra.exporter.families import counter, gauge, single
from sophia_infra.exporter.snapshot import Snapshot
from sophia_infra.lambda_cloud import Pacer
from sophia_infra.lambda_cloud.transport import user_agent

__all__ = ["service_families"]


def service_families(snapshot: Snapshot, attempts: Attempts, pacer: Pacer, now_s: float) -> Iterator[Metric]:
    """At `now_s`, seconds since 1970."""
    listed_at_s = snapshot.listed_at_s
    yield gauge(
        "sophia_exporter_info",
        "1; the version of this program.",
        ("version",),
        [((user_agent().rpartition("/")[2],), 1)],
    )
    yield single(
        "lambda_cloud_up", "1 when the last list of machines succeeded, else 0.", int(snapshot.is_up)
    )
    yield single(
        "lambda_cloud_last_success_timestamp_seconds",
        "When the last list that succeeded was asked for, seconds since 1970.",
        listed_at_s,
    )
    yield single(
        "lambda_cloud_data_age_seconds",
        "Seconds since the last list that succeeded was asked for.",
        None if listed_at_s is None else max(0.0, now_s - listed_at_s),
    )
    yield counter(
        "lambda_cloud_polls_total",
        "Lists of machines, by how they ended, repeated attempts in one.",
        ("outcome",),
        [((outcome,), count) for outcome, count in snapshot.polls.items()],
    )
    yield single(
        "lambda_cloud_poll_duration_seconds",
        "Seconds that the last list of machines took, waits and repeated attempts included.",
        snapshot.duration_s,
    )
    yield counter(
        "lambda_cloud_requests_total",
        "Requests to the API, repeated ones too, by operation and how they ended.",
        ("operation", "outcome"),
        [(key, count) for key, count in sorted(attempts.counts().items())],
    )
    yield gauge(
        "lambda_cloud_rate_tokens",
        "How far the next slot of our own pace is free, 0 to 1.",
        ("limit",),
        [(("request",), pacer.free_share("request")), (("launch",), pacer.free_share("launch"))],
    )
    yield single(
        "lambda_cloud_clock_skew_seconds",
        "Seconds that our clock is ahead of the service's, by its Date header (whole seconds).",
        attempts.clock_skew_s,
    )
    market = snapshot.market
    yield single(
        "lambda_cloud_prices_timestamp_seconds",
        "When prices and capacity were read last, seconds since 1970.",
        None if market is None else market.read_at_s,
    )
    yield gauge(
        "lambda_cloud_capacity",
        "1 when the service lists capacity for the type in the region; it reserves nothing.",
        ("instance_type", "region"),
        () if market is None else [(key, int(has_room)) for key, has_room in market.capacity.items()],
    )
    yield gauge(
        "lambda_cloud_filesystem_used_bytes",
        "Bytes in a filesystem as the service says, hours old; absent where it says nothing.",
        ("name", "region"),
        [
            ((one.name, one.region), one.bytes_used)
            for one in snapshot.filesystems or ()
            if one.bytes_used is not None
        ],
    )
