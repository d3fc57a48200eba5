"""`sophia canary`: what its commands do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sophia_infra.audit import Outcome, audit_log_of
from sophia_infra.cli.confirming import is_agreed
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.rollout_context import (
    RolloutGround,
    as_yaml,
    holder_name,
    open_rollout,
    say_progress,
)
from sophia_infra.cli.stopping import stopping
from sophia_infra.cli.views import make_console
from sophia_infra.manifests.canary import ROLLOUT_LABEL, ROLLOUT_OF_LABEL, gateway_provider
from sophia_infra.rollout.canary import Canaries, CanaryPlan, plan_canary
from sophia_infra.rollout.errors import RolloutRefused
from sophia_infra.rollout.gates import Gate, HttpAnswers, PodsReady, judge_all
from sophia_infra.rollout.route import progress_of
from sophia_infra.rollout.running import Start, shift
from sophia_infra.rollout.shifting import Progress

if TYPE_CHECKING:
    from sophia_infra.rollout.cluster import Cluster

__all__ = [
    "CanaryRequest",
    "abort_canary",
    "exit_code_of",
    "outcome_of",
    "run_canary",
    "show_plan",
    "show_status",
]


@dataclass(frozen=True, slots=True)
class CanaryRequest:
    """What was asked for on the command line."""

    stack: str
    workload: str
    image: str
    kubeconfig: str | None
    prometheus: str | None
    probe_url: str | None
    interval_s: float


def show_plan(stack: str, workload: str, image: str, *, manifests: bool, as_json: bool) -> ExitCode:
    """What would be made. Sends nothing."""
    ground = open_rollout(stack, None, None)
    plan = _plan(ground, workload, image)
    if manifests:
        print(as_yaml([gateway_provider(), *plan.objects, plan.behind, plan.gateway, plan.route]), end="")
        return ExitCode.OK
    if as_json:
        steps = ground.rollout.model_dump(mode="json")
        print(json.dumps({"stack": stack, **plan.as_json(), "rollout": steps}, indent=2))
        return ExitCode.OK
    console = make_console()
    console.print(f"{plan.name} in {plan.namespace}, cluster {plan.cluster}", soft_wrap=True)
    console.print(f"  stable     {plan.stable_image}\n  candidate  {plan.image}", soft_wrap=True)
    steps_text = ", ".join(f"{weight} %" for weight in ground.rollout.weights)
    console.print(
        f"  {len(plan.objects)} objects and one more pod, on machines that run already: $0.00/h more.\n"
        f"  Calls of {plan.split.host} move by {steps_text}, each for {ground.rollout.bake_minutes:g} min "
        f"without an error budget burning.\n  They go back at the first failure, and after "
        f"{ground.rollout.no_data_minutes:g} min without a measurement."
    )
    return ExitCode.OK


def run_canary(request: CanaryRequest, *, yes: bool, as_json: bool) -> ExitCode:
    """Make, move, and clean up once the stable side has the candidate's image."""
    ground = open_rollout(request.stack, request.kubeconfig, request.prometheus)
    plan = _plan(ground, request.workload, request.image)
    cluster = ground.cluster(plan.cluster)
    canaries = Canaries(cluster)
    console = make_console(stderr=as_json)
    question = f"Send calls of {plan.split.host} to {plan.image}?"
    if not is_agreed(ground.context, question, yes=yes, nothing="Nothing was sent."):
        return ExitCode.USAGE
    log = audit_log_of(ground.context.home.root, ground.context.name)
    subject = f"workload {plan.name}"
    if canaries.stable_has_it(plan):
        with log.change(action="canary end", subject=subject, why="the stable side has the image") as change:
            gone = canaries.remove((plan.namespace,), plan.name)
            change.after = {"image": plan.image, "deleted": len(gone)}
        console.print(f"The stable pods of {plan.name} run {plan.image}: {len(gone)} objects deleted.")
        return ExitCode.OK
    gates = _gates(ground, cluster, plan, request.probe_url)
    before = {"image": plan.stable_image}
    with (
        stopping("the weights stay as they are") as stop,
        log.change(action="canary run", subject=subject, why=plan.image, before=before) as change,
    ):
        canaries.prepare(plan)
        progress = shift(
            canaries.route(plan),
            Start(plan.image, ground.rollout.weights, holder_name()),
            partial(judge_all, gates),
            stop,
            ground.timing(request.interval_s),
            interval_s=request.interval_s,
            on_look=partial(say_progress, console),
            should_stop=stop.is_asked,
        )
        change.after = {"weight": progress.weight, "status": progress.status, "why": progress.why}
        change.outcome = outcome_of(progress)
    if as_json:
        print(json.dumps({"stack": request.stack, **plan.as_json(), "progress": progress.as_json()}))
    elif progress.status == "passed":
        console.print(
            f"All calls go to {plan.candidate}. Next: put {plan.image} into the stack's workloads, run "
            f"`sophia up --stack {request.stack}`, then this command again, which deletes the candidate.",
            soft_wrap=True,
        )
    elif progress.is_final:
        console.print(
            f"All calls are back at the stable side. Its pods stay for their logs; `sophia canary abort "
            f"{plan.name} --stack {request.stack}` deletes them.",
            soft_wrap=True,
        )
    return exit_code_of(progress)


def exit_code_of(progress: Progress) -> ExitCode:
    """Passed, gone back, or left in the middle."""
    if progress.status == "passed":
        return ExitCode.OK
    return ExitCode.FINDINGS if progress.is_final else ExitCode.INTERRUPTED


def show_status(stack: str, kubeconfig: str | None, *, as_json: bool) -> ExitCode:
    """Every canary of the stack. FINDINGS when one has gone back."""
    ground = open_rollout(stack, kubeconfig, None)
    rows = []
    for name in _cluster_names(ground):
        cluster = ground.cluster(name)
        for namespace in _namespaces(ground):
            path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
            rows += [
                (body["metadata"]["labels"][ROLLOUT_OF_LABEL], progress_of(body))
                for body in cluster.items(path, f"{ROLLOUT_LABEL}=canary")
            ]
    if as_json:
        canaries = {name: progress.as_json() for name, progress in rows}
        print(json.dumps({"stack": stack, "canaries": canaries}, indent=2))
    else:
        console = make_console()
        for name, progress in rows:
            console.print(f"{name}  {progress.candidate}", soft_wrap=True)
            say_progress(console, progress)
        if not rows:
            console.print("No canary is under way.")
    return ExitCode.FINDINGS if any(one.status == "rolled_back" for _, one in rows) else ExitCode.OK


def abort_canary(stack: str, workload: str, kubeconfig: str | None, *, as_json: bool) -> ExitCode:
    """Delete the route first: the Ingress gives all calls to the stable side."""
    ground = open_rollout(stack, kubeconfig, None)
    log = audit_log_of(ground.context.home.root, ground.context.name)
    with log.change(action="canary abort", subject=f"workload {workload}", why="asked for") as change:
        gone = [
            one
            for name in _cluster_names(ground)
            for one in Canaries(ground.cluster(name)).remove(_namespaces(ground), workload)
        ]
        change.after = {"deleted": len(gone)}
    if as_json:
        print(json.dumps({"stack": stack, "workload": workload, "deleted": gone}, indent=2))
    else:
        make_console().print(
            f"All calls go to the stable side; {len(gone)} objects of the candidate deleted."
            if gone
            else f"There is no canary of {workload}."
        )
    return ExitCode.OK


def _plan(ground: RolloutGround, workload: str, image: str) -> CanaryPlan:
    return plan_canary(ground.context.config, ground.context.prepared.phase, workload, image)


def _gates(ground: RolloutGround, cluster: Cluster, plan: CanaryPlan, probe_url: str | None) -> list[Gate]:
    gates: list[Gate] = [PodsReady(cluster, plan.namespace, plan.candidate)]
    burn_rate = ground.burn_rate(plan.namespace, plan.candidate)
    if burn_rate is not None:
        gates.append(burn_rate)
    if probe_url is not None:
        gates.append(HttpAnswers(probe_url))
    if burn_rate is None and probe_url is None:
        raise RolloutRefused(
            "Nothing would measure the calls: pods that are ready may still answer with errors.",
            next_step="give --prometheus, or at least --probe-url.",
        )
    return gates


def outcome_of(progress: Progress) -> Outcome:
    """The same for the audit log."""
    if progress.status == "passed":
        return "done"
    return "failed" if progress.is_final else "interrupted"


def _cluster_names(ground: RolloutGround) -> tuple[str, ...]:
    from sophia_infra.model.kubernetes.placement import place

    if ground.context.config.kubernetes is None:
        return ()
    placed = place(ground.context.config, ground.context.prepared.phase)
    return tuple(sorted(set(placed.workload_cluster.values())))


def _namespaces(ground: RolloutGround) -> tuple[str, ...]:
    kube = ground.context.config.kubernetes
    return () if kube is None else tuple(sorted({row.namespace for row in kube.workloads.values()}))
