"""The client: every operation of Lambda Cloud API 1.10.0 as one method, in groups by subject."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Self

from sophia_infra.lambda_cloud.account_calls import AccountCalls
from sophia_infra.lambda_cloud.addresses import check_api_key, parse_base_url
from sophia_infra.lambda_cloud.firewall_calls import FirewallCalls
from sophia_infra.lambda_cloud.instance_calls import InstanceCalls
from sophia_infra.lambda_cloud.observing import Observer
from sophia_infra.lambda_cloud.pacing import Pacer
from sophia_infra.lambda_cloud.retrying import RetryPlan
from sophia_infra.lambda_cloud.storage_calls import StorageCalls
from sophia_infra.lambda_cloud.ticket_calls import TicketCalls
from sophia_infra.model.clock import Clock, SystemClock

__all__ = ["TIMEOUT_CONNECT_S", "TIMEOUT_READ_S", "LambdaCloud"]

TIMEOUT_CONNECT_S = 10.0
"""Twice what a slow transatlantic TLS connection needs."""

TIMEOUT_READ_S = 60.0
"""Six times the slowest launch answer seen (8.9 s)."""


class LambdaCloud(InstanceCalls, StorageCalls, FirewallCalls, AccountCalls, TicketCalls):
    """Lambda Cloud, or anything that speaks its API 1.10.0. Safe to share between threads.

        cloud = LambdaCloud("https://cloud.lambda.ai", api_key)
        for instance in cloud.list_instances():
            print(instance.name, instance.status, instance.ip)

    Every method waits for its slot (1 request per second, 1 launch per 12 s), and repeats itself after
    429, 5xx and broken connections where that cannot do a thing twice (`operations.py`). Besides what a
    method names, it raises Unauthorized, AccountInactive, EdgeBlocked, Forbidden, RateLimited,
    Unreachable, ServerFault and UnexpectedAnswer; see `errors.py`.

    Args:
        base_url: `https://cloud.lambda.ai`; http only to this machine.
        api_key: sent as a Bearer token, never logged, not in the repr.
        clock: for pacing, backoff and deadlines. Socket timeouts are always real seconds.
        pacer: shared with every other client of the same key; one of this client alone when None.
        timeout_connect_s: seconds to open a connection. Default 10.
        timeout_read_s: seconds between two pieces of an answer. Default 60.
        retry_plan: waits and deadline of repeated attempts.
        random_part: gives 0 to 1, for the jitter; tests pass their own.
        observer: told of every attempt, for metrics; nobody when None.

    Raises:
        InvalidSpec: the base URL is not one, or would show the key to others on the way.
        Unauthorized: the key is empty or cannot be sent in a header.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        clock: Clock | None = None,
        pacer: Pacer | None = None,
        timeout_connect_s: float = TIMEOUT_CONNECT_S,
        timeout_read_s: float = TIMEOUT_READ_S,
        retry_plan: RetryPlan | None = None,
        random_part: Callable[[], float] = random.random,
        observer: Observer | None = None,
    ) -> None:
        # requests takes 0.1 to 0.2 s to import, which commands that send nothing should not pay.
        from sophia_infra.lambda_cloud.transport import Transport

        base = parse_base_url(base_url)
        key = check_api_key(api_key)
        used_clock = SystemClock() if clock is None else clock
        self._base = base
        self._transport = Transport(
            base,
            key,
            clock=used_clock,
            pacer=Pacer(None, Pacer.key_id(base.url, key), used_clock) if pacer is None else pacer,
            timeout_connect_s=timeout_connect_s,
            timeout_read_s=timeout_read_s,
            retry_plan=RetryPlan() if retry_plan is None else retry_plan,
            random_part=random_part,
            observer=observer,
        )

    def close(self) -> None:
        """Close the kept connections. The client opens new ones when it is used again."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LambdaCloud({self._base.url!r})"
