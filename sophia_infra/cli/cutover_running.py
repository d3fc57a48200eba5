"""`sophia cutover`: what its commands do."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.canary_running import exit_code_of, outcome_of
from sophia_infra.cli.confirming import is_agreed
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.rollout_context import (
    RolloutGround,
    holder_name,
    open_rollout,
    say_progress,
)
from sophia_infra.cli.stopping import stopping
from sophia_infra.cli.views import make_console
from sophia_infra.rollout.canary import check_gateway, refuse_beside
from sophia_infra.rollout.cluster import Cluster
from sophia_infra.rollout.cutover import Cutovers, Standing, check_order, port_is_open, store_verdict
from sophia_infra.rollout.cutover_services import CutoverService, cutover_order
from sophia_infra.rollout.errors import RolloutRefused
from sophia_infra.rollout.gates import Gate, HttpAnswers, PodsReady, judge_all
from sophia_infra.rollout.running import Start, shift

__all__ = ["CutoverRequest", "bring_back", "finish_cutover", "run_cutover", "show_plan", "show_status"]

_HOW = {
    "routed": "calls of {host} move by weights",
    "internal": "moves with its callers, once its pods are ready",
    "store": "moves at once, while Swarm's port {swarm_port} is closed",
}


@dataclass(frozen=True, slots=True)
class CutoverRequest:
    """What was asked for on the command line."""

    stack: str
    service: str
    kubeconfig: str | None
    prometheus: str | None
    probe_url: str | None
    interval_s: float


@dataclass(frozen=True, slots=True)
class _Ground:
    ground: RolloutGround
    order: tuple[CutoverService, ...]
    cluster: Cluster
    cutovers: Cutovers
    swarm_address: str

    def service(self, name: str) -> CutoverService:
        """Raises RolloutRefused for a name that nothing has."""
        return _named(self.order, name)


def show_plan(stack: str, *, as_json: bool, service: str | None = None) -> ExitCode:
    """The order, and how each moves.

    Args:
        service: which one is asked about; its place in the whole order is the answer.

    Raises:
        RolloutRefused: nothing has the name `service`.
    """
    ground = open_rollout(stack, None, None)
    order = _order(ground)
    if service is not None:
        _named(order, service)
    if as_json:
        rollout = ground.rollout.model_dump(mode="json")
        services = [one.as_json() for one in order]
        print(json.dumps({"stack": stack, "services": services, "rollout": rollout}, indent=2))
        return ExitCode.OK
    console = make_console()
    for number, one in enumerate(order, start=1):
        how = _HOW[one.kind].format(host=one.host, swarm_port=one.swarm_port)
        console.print(f"{number}. {one.name} -> {one.namespace}/{one.peer}: {how}", soft_wrap=True)
    if ground.rollout.swarm_address is None:
        console.print("sophia:rollout.swarm_address is missing: `run` needs it.")
    return ExitCode.OK


def run_cutover(request: CutoverRequest, *, yes: bool, as_json: bool) -> ExitCode:
    """Move one service, after everything that has to hold before it."""
    opened = _open(request.stack, request.kubeconfig, request.prometheus)
    service = opened.service(request.service)
    console = make_console(stderr=as_json)
    check_order(service, opened.order, opened.cutovers.standing)
    refuse_beside(opened.cluster, service.namespace, service.peer, "cutover")
    question = f"Move {service.name} to Kubernetes?"
    if not is_agreed(opened.ground.context, question, yes=yes, nothing="Nothing was sent."):
        return ExitCode.USAGE
    if service.kind == "routed":
        code = _move_calls(opened, service, request, console)
    else:
        code = _move_at_once(opened, service, console)
    if as_json:
        _print(request.stack, [opened.cutovers.standing(service)])
    return code


def show_status(stack: str, kubeconfig: str | None, *, as_json: bool) -> ExitCode:
    """Who answers the calls of each service."""
    opened = _open(stack, kubeconfig, None)
    rows = [opened.cutovers.standing(service) for service in opened.order]
    if as_json:
        _print(stack, rows)
    else:
        _show(make_console(), rows)
    return ExitCode.OK


def bring_back(stack: str, name: str, kubeconfig: str | None, *, as_json: bool) -> ExitCode:
    """All calls to Swarm. Needs no gate: this is what one does when gates are red."""
    opened = _open(stack, kubeconfig, None)
    service = opened.service(name)
    log = audit_log_of(opened.ground.context.home.root, stack)
    with log.change(action="cutover back", subject=f"service {name}", why="asked for") as change:
        found = opened.cutovers.back(service, "brought back by hand", time.time())
        change.after = {"place": found.place}
    if as_json:
        _print(stack, [found])
    else:
        _show(make_console(), [found])
        if service.kind == "store":
            make_console().print("Data written since it moved is in the cluster: copy it back before use.")
    return ExitCode.OK


def finish_cutover(stack: str, name: str, kubeconfig: str | None, *, yes: bool, as_json: bool) -> ExitCode:
    """Delete route and Swarm's address; from now on the Ingress serves the host."""
    opened = _open(stack, kubeconfig, None)
    service = opened.service(name)
    question = f"Give up the way back of {name} to Swarm?"
    if not is_agreed(opened.ground.context, question, yes=yes, nothing="Nothing was sent."):
        return ExitCode.USAGE
    log = audit_log_of(opened.ground.context.home.root, stack)
    with log.change(action="cutover finish", subject=f"service {name}", why="it stays on Kubernetes"):
        opened.cutovers.finish(service)
    if as_json:
        print(json.dumps({"stack": stack, "service": name, "finished": True}))
    else:
        make_console().print(f"{name} is on Kubernetes alone; Swarm's {name} may be removed.")
    return ExitCode.OK


def _named(order: tuple[CutoverService, ...], name: str) -> CutoverService:
    for one in order:
        if one.name == name:
            return one
    raise RolloutRefused(
        f"{name} is no service of the Swarm stack.",
        next_step=f"name one of {', '.join(one.name for one in order)}.",
    )


def _move_calls(
    opened: _Ground, service: CutoverService, request: CutoverRequest, console: Console
) -> ExitCode:
    if opened.cutovers.standing(service).place == "kubernetes":
        console.print(f"{service.name} is on Kubernetes already.")
        return ExitCode.OK
    check_gateway(opened.cluster)
    fallback = HttpAnswers(f"http://{opened.swarm_address}:{service.swarm_port}{service.health}").look(0)
    if fallback.health != "healthy":
        raise RolloutRefused(
            f"Swarm's {service.name} is no fallback: {fallback.why}.",
            next_step="bring it up; nothing is moved without a way back.",
        )
    gates: list[Gate] = [PodsReady(opened.cluster, service.namespace, service.peer)]
    burn_rate = opened.ground.burn_rate(service.namespace, service.peer)
    if burn_rate is not None:
        gates.append(burn_rate)
    if request.probe_url is not None:
        gates.append(HttpAnswers(request.probe_url))
    if len(gates) == 1:
        raise RolloutRefused(
            "Nothing would measure the calls: pods that are ready may still answer with errors.",
            next_step="give --prometheus, or at least --probe-url.",
        )
    log = audit_log_of(opened.ground.context.home.root, request.stack)
    subject = f"service {service.name}"
    with (
        stopping("the weights stay as they are") as stop,
        log.change(action="cutover run", subject=subject, why="to Kubernetes") as change,
    ):
        opened.cutovers.prepare(service)
        progress = shift(
            opened.cutovers.route(service),
            Start("kubernetes", opened.ground.rollout.weights, holder_name()),
            partial(judge_all, gates),
            stop,
            opened.ground.timing(request.interval_s),
            interval_s=request.interval_s,
            on_look=partial(say_progress, console),
            should_stop=stop.is_asked,
        )
        change.after = {"weight": progress.weight, "status": progress.status, "why": progress.why}
        change.outcome = outcome_of(progress)
    return exit_code_of(progress)


def _move_at_once(opened: _Ground, service: CutoverService, console: Console) -> ExitCode:
    plural = "statefulsets" if service.kind == "store" else "deployments"
    path = f"/apis/apps/v1/namespaces/{service.namespace}/{plural}/{service.peer}"
    found = opened.cluster.read(path) or {}
    wanted = int((found.get("spec") or {}).get("replicas") or 0)
    is_ready = wanted > 0 and int((found.get("status") or {}).get("readyReplicas") or 0) >= wanted
    if service.kind == "store":
        is_open = port_is_open(opened.swarm_address, service.swarm_port)
        reason = store_verdict(service, is_ready, is_open)
    else:
        reason = None if is_ready else f"{service.peer} is not ready in the cluster"
    if reason is not None:
        console.print(f"{service.name} stays on Swarm: {reason}.", soft_wrap=True)
        return ExitCode.FINDINGS
    log = audit_log_of(opened.ground.context.home.root, opened.ground.context.name)
    with log.change(action="cutover run", subject=f"service {service.name}", why="to Kubernetes"):
        opened.cutovers.record(service, "kubernetes", f"{wanted} pods are ready")
    console.print(f"{service.name} is on Kubernetes: {wanted} pods are ready.")
    return ExitCode.OK


def _open(stack: str, kubeconfig: str | None, prometheus: str | None) -> _Ground:
    ground = open_rollout(stack, kubeconfig, prometheus)
    order = _order(ground)
    address = ground.rollout.swarm_address
    if address is None:
        raise RolloutRefused(
            f"Pulumi.{stack}.yaml does not say where Swarm is.",
            next_step="set sophia:rollout.swarm_address to the address of a node of it.",
        )
    cluster = ground.cluster(_cluster_name(ground))
    return _Ground(ground, order, cluster, Cutovers(cluster, address), address)


def _order(ground: RolloutGround) -> tuple[CutoverService, ...]:
    kube = ground.context.config.kubernetes
    if kube is None:
        raise RolloutRefused("This stack has no sophia:kubernetes.", next_step="nothing can move there.")
    return cutover_order(kube)


def _cluster_name(ground: RolloutGround) -> str:
    from sophia_infra.model.kubernetes.placement import place

    placed = place(ground.context.config, ground.context.prepared.phase)
    return next(iter(placed.clusters), "sophia")


def _print(stack: str, rows: list[Standing]) -> None:
    print(json.dumps({"stack": stack, "services": [row.as_json() for row in rows]}, indent=2))


def _show(console: Console, rows: list[Standing]) -> None:
    for row in rows:
        console.print(f"{row.service.name:16s} {row.place:10s} {row.weight:3d} %  {row.why}", soft_wrap=True)
