"""Carry out what was decided for one pool: rescue, end, launch, release, each within every limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.session import Session
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.nodes.boot_text import BootText
from sophia_infra.scaling.nodes.cluster import NodeKeeper
from sophia_infra.scaling.nodes.deciding import NodeDecision
from sophia_infra.scaling.nodes.errors import LeaseHeld, LeaseLost
from sophia_infra.scaling.nodes.launching import choose_candidates, free_number, launch_node, price_of
from sophia_infra.scaling.nodes.leading import Leadership
from sophia_infra.scaling.nodes.looking import Look
from sophia_infra.scaling.nodes.releasing import Endings, choose_release
from sophia_infra.scaling.nodes.reporting import Deed, Event
from sophia_infra.scaling.nodes.settings import PoolSettings, ScalerSettings
from sophia_infra.scaling.nodes.viewing import PoolView

__all__ = ["Actions", "imagine"]


class Actions:
    """What one scaler does to account and cluster.

    Args:
        keeper: of the cluster; None: machines become no nodes.
        endings: the way out of its machines.
        on_event: takes each thing that was done, in order.
        on_problem: takes one line for what was refused; the next pass tries again.
    """

    def __init__(
        self,
        settings: ScalerSettings,
        session: Session,
        leading: Leadership,
        *,
        keeper: NodeKeeper | None,
        boot_text: BootText,
        endings: Endings,
        on_event: Callable[[Event], None],
        on_problem: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._session = session
        self._leading = leading
        self._keeper = keeper
        self._boot_text = boot_text
        self._endings = endings
        self._on_event = on_event
        self._on_problem = on_problem

    def act(self, pool: PoolSettings, view: PoolView, decision: NodeDecision, look: Look) -> NodeDecision:
        """Carry `decision` out: the decision with what was launched and what kept the rest back.

        Raises:
            LeaseLost, LeaseHeld: another scaler may act by now; nothing more is done.
        """
        nodes = {} if look.cluster is None else look.cluster.nodes
        try:
            rescued = self._rescue(pool, view, decision)
            if self._keeper is None or look.cluster is not None:
                self._end_what_has_to(pool, view, look, rescued)
            launched, limited = self._launch(pool, decision, look)
            if decision.release and (self._keeper is None or look.cluster is not None):
                for machine in choose_release(view.ready, nodes, decision.release):
                    ended = self._endings.begin(pool, machine)
                    self._event(pool, "release", machine.name.name, decision.reason)
                    if ended:
                        self._event(pool, "end", machine.name.name)
        except (LeaseLost, LeaseHeld):
            raise
        except (LambdaCloudError, ProviderError, ScalingError) as error:
            self._on_problem(f"{pool.name}: {error}")
            return decision
        return replace(decision, launch=launched, limited_by=(*decision.limited_by, *limited))

    def _rescue(self, pool: PoolSettings, view: PoolView, decision: NodeDecision) -> set[str]:
        rescued = set()
        for machine in view.draining[: decision.rescue]:
            self._endings.rescue(machine)
            self._event(pool, "rescue", machine.name.name, decision.reason)
            rescued.add(machine.id)
        return rescued

    def _end_what_has_to(self, pool: PoolSettings, view: PoolView, look: Look, rescued: set[str]) -> None:
        nodes = {} if look.cluster is None else look.cluster.nodes
        for machine in view.ending:
            if machine.is_live:
                self._endings.ask_again(machine)
        for machine in view.lost:
            is_second = any(
                one.id != machine.id and one.name.number == machine.name.number
                for one in (*view.ready, *view.coming, *view.draining)
            )
            if is_second:
                # The node of that name is the first one's.
                self._endings.end(machine, has_node=False)
            elif not self._endings.end_lost(pool, machine, nodes.get(machine.name.name)):
                continue
            self._event(pool, "give_up", machine.name.name, view.why_lost.get(machine.id, ""))
        for machine in view.draining:
            if machine.id not in rescued and self._endings.go_on(pool, machine, nodes.get(machine.name.name)):
                self._event(pool, "end", machine.name.name)

    def _launch(self, pool: PoolSettings, decision: NodeDecision, look: Look) -> tuple[int, tuple[str, ...]]:
        """Launch one by one, each within what is left of every limit: how many, and what kept others back."""
        done = 0
        used: set[int] = set()
        if decision.launch and self._leading.settles:
            return 0, ("settling",)
        while done < decision.launch:
            candidates, limited = choose_candidates(
                pool, look.types, look.books, self._settings.limits, self._settings.prices
            )
            if not candidates:
                return done, limited
            nodes = () if look.cluster is None else tuple(look.cluster.nodes)
            number = free_number(pool.name, look.machines, look.pending, nodes, used)
            used.add(number)
            launched = launch_node(
                self._session,
                self._settings.stack,
                pool,
                number,
                candidates,
                self._boot_text,
                self._leading.ensure,
            )
            if launched.id is None and not launched.uncertain:
                return done, ("capacity",)
            done += 1
            usd = price_of(launched.candidate.instance_type, look.types, self._settings.prices)
            look.books.add(launched.candidate.instance_type, usd)
            look.books.scaled += 1
            self._event(pool, "launch", launched.name.name, f"{launched.candidate}; {decision.reason}")
            if launched.uncertain:
                self._on_problem(
                    f"{launched.name.name}: no answer to its launch; it counts until the list decides"
                )
                return done, ()
        return done, ()

    def delete_left_over_nodes(self, look: Look) -> None:
        """Nodes whose machine is gone, that nothing is heard of: their names are free again after that."""
        if look.cluster is None or self._keeper is None:
            return
        there = {one.name.name for one in look.machines}
        there |= {f"{one.pool}-scaled-{one.number}" for one in look.pending}
        for node in look.cluster.nodes.values():
            if node.name not in there and not node.is_ready and node.name.startswith(f"{node.pool}-scaled-"):
                self._leading.ensure()
                self._keeper.delete(node.name)

    def _event(self, pool: PoolSettings, action: Deed, node: str, words: str = "") -> None:
        self._on_event(Event(pool.name, action, node, words))


def imagine(settings: ScalerSettings, pool: PoolSettings, decision: NodeDecision, look: Look) -> NodeDecision:
    """What limits and listed capacity would let through, and nothing is done."""
    possible = 0
    limited: tuple[str, ...] = ()
    while possible < decision.launch:
        candidates, limited = choose_candidates(
            pool, look.types, look.books, settings.limits, settings.prices
        )
        if not candidates:
            break
        possible += 1
        usd = price_of(candidates[0].instance_type, look.types, settings.prices)
        look.books.add(candidates[0].instance_type, usd)
        look.books.scaled += 1
    kept_back = limited if possible < decision.launch else ()
    return replace(decision, launch=possible, limited_by=(*decision.limited_by, *kept_back))
