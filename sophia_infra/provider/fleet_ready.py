"""The resource kind FleetReady: waits once for all machines of a stack, and reports what they are.

`pulumi.dynamic` serves four calls at a time, so a boot of 10 minutes waited for in each `create` would
queue the fleet. One resource that polls one shared list does not.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sophia_infra.lambda_cloud import Instance
from sophia_infra.provider.errors import NotReady, Stopped
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["FleetReadyKind", "ssh_answers"]

# Two of three GH200 launches came up unhealthy and stayed so, billed (facts 1.6): waiting longer is waste.
UNHEALTHY_GRACE_S = 300.0
_GONE_STATUSES = frozenset({"terminating", "terminated", "preempted"})


class FleetReadyKind:
    """Properties: `stack`, `instances` {name: id}, `timeout_minutes` {name: minutes}, `probe_ssh`.

    A machine is ready when its status is active, it has an address and, with `probe_ssh`, its SSH server
    answers (facts 1.6). Owns nothing: a failure leaves every machine in the state.
    """

    def __init__(self, session: Session, ssh_probe: Callable[[str], bool] | None = None) -> None:
        self._session = session
        self._ssh_probe = ssh_probe or ssh_answers

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        return Checked(news, () if news.get("stack") else (("stack", "is missing"),))

    def diff(self, _resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        return Diff(changes=() if same(olds.get("instances"), news.get("instances")) else ("instances",))

    def create(self, news: Props) -> Created:
        return Created(f"{news['stack']}/fleet-ready", self._wait(news))

    def read(self, resource_id: str, props: Props) -> Found:
        listed = {row.id: row for row in self._session.instances.rows(self._session.waits.refresh_s)}
        return Found(resource_id, _report(props, listed))

    def update(self, _resource_id: str, _olds: Mapping[str, Any], news: Props) -> Props:
        return self._wait(news)

    def delete(self, _resource_id: str, _props: Mapping[str, Any]) -> None:
        return None

    def _wait(self, news: Props) -> Props:
        wanted: dict[str, str] = dict(news["instances"])
        started_s = self._session.clock.now()
        unhealthy_since_s: dict[str, float] = {}
        listed_at_s: dict[str, float] = {}
        answered: set[str] = set()
        said = ""
        while True:
            rows = self._session.instances.rows(self._session.waits.poll_s / 2)
            listed = {row.id: row for row in rows}
            now_s = self._session.clock.now()
            waited_s = now_s - started_s
            open_names, hopeless = [], []
            for name, instance_id in wanted.items():
                row = listed.get(instance_id)
                if row is not None:
                    listed_at_s[name] = now_s
                if row is not None and self._is_ready(row, news, answered):
                    continue
                open_names.append(name)
                since_s = unhealthy_since_s.setdefault(name, now_s)
                if row is None or row.status != "unhealthy":
                    unhealthy_since_s[name] = now_s
                minutes = float(news.get("timeout_minutes", {}).get(name, 30))
                if (
                    (row is not None and row.status in _GONE_STATUSES)
                    or now_s - since_s > UNHEALTHY_GRACE_S
                    or now_s - listed_at_s.get(name, started_s) > self._session.waits.list_lag_s
                    or waited_s > minutes * 60
                ):
                    hopeless.append((name, row))
            if not open_names:
                return _report(news, listed)
            if hopeless and len(hopeless) == len(open_names):
                raise _not_ready(hopeless, waited_s)
            line = (
                f"{len(wanted) - len(open_names)} of {len(wanted)} ready; waiting for {', '.join(open_names)}"
            )
            if line != said:
                self._session.say(f"{line} ({waited_s / 60:.1f} min)")
                said = line
            if self._session.stop_requested():
                raise Stopped(
                    f"Stopped on request while waiting for {', '.join(open_names)}; they boot on, billed.",
                    next_step="run the same command again to go on waiting, or `sophia down` to end them.",
                )
            self._session.clock.sleep(self._session.waits.poll_s)

    def _is_ready(self, row: Instance, news: Props, answered: set[str]) -> bool:
        if row.status != "active" or not row.ip:
            return False
        if news.get("probe_ssh") and row.id not in answered:
            if not self._ssh_probe(row.ip):
                return False
            answered.add(row.id)
        return True


def ssh_answers(address: str, port: int = 22, timeout_s: float = 5.0) -> bool:
    """Whether an SSH server greets at `address` within `timeout_s` seconds (real time)."""
    try:
        with socket.create_connection((address, port), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _report(props: Mapping[str, Any], listed: Mapping[str, Instance]) -> Props:
    machines: Props = {}
    total = Decimal(0)
    for name, instance_id in dict(props["instances"]).items():
        row = listed.get(instance_id)
        if row is None:
            machines[name] = {"id": instance_id, "status": "gone"}
            continue
        if row.status not in _GONE_STATUSES:
            total += row.instance_type.usd_per_hour
        machines[name] = {
            "id": row.id,
            "status": row.status,
            "ip": row.ip or "",
            "private_ip": row.private_ip or "",
            "hostname": row.hostname or "",
            "region": row.region,
            "instance_type": row.instance_type.name,
            "architecture": row.instance_type.architecture or "",
            "usd_per_hour": str(row.instance_type.usd_per_hour),
        }
    return {**props, "machines": machines, "usd_per_hour": str(total)}


def _not_ready(hopeless: list[tuple[str, Instance | None]], waited_s: float) -> NotReady:
    lines = []
    cost = Decimal(0)
    for name, row in hopeless:
        if row is None:
            lines.append(f"{name} is not listed")
            continue
        if row.status not in _GONE_STATUSES:
            cost += row.instance_type.usd_per_hour
        lines.append(f"{name} ({row.id}) is {row.status}")
    return NotReady(
        f"Not ready after {waited_s / 60:.0f} min: {'; '.join(lines)}. They cost ${cost}/h until terminated.",
        next_step="run `sophia up` again to wait longer, with `--refresh` to replace what is gone; an "
        "unhealthy machine seldom recovers: raise its `generation` to replace it.",
    )
