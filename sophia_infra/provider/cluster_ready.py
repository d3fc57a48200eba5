"""The resource kind ClusterReady: waits until a cluster's API answers, then until its nodes are Ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sophia_infra.joining import TLS_SERVER_NAME
from sophia_infra.provider.errors import ClusterNotReady, Stopped
from sophia_infra.provider.kubernetes_api import Answer, ApiAccess, ask_api
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["ClusterReadyKind", "ready_nodes"]

HOPELESS_AFTER_S = 180.0
"""A server that is another one, or refuses the certificate, gets this long: an address may still belong to
the machine before, and k3s answers before it knows its administrators."""

_NOTHING_KNOWN = "no answer"
_REQUIRED = ("stack", "cluster", "server_url", "ca_certificate", "client_certificate", "client_key")
_WAITED_FOR = ("server_url", "instances", "nodes")


class ClusterReadyKind:
    """Properties: `stack`, `cluster`, `server_url` (https://address:6443), `ca_certificate`,
    `client_certificate`, `client_key` (PEM, secret), `nodes` (names that must be Ready; none: only the API),
    `instances` {name: id} (another machine means to wait again), `timeout_minutes` (default 20).

    Outputs: `nodes_ready`, the names that were Ready. Owns nothing.
    """

    def __init__(self, session: Session, ask: Callable[[ApiAccess, str], Answer] | None = None) -> None:
        self._session = session
        self._ask = ask or ask_api

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
        return Created(f"{news['stack']}/{news['cluster']}-ready", self._wait(news))

    def read(self, resource_id: str, props: Props) -> Found:
        return Found(resource_id, dict(props))

    def update(self, _resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        if all(same(olds.get(name), news.get(name)) for name in _WAITED_FOR):
            return {**news, "nodes_ready": olds.get("nodes_ready")}
        return self._wait(news)

    def delete(self, _resource_id: str, _props: Mapping[str, Any]) -> None:
        return None

    def _wait(self, news: Props) -> Props:
        access = ApiAccess(
            news["server_url"],
            TLS_SERVER_NAME,
            news["ca_certificate"],
            news["client_certificate"],
            news["client_key"],
        )
        cluster = str(news["cluster"])
        wanted = [str(name) for name in news.get("nodes") or ()]
        limit_s = float(news.get("timeout_minutes") or 20) * 60
        clock = self._session.clock
        started_s = clock.now()
        hopeless_since_s: float | None = None
        said = ""
        while True:
            missing, answer = self._look(access, wanted)
            if not missing and answer.kind == "ok":
                return {**news, "nodes_ready": sorted(wanted)}
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
        answer = self._ask(access, "/api/v1/nodes")
        listed = answer.document() if answer.kind == "ok" else None
        ready = ready_nodes(listed) if isinstance(listed, dict) else set()
        return [name for name in wanted if name not in ready], answer


def ready_nodes(listed: Mapping[str, Any]) -> set[str]:
    """Names of the nodes of a NodeList whose condition Ready is True."""
    return {
        str(node.get("metadata", {}).get("name"))
        for node in listed.get("items") or ()
        if any(
            one.get("type") == "Ready" and one.get("status") == "True"
            for one in node.get("status", {}).get("conditions") or ()
        )
    }


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
