"""The resource kind ClusterReady: waits for a cluster's API and its nodes, and lets the nodes before go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sophia_infra.joining import TLS_SERVER_NAME
from sophia_infra.provider.errors import ClusterNotReady, Stopped
from sophia_infra.provider.kubernetes_api import Answer, ApiAccess, ask_api, send_api
from sophia_infra.provider.node_retirement import (
    INSTANCE_LABEL,
    NODES_PATH,
    Ask,
    NodeRetirement,
    Send,
    name_of,
    ready_status,
)
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["ClusterReadyKind"]

HOPELESS_AFTER_S = 180.0
"""A server that is another one, or refuses the certificate, gets this long: an address may still belong to
the machine before, and k3s answers before it knows its administrators."""

_NOTHING_KNOWN = "no answer"
_REQUIRED = ("stack", "cluster", "server_url", "ca_certificate", "client_certificate", "client_key")
_WAITED_FOR = ("server_url", "instances", "nodes")


class ClusterReadyKind:
    """Properties: `stack`, `cluster`, `server_url` (https://address:6443), `ca_certificate`,
    `client_certificate`, `client_key` (PEM, secret), `nodes` (names that must be Ready; none: only the API),
    `instances` {name: id} (another machine means to wait again), `timeout_minutes` (default 20),
    `drain_timeout_minutes` (default 10: how long pods may take to move off nodes that go).

    When all of `nodes` are Ready, the fleet's other nodes are emptied and deleted (`node_retirement`): the
    engine ends their machines after this. Without `nodes` it is not known which ones go, so none does.

    Outputs: `nodes_ready`, the names that were Ready. Owns nothing.
    """

    def __init__(self, session: Session, ask: Ask | None = None, send: Send | None = None) -> None:
        self._session = session
        self._ask = ask or ask_api
        self._send = send or send_api

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        failures = [(name, "is missing") for name in _REQUIRED if not news.get(name)]
        url = news.get("server_url")
        if isinstance(url, str) and url and not url.startswith("https://"):
            failures.append(("server_url", "must begin with https://"))
        return Checked(news, tuple(failures))

    def diff(self, _resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        # A renewed certificate is no reason to wait, but the state should hold the one that is valid.
        compared = (*_WAITED_FOR, "ca_certificate", "client_certificate", "client_key")
        return Diff(changes=tuple(name for name in compared if not same(olds.get(name), news.get(name))))

    def create(self, news: Props) -> Created:
        return Created(f"{news['stack']}/{news['cluster']}-ready", self._settle(news, ()))

    def read(self, resource_id: str, props: Props) -> Found:
        return Found(resource_id, dict(props))

    def update(self, _resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        if all(same(olds.get(name), news.get(name)) for name in _WAITED_FOR):
            return {**news, "nodes_ready": olds.get("nodes_ready")}
        before, now = olds.get("instances") or {}, news.get("instances") or {}
        return self._settle(news, [name for name in now if before.get(name, now[name]) != now[name]])

    def delete(self, _resource_id: str, _props: Mapping[str, Any]) -> None:
        return None

    def _settle(self, news: Props, remade: Collection[str]) -> Props:
        """Wait for the nodes, then let the others go.

        Args:
            remade: machines of the fleet that have another id than when this was last done.
        """
        access = ApiAccess(
            news["server_url"],
            TLS_SERVER_NAME,
            news["ca_certificate"],
            news["client_certificate"],
            news["client_key"],
        )
        wanted = [str(name) for name in news.get("nodes") or ()]
        self._wait(news, access, wanted, remade)
        if wanted:
            limit_s = float(news.get("drain_timeout_minutes") or 10) * 60
            cluster = str(news["cluster"])
            NodeRetirement(self._session, access, cluster, limit_s, self._ask, self._send).run(wanted)
        return {**news, "nodes_ready": sorted(wanted)}

    def _wait(self, news: Props, access: ApiAccess, wanted: Sequence[str], remade: Collection[str]) -> None:
        cluster = str(news["cluster"])
        limit_s = float(news.get("timeout_minutes") or 20) * 60
        clock = self._session.clock
        started_s = clock.now()
        hopeless_since_s: float | None = None
        said = ""
        while True:
            missing, answer = self._look(access, wanted)
            if not missing and answer.kind == "ok":
                return
            self._forget_ended(access, answer, missing, remade)
            now_s = clock.now()
            if answer.kind not in ("stranger", "refused"):
                hopeless_since_s = None
            elif hopeless_since_s is None:
                hopeless_since_s = now_s
            waited_s = now_s - started_s
            given_up = hopeless_since_s is not None and now_s - hopeless_since_s >= HOPELESS_AFTER_S
            if given_up or waited_s >= limit_s:
                raise _not_ready(cluster, access.url, missing, answer, waited_s)
            line = _progress(cluster, len(wanted), missing, answer)
            if line != said:
                self._session.say(f"{line} ({waited_s / 60:.1f} min)")
                said = line
            if self._session.stop_requested():
                raise Stopped(
                    f"Stopped on request while waiting for cluster {cluster}; its machines run on, billed.",
                    next_step="run the same command again to go on waiting, or `sophia down` to end them.",
                )
            clock.sleep(min(self._session.waits.poll_s, limit_s - waited_s))

    def _look(self, access: ApiAccess, wanted: Sequence[str]) -> tuple[list[str], Answer]:
        """Nodes that are not Ready yet, and the answer that says so; not ok while the API is not ready."""
        answer = self._ask(access, "/readyz")
        if answer.kind != "ok" or not wanted:
            return list(wanted), answer
        answer = self._ask(access, NODES_PATH)
        ready = {name_of(node) for node in answer.items() or () if ready_status(node) == "True"}
        return [name for name in wanted if name not in ready], answer

    def _forget_ended(
        self, access: ApiAccess, answer: Answer, missing: Collection[str], remade: Collection[str]
    ) -> None:
        """Delete nodes of machines that ended by themselves: their names are kept from the new machines."""
        for node in answer.items() or ():
            machine = (node["metadata"].get("labels") or {}).get(INSTANCE_LABEL)
            if machine in remade and name_of(node) in missing and ready_status(node) == "Unknown":
                self._send(access, "DELETE", f"{NODES_PATH}/{name_of(node)}")


def _progress(cluster: str, wanted: int, missing: Sequence[str], answer: Answer) -> str:
    if answer.kind == "ok":
        return f"{cluster}: {wanted - len(missing)} of {wanted} nodes ready; waiting for {', '.join(missing)}"
    return f"{cluster}: waiting for its API ({answer.words or _NOTHING_KNOWN})"


def _not_ready(
    cluster: str, url: str, missing: Sequence[str], answer: Answer, waited_s: float
) -> ClusterNotReady:
    minutes = f"after {waited_s / 60:.0f} min"
    if answer.kind == "ok":
        return ClusterNotReady(
            f"The cluster {cluster} answers, but {minutes} these nodes are not Ready: {', '.join(missing)}. "
            "Their machines are billed.",
            next_step="`journalctl -u sophia-join` on such a machine says how far it came; "
            "then run the same command again.",
        )
    if answer.kind == "stranger":
        step = "the machine booted with other credentials: raise its `generation` to replace it."
    elif answer.kind == "refused":
        step = "compare this machine's clock with the server's; else raise the server's `generation`."
    else:
        step = (
            "check that `api_sources` holds the address that you come from, and see `journalctl -u "
            "sophia-join` on the server; then run the same command again."
        )
    return ClusterNotReady(
        f"The API of the cluster {cluster} at {url} is not ready {minutes}: "
        f"{answer.words or _NOTHING_KNOWN}. Its machines are billed.",
        next_step=step,
    )
