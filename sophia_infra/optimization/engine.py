"""`CostOptimizationEngine`: the plan's four calls. It looks by itself, and acts only where it was allowed to.

    engine = CostOptimizationEngine(site, config, source, log, gate)
    await engine.analyze_usage_patterns()
    advice = await engine.generate_recommendations()
    await engine.implement_optimizations(advice.chosen)      # a dry run; medium and high become diffs
    await engine.auto_implement(risk_level="low")            # a dry run; with dry_run=False it acts

Every call works in a thread, since clients and files block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.optimization.action_log import ActionLog
from sophia_infra.optimization.advice import Advice
from sophia_infra.optimization.applying import Applier
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.errors import (
    AccountChanged,
    ChangeRefused,
    NoMetricSource,
    NotAllowed,
)
from sophia_infra.optimization.facts import Fleet
from sophia_infra.optimization.gathering import Site
from sophia_infra.optimization.health import HealthGate
from sophia_infra.optimization.outcome import Outcome
from sophia_infra.optimization.overlap import Choice, choose, savings_of
from sophia_infra.optimization.profiling import profile
from sophia_infra.optimization.recommendation import Recommendation
from sophia_infra.optimization.rules import Look, find_all
from sophia_infra.optimization.stack_change import render_change
from sophia_infra.optimization.usage import UsageReport, UsageSource

__all__ = ["CostOptimizationEngine"]


class CostOptimizationEngine:
    """Cost advice for one stack, and what may be done about it.

    Args:
        site: the account, the state and the stack file.
        source: measured usage; None: only what the account itself says is advised, and nothing is applied.
        log: of actions; asked before anything and written before anything.
        gate: says whether the services are well; None: nothing is applied.
        stack_file: for diffs; None: changes are said in words only.
        say: prints one line of progress.
    """

    def __init__(
        self,
        site: Site,
        config: OptimizationConfig,
        source: UsageSource | None,
        log: ActionLog,
        gate: HealthGate | None = None,
        *,
        stack_file: Path | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._site = site
        self._config = config
        self._source = source
        self._log = log
        self._stack_file = stack_file
        self._usage: UsageReport | None = None
        self._applier = Applier(site, config, log, gate, self._again, say=say)

    async def analyze_usage_patterns(self) -> UsageReport:
        """Read the window and profile each machine.

        Raises:
            NoMetricSource: there is none, or it measured no machine lately.
            SourceError: it did not answer.
        """
        return await asyncio.to_thread(self._analyze)

    async def generate_recommendations(self) -> Advice:
        """Look at the account and advise, with the usage that was analyzed before, if it was.

        Raises:
            LambdaCloudError: the account could not be read.
        """
        return await asyncio.to_thread(self._generate)

    async def implement_optimizations(
        self, recommendations: Sequence[Recommendation] | None = None, *, dry_run: bool = True
    ) -> tuple[Outcome, ...]:
        """Apply what is low risk; print what is not as a change of the stack file, which is never applied.

        Args:
            recommendations: None: those of a new look that fit together.
            dry_run: True only says what would be done.

        Raises:
            NoMetricSource: nothing is done without measured usage. See also `Applier.apply`.
        """
        return await asyncio.to_thread(self._implement, recommendations, dry_run)

    async def auto_implement(self, risk_level: str = "low", *, dry_run: bool = True) -> tuple[Outcome, ...]:
        """Apply what is low risk, as far as limits allow; nothing else, whatever is asked for.

        Args:
            risk_level: only "low"; anything else is refused.
            dry_run: True only says what would be done. False needs the switch `auto_apply`, and acts only on
                what a dry run has shown before.

        Raises:
            NotAllowed: another risk level, or the switch is off.
            NoMetricSource, NoHealthGate, UnhealthyBefore, LogUnusable: nothing was done.
        """
        return await asyncio.to_thread(self._auto, risk_level, dry_run)

    async def undo(self, action_id: str, why: str = "asked for") -> Outcome:
        """Take an action back, by its id or by that of its recommendation. See `Applier.undo`."""

        def run() -> Outcome:
            with self._applier.turn():
                return self._applier.undo(action_id, why)

        return await asyncio.to_thread(run)

    async def recover(self) -> tuple[Outcome, ...]:
        """Settle what a crash left open."""

        def run() -> tuple[Outcome, ...]:
            with self._applier.turn():
                return tuple(self._applier.recover())

        return await asyncio.to_thread(run)

    def propose(self, one: Recommendation) -> Outcome:
        """The change of the stack file as a diff, or the steps in words where a program cannot make it."""
        words = "; ".join(one.steps)
        if one.change is None or self._stack_file is None:
            return Outcome(one.id, one.subject, "proposed", words)
        try:
            text = self._stack_file.read_text(encoding="utf-8")
            patch = render_change(text, one.change, self._stack_file)
        except (ChangeRefused, OSError) as error:
            return Outcome(one.id, one.subject, "proposed", f"{words}. No diff: {error}")
        return Outcome(one.id, one.subject, "proposed", words, patch=patch)

    def _analyze(self) -> UsageReport:
        if self._source is None:
            raise NoMetricSource(
                "No metric source was named, so nobody knows what the machines do.",
                next_step="name Prometheus: --prometheus URL.",
            )
        step_s = self._config.step_minutes * 60
        now_s = self._site.session.clock.now()
        end_s = int(now_s) // step_s * step_s
        start_s = end_s - self._config.window_days * 86_400
        recorded = self._source.read(start_s, end_s, step_s)
        machines = {name: profile(one, self._config, now_s) for name, one in recorded.machines.items()}
        report = UsageReport(
            recorded.source,
            recorded.read_at_s,
            start_s,
            end_s,
            machines,
            recorded.capacity,
            recorded.notes,
        )
        self._usage = report
        if not report.is_usable:
            why = next((one.problem for one in machines.values()), None) or "; ".join(recorded.notes)
            raise NoMetricSource(
                f"{recorded.source} measured no machine well enough: {why or 'it knows none'}.",
                next_step="look whether dcgm-exporter, node-exporter and `sophia exporter` are scraped.",
            )
        return report

    def _generate(self) -> Advice:
        fleet = self._site.look()
        found = find_all(Look(fleet, self._usage, self._config))
        choice: Choice = choose(found)
        return Advice(
            chosen=choice.chosen,
            excluded=choice.excluded,
            saving=savings_of(choice.chosen, fleet.worth),
            usd_per_month=fleet.usd_per_hour * HOURS_PER_MONTH,
            notes=tuple(self._notes(fleet)),
        )

    def _notes(self, fleet: Fleet) -> Iterable[str]:
        if self._usage is None:
            yield "No usage was measured: only what the account itself says is advised, nothing is applied."
        if not fleet.state_known:
            yield "The state could not be read: nothing counts as proven to be in none."
        for machine in fleet.own if self._usage is not None else ():
            usage = self._usage.machines.get(machine.instance_id) if self._usage else None
            problem = "nobody measured it" if usage is None else usage.problem
            if problem is not None:
                yield f"{machine.name} is not judged by its usage: {problem}."
        for name in sorted(fleet.names_in_change):
            yield f"{name} is not judged: two machines run for it. Look again when `sophia up` has ended one."
        yield from self._usage.notes if self._usage is not None else ()

    def _again(self, recommendation_id: str) -> Recommendation | None:
        """The recommendation from facts of this moment, with the usage that was read before."""
        found = find_all(Look(self._site.look(), self._usage, self._config))
        return next((one for one in found if one.id == recommendation_id), None)

    def _implement(
        self, recommendations: Sequence[Recommendation] | None, dry_run: bool
    ) -> tuple[Outcome, ...]:
        self._need_usage()
        wanted = self._generate().chosen if recommendations is None else tuple(recommendations)
        outcomes = [self.propose(one) for one in wanted if not one.can_act]
        low = [one for one in wanted if one.can_act]
        if dry_run:
            return tuple(outcomes + [self._would_do(one) for one in low])
        if not low:
            return tuple(outcomes)
        with self._applier.turn():
            outcomes += self._applier.recover()
            outcomes += [self._apply(one) for one in low]
        return tuple(outcomes)

    def _auto(self, risk_level: str, dry_run: bool) -> tuple[Outcome, ...]:
        if risk_level != "low":
            raise NotAllowed(
                f"Nothing of {risk_level!r} risk is ever applied by itself.",
                next_step='take "low"; the rest becomes a change of the stack file: `sophia optimize apply`.',
            )
        if not dry_run and not self._config.auto_apply:
            raise NotAllowed(
                "Nothing is applied by itself while auto_apply is false, its default.",
                next_step="set `auto_apply: true` in the settings of the optimizer, or apply one by its id.",
            )
        self._need_usage()
        low = [one for one in self._generate().chosen if one.can_act]
        if dry_run:
            return tuple(self._would_do(one) for one in low)
        with self._applier.turn():
            outcomes = self._applier.recover()
            shown = self._log.dry_runs()
            for one in low:
                if one.id in shown:
                    outcomes.append(self._apply(one))
                else:
                    self._note_dry_run(one)
                    detail = "no dry run has shown it before; this one did, the next run applies it"
                    outcomes.append(Outcome(one.id, one.subject, "waits", detail))
        return tuple(outcomes)

    def _apply(self, one: Recommendation) -> Outcome:
        """What stands against one does not keep the others from it; what stands against all is raised."""
        try:
            return self._applier.apply(one)
        except NotAllowed as error:
            return Outcome(one.id, one.subject, "not allowed", str(error))
        except AccountChanged as error:
            return Outcome(one.id, one.subject, "failed", str(error))

    def _would_do(self, one: Recommendation) -> Outcome:
        self._note_dry_run(one)
        waits = self._applier.waits_for()
        detail = "; ".join(one.steps)
        return Outcome(
            one.id, one.subject, "would do", detail if waits is None else f"{detail}. Now: {waits}"
        )

    def _note_dry_run(self, one: Recommendation) -> None:
        self._log.record(
            "dry-run", "", recommendation=one.id, why=one.title, usd_per_month=str(one.saving.expected)
        )

    def _need_usage(self) -> None:
        """Usage of this moment: read now, or not long ago."""
        now_s = self._site.session.clock.now()
        if self._usage is None or now_s - self._usage.end_s > self._config.max_age_minutes * 60:
            self._analyze()
        if self._usage is None or not self._usage.is_usable:
            raise NoMetricSource("Nothing was measured lately.", next_step="look at the metric source.")
