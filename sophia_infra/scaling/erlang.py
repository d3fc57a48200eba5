"""Erlang's formula: waits where calls come at random and take exponentially long (M/M/c)."""

from __future__ import annotations

from math import log

from sophia_infra.scaling.errors import SettingsRefused

__all__ = ["erlang_c", "wait_quantile_s"]


def erlang_c(servers: int, load: float) -> float:
    """Chance that a call has to wait in M/M/c. `load`: arrivals times mean service time, below `servers`."""
    if not 0 <= load < servers:
        raise SettingsRefused(
            f"A load of {load:g} on {servers} servers has no steady state.",
            next_step="choose a load of at least 0 and below the number of servers.",
        )
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def wait_quantile_s(servers: int, rate_per_s: float, service_mean_s: float, level: float) -> float:
    """The wait that share `level` of the calls does not exceed in M/M/c. Source: Erlang (1917)."""
    waits = erlang_c(servers, rate_per_s * service_mean_s)
    if waits <= 1 - level:
        return 0.0
    return log(waits / (1 - level)) / (servers / service_mean_s - rate_per_s)
