"""The loop of a shift: look, decide, write. Killed anywhere, the next one goes on from the route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sophia_infra.model.clock import Clock
from sophia_infra.rollout.errors import ClusterSilent, RolloutHeld
from sophia_infra.rollout.shifting import Progress, Timing, Verdict, next_progress

__all__ = ["INTERVAL_S", "Route", "Start", "begin", "shift"]

INTERVAL_S: Final = 15.0
"""Seconds between looks."""

_MISSED_LOOKS: Final = 4


class Route(Protocol):
    """`route.WeightedRoute`."""

    def read(self) -> Progress | None: ...
    def start(self, progress: Progress) -> None: ...
    def write(self, progress: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class Start:
    """What a shift begins with: what gets the traffic, in which steps, who looks."""

    candidate: str
    weights: tuple[int, ...]
    holder: str


def begin(route: Route, wanted: Start, now_s: float, timing: Timing) -> Progress:
    """Begin, or go on with what a runner before left; the state that is there now.

    One that ended otherwise than by passing begins anew, and so does one of another candidate that has ended.

    Raises:
        RolloutHeld: another process looks after it, or another candidate is on its way.
        ClusterSilent: see `cluster`.
    """
    found = route.read()
    if found is None or (found.is_final and not _has_passed(found, wanted)):
        fresh = Progress(
            wanted.candidate, wanted.weights, since_s=now_s, looked_s=now_s, holder=wanted.holder
        )
        route.start(fresh)
        return fresh
    if found.is_final:
        return found
    is_watched = 0 <= now_s - found.looked_s <= timing.unwatched_s
    if found.holder not in ("", wanted.holder) and is_watched:
        raise RolloutHeld(
            f"{found.holder} moves this traffic: it looked {now_s - found.looked_s:.0f} s ago.",
            next_step=f"leave it to that one, or end it and run this again in {timing.unwatched_s:.0f} s.",
        )
    if found.candidate != wanted.candidate:
        raise RolloutHeld(
            f"{found.candidate} is on its way, at {found.weight} % of the traffic.",
            next_step="let it end, or abort it first.",
        )
    taken = replace(found, holder=wanted.holder)
    route.write(taken)
    return taken


def _has_passed(found: Progress, wanted: Start) -> bool:
    return found.status == "passed" and found.candidate == wanted.candidate


def shift(
    route: Route,
    wanted: Start,
    judge: Callable[[int], Verdict],
    clock: Clock,
    timing: Timing,
    *,
    interval_s: float = INTERVAL_S,
    on_look: Callable[[Progress], None] = lambda _progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Progress:
    """Move the traffic until it has all moved or gone back; the last state.

    Args:
        judge: percent on the new side -> what the gates say of it.
        should_stop: asked between looks; the route stays as it is then, and is nobody's.

    Raises:
        RolloutHeld: another process took it over.
        ClusterSilent: the cluster was silent for longer than anybody would call watching.
    """
    progress = begin(route, wanted, clock.now(), timing)
    on_look(progress)
    missed = 0
    while not progress.is_final:
        if should_stop():
            progress = replace(progress, holder="")
            route.write(progress)
            return progress
        clock.sleep(interval_s)
        try:
            progress = _look(route, wanted, judge, clock, timing)
        except ClusterSilent:
            missed += 1
            if missed >= _MISSED_LOOKS:
                raise
            continue
        missed = 0
        on_look(progress)
    return progress


def _look(
    route: Route, wanted: Start, judge: Callable[[int], Verdict], clock: Clock, timing: Timing
) -> Progress:
    found = route.read()
    if found is None:
        raise RolloutHeld(
            "The route is gone: somebody aborted this shift.",
            next_step="nothing: the old side has all the traffic.",
        )
    if found.is_final:
        return found
    if found.holder != wanted.holder:
        raise RolloutHeld(
            f"{found.holder or 'Another process'} took this shift over.", next_step="leave it to that one."
        )
    decided = next_progress(found, judge(found.weight), clock.now(), timing)
    if decided.is_final:
        decided = replace(decided, holder="")
    route.write(decided)
    return decided
