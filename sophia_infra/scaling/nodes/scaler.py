"""The controller: one look at account, cluster and demand, one decision a pool, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.session import Session
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.nodes.acting import Actions, imagine
from sophia_infra.scaling.nodes.boot_text import BootText, NoBootText
from sophia_infra.scaling.nodes.cluster import ClusterView, NodeKeeper
from sophia_infra.scaling.nodes.deciding import NodeDecision, decide_pool, enough_nodes
from sophia_infra.scaling.nodes.demand import Demand, DemandSource, Need, join_needs
from sophia_infra.scaling.nodes.errors import LeaseHeld, LeaseLost
from sophia_infra.scaling.nodes.leading import Leadership
from sophia_infra.scaling.nodes.lease import Lease, NoLease
from sophia_infra.scaling.nodes.looking import Look, take_look
from sophia_infra.scaling.nodes.metrics import ScalerMetrics
from sophia_infra.scaling.nodes.releasing import Endings
from sophia_infra.scaling.nodes.reporting import PassReport
from sophia_infra.scaling.nodes.settings import PoolSettings, ScalerSettings
from sophia_infra.scaling.nodes.viewing import PoolView, view_pool

__all__ = ["NodeScaler"]

_SLICE_S: Final = 10.0
"""A sleep is cut into pieces of this, to renew the lease and to hear that it should stop."""

_log = logging.getLogger(__name__)


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
        self._demand = demand
        self._keeper = keeper
        self._metrics = metrics
        self._apply = apply
        self._say = say
        self._low_since_s: dict[str, float] = {}
        self._unhealthy_since_s: dict[str, float] = {}
        self._report = PassReport(0.0, not apply)
        self._leading = Leadership(lease if apply else NoLease(), session, self._problem)
        self._endings = Endings(session, settings.stack, keeper, self._leading.ensure, self._problem)
        self._actions = Actions(
            settings,
            session,
            self._leading,
            keeper=keeper,
            boot_text=boot_text or NoBootText(),
            endings=self._endings,
            on_event=lambda event: self._report.events.append(event),
            on_problem=self._problem,
        )

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
                        self._leading.renew()
        finally:
            self.close()

    def close(self) -> None:
        """Let another one lead at once. Every machine stays."""
        self._leading.give_up()

    def look_once(self) -> PassReport:
        """One pass. What cloud, cluster and sources refuse is a problem of the report, and is tried again."""
        self._report = report = PassReport(self._session.clock.now(), not self._apply)
        try:
            report.leads = self._leading.take() and self._apply
            report.holder = self._leading.holder
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
                decision = self._actions.act(pool, view, decision, look)
            else:
                decision = imagine(self._settings, pool, decision, look)
            report.decisions.append(decision)
        if self._apply:
            self._actions.delete_left_over_nodes(look)

    def _look(self) -> Look:
        now_s = self._report.at_s
        look = take_look(
            self._session, self._settings, self._keeper, now_s, tidy=self._apply, on_problem=self._problem
        )
        self._unhealthy_since_s = {
            one.id: self._unhealthy_since_s.get(one.id, now_s)
            for one in look.machines
            if one.status == "unhealthy"
        }
        return look

    def _view(self, pool: PoolSettings, look: Look, ending: Mapping[str, float]) -> PoolView:
        released = [self._endings.last_release_s(pool.name), self._leading.since_s]
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

    def _problem(self, words: str) -> None:
        self._report.problems.append(words)
        self._say(words)
