"""The controller: one look at account, cluster and demand, one decision a pool, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sophia_infra.lambda_cloud import InstanceTypeWithCapacity, LambdaCloudError
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.session import Session
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.nodes.books import Books
from sophia_infra.scaling.nodes.boot_text import BootText, NoBootText
from sophia_infra.scaling.nodes.cluster import ClusterView, NodeKeeper
from sophia_infra.scaling.nodes.deciding import NodeDecision, decide_pool, enough_nodes
from sophia_infra.scaling.nodes.demand import Demand, DemandSource, Need, join_needs
from sophia_infra.scaling.nodes.errors import ClusterUnavailable, LeaseHeld, LeaseLost
from sophia_infra.scaling.nodes.launching import (
    choose_candidates,
    free_number,
    launch_node,
    open_launches,
    price_of,
)
from sophia_infra.scaling.nodes.lease import Lease, NoLease
from sophia_infra.scaling.nodes.metrics import ScalerMetrics
from sophia_infra.scaling.nodes.releasing import Endings, choose_release
from sophia_infra.scaling.nodes.reporting import Deed, Event, PassReport
from sophia_infra.scaling.nodes.settings import PoolSettings, ScalerSettings
from sophia_infra.scaling.nodes.viewing import (
    Pending,
    PoolView,
    ScaledMachine,
    find_scaled,
    view_pool,
)

__all__ = ["NodeScaler"]

_SLICE_S: Final = 10.0
"""A sleep is cut into pieces of this, to renew the lease and to hear that it should stop."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Look:
    """What one pass knows; `books` grows with every launch of it."""

    machines: list[ScaledMachine]
    types: Mapping[str, InstanceTypeWithCapacity]
    cluster: ClusterView | None
    pending: list[Pending]
    books: Books


class NodeScaler:
    """Call `look_once` again and again, or `run`.

    All that it knows between two passes can be lost: machines are found by their tags, launches under way
    by the journal, drains by what is written on the nodes.

    Args:
        session: client, clock of the cloud, journal of this scaler alone.
        lease: ignored unless `apply`.
        demand: pool -> its sources.
        keeper: of the cluster; None: machines become no nodes.
        apply: act. Default False: decide and say.
        say: prints one line of what was done or went wrong.
    """

    def __init__(
        self,
        settings: ScalerSettings,
        session: Session,
        lease: Lease,
        *,
        demand: Mapping[str, Sequence[DemandSource]],
        keeper: NodeKeeper | None = None,
        boot_text: BootText | None = None,
        metrics: ScalerMetrics | None = None,
        apply: bool = False,
        say: Callable[[str], None] = _log.info,
    ) -> None:
        self._settings = settings
        self._session = session
        self._lease: Lease = lease if apply else NoLease()
        self._demand = demand
        self._keeper = keeper
        self._boot_text: BootText = boot_text or NoBootText()
        self._metrics = metrics
        self._apply = apply
        self._say = say
        self._term: int | None = None
        self._leading_since_s: float | None = None
        self._low_since_s: dict[str, float] = {}
        self._unhealthy_since_s: dict[str, float] = {}
        self._report = PassReport(0.0, not apply)
        self._endings = Endings(session, settings.stack, keeper, self._ensure_leading, self._problem)

    def run(
        self, stop_requested: Callable[[], bool], on_pass: Callable[[PassReport], None] = lambda _: None
    ) -> None:
        """Pass after pass until asked to stop; then the lease is given up, and every machine stays."""
        clock = self._session.clock
        try:
            while not stop_requested():
                next_s = clock.now() + self._settings.interval_s
                on_pass(self.look_once())
                while (left_s := next_s - clock.now()) > 0 and not stop_requested():
                    clock.sleep(min(_SLICE_S, left_s))
                    if self._report.leads and self._apply:
                        self._renew()
        finally:
            self.close()

    def close(self) -> None:
        """Let another one lead at once. Every machine stays."""
        self._lease.give_up()

    def look_once(self) -> PassReport:
        """One pass. What cloud, cluster and sources refuse is a problem of the report, and is tried again."""
        self._report = report = PassReport(self._session.clock.now(), not self._apply)
        try:
            report.leads = self._lead()
            report.holder = self._lease.holder
            if report.leads or not self._apply:
                self._pass(report)
        except (LeaseLost, LeaseHeld) as error:
            report.leads = False
            self._problem(str(error))
        except (LambdaCloudError, ProviderError, ScalingError) as error:
            self._problem(str(error))
        if self._metrics is not None:
            self._metrics.show(report)
        for event in report.events:
            self._say(str(event))
        return report

    # Leading

    def _lead(self) -> bool:
        if not self._lease.take():
            self._term = None
            return False
        if not self._apply:
            return False
        if self._term != self._lease.term:
            self._term = self._lease.term
            self._leading_since_s = self._session.clock.now() if self._term else None
        return True

    def _ensure_leading(self) -> None:
        self._lease.ensure()
        if self._lease.term != self._term:
            raise LeaseLost(
                "The lease went to another scaler and came back meanwhile.",
                next_step="nothing: the next look begins anew.",
            )

    def _renew(self) -> None:
        try:
            self._lease.take()
        except LeaseLost as error:
            self._problem(str(error))

    @property
    def _settles(self) -> bool:
        """Whether a launch of the scaler before this one may be missing from the list."""
        since_s = self._leading_since_s
        return since_s is not None and self._session.clock.now() - since_s < self._session.waits.list_lag_s

    # One pass

    def _pass(self, report: PassReport) -> None:
        look = self._look()
        limits = self._settings.limits
        report.usd_per_hour = look.books.usd_per_hour
        report.headroom_usd_per_hour = limits.budget_usd_per_hour - look.books.usd_per_hour
        ending = self._endings.noted(look.machines, tidy=self._apply)
        pools = self._settings.with_leftovers({one.name.pool for one in look.machines})
        for pool in pools:
            view = self._view(pool, look, ending)
            demand = self._ask(pool, look.cluster)
            decision = self._decide(pool, view, demand)
            report.views.append(view)
            if self._apply:
                decision = self._act(pool, view, decision, look)
            else:
                decision = self._imagine(pool, decision, look)
            report.decisions.append(decision)
        if self._apply:
            self._delete_left_over_nodes(look)

    def _look(self) -> _Look:
        session, settings = self._session, self._settings
        session.instances.make_stale()
        rows = session.instances.rows(0)
        types = session.client.list_instance_types()
        cluster = None
        if self._keeper is not None:
            try:
                cluster = self._keeper.look()
            except ClusterUnavailable as error:
                self._problem(error.message)
        machines = find_scaled(rows, settings.stack)
        pending = open_launches(
            session.journal,
            settings.stack,
            machines,
            session.waits.list_lag_s,
            self._report.at_s,
            tidy=self._apply,
        )
        by_name = {pool.name: pool for pool in settings.pools}
        dearest = [
            max((price_of(one, types, settings.prices), one) for one in by_name[intent.pool].types)
            for intent in pending
            if intent.pool in by_name and by_name[intent.pool].types
        ]
        books = Books.of(
            rows, settings.stack, settings.fleet, [(name, usd) for usd, name in dearest], settings.prices
        )
        well = {one.id for one in machines if one.status != "unhealthy"}
        self._unhealthy_since_s = {
            one.id: self._unhealthy_since_s.get(one.id, self._report.at_s)
            for one in machines
            if one.id not in well
        }
        return _Look(machines, types, cluster, pending, books)

    def _view(self, pool: PoolSettings, look: _Look, ending: Mapping[str, float]) -> PoolView:
        released = [self._endings.last_release_s(pool.name), self._leading_since_s]
        return view_pool(
            pool,
            look.machines,
            nodes=None if look.cluster is None else look.cluster.nodes,
            has_cluster=self._keeper is not None,
            pending=look.pending,
            ending=ending,
            unhealthy_since_s=self._unhealthy_since_s,
            last_release_s=max((one for one in released if one is not None), default=None),
            now_s=self._report.at_s,
        )

    def _ask(self, pool: PoolSettings, cluster: ClusterView | None) -> Demand:
        needs: list[Need] = []
        missing = []
        for source in self._demand.get(pool.name, ()):
            try:
                needs.append(source.need(cluster))
            except ScalingError as error:
                missing.append(f"{source.kind}: {error.message.rstrip('.')}")
        return join_needs(needs, missing)

    def _decide(self, pool: PoolSettings, view: PoolView, demand: Demand) -> NodeDecision:
        now_s = self._report.at_s
        enough = enough_nodes(pool, demand, min(pool.min_at(now_s), pool.max))
        if enough is not None and view.counted_on > enough:
            self._low_since_s.setdefault(pool.name, now_s)
        else:
            self._low_since_s.pop(pool.name, None)
        return decide_pool(pool, view, demand, now_s, self._low_since_s.get(pool.name))

    # Acting

    def _act(self, pool: PoolSettings, view: PoolView, decision: NodeDecision, look: _Look) -> NodeDecision:
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
            self._problem(f"{pool.name}: {error}")
            return decision
        return replace(decision, launch=launched, limited_by=(*decision.limited_by, *limited))

    def _rescue(self, pool: PoolSettings, view: PoolView, decision: NodeDecision) -> set[str]:
        rescued = set()
        for machine in view.draining[: decision.rescue]:
            self._endings.rescue(machine)
            self._event(pool, "rescue", machine.name.name, decision.reason)
            rescued.add(machine.id)
        return rescued

    def _end_what_has_to(self, pool: PoolSettings, view: PoolView, look: _Look, rescued: set[str]) -> None:
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

    def _launch(self, pool: PoolSettings, decision: NodeDecision, look: _Look) -> tuple[int, tuple[str, ...]]:
        """Launch one by one, each within what is left of every limit: how many, and what kept others back."""
        done = 0
        used: set[int] = set()
        if decision.launch and self._settles:
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
                self._ensure_leading,
            )
            if launched.id is None and not launched.uncertain:
                return done, ("capacity",)
            done += 1
            usd = price_of(launched.candidate.instance_type, look.types, self._settings.prices)
            look.books.add(launched.candidate.instance_type, usd)
            look.books.scaled += 1
            self._event(pool, "launch", launched.name.name, f"{launched.candidate}; {decision.reason}")
            if launched.uncertain:
                self._problem(
                    f"{launched.name.name}: no answer to its launch; it counts until the list decides"
                )
                return done, ()
        return done, ()

    def _imagine(self, pool: PoolSettings, decision: NodeDecision, look: _Look) -> NodeDecision:
        """What limits and listed capacity would let through, and nothing is done."""
        possible = 0
        limited: tuple[str, ...] = ()
        while possible < decision.launch:
            candidates, limited = choose_candidates(
                pool, look.types, look.books, self._settings.limits, self._settings.prices
            )
            if not candidates:
                break
            possible += 1
            usd = price_of(candidates[0].instance_type, look.types, self._settings.prices)
            look.books.add(candidates[0].instance_type, usd)
            look.books.scaled += 1
        kept_back = limited if possible < decision.launch else ()
        return replace(decision, launch=possible, limited_by=(*decision.limited_by, *kept_back))

    def _delete_left_over_nodes(self, look: _Look) -> None:
        """Nodes whose machine is gone, that nothing is heard of: their names are free again after that."""
        if look.cluster is None or self._keeper is None:
            return
        there = {one.name.name for one in look.machines}
        there |= {f"{one.pool}-scaled-{one.number}" for one in look.pending}
        for node in look.cluster.nodes.values():
            if node.name not in there and not node.is_ready and node.name.startswith(f"{node.pool}-scaled-"):
                self._ensure_leading()
                self._keeper.delete(node.name)

    def _event(
        self,
        pool: PoolSettings,
        action: Deed,
        node: str,
        words: str = "",
    ) -> None:
        self._report.events.append(Event(pool.name, action, node, words))

    def _problem(self, words: str) -> None:
        self._report.problems.append(words)
        self._say(words)
