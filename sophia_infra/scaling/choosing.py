"""Which model forecasts this load best: by backtest, in doubt the simple one and the one in use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sophia_infra.scaling.backtest import Backtest, Schedule, backtest
from sophia_infra.scaling.errors import LibraryMissing, TooLittleData
from sophia_infra.scaling.forecast import Calibration, Fitted, calibrate
from sophia_infra.scaling.models import BASELINES, Model
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, Series

__all__ = ["BETTER_THAN_BASELINE", "BETTER_THAN_INCUMBENT", "Choice", "Score", "choose"]

BETTER_THAN_BASELINE: Final = 0.03
"""A model replaces the best baseline only when its error is lower by this share: less can be luck."""

BETTER_THAN_INCUMBENT: Final = 0.05
"""The model in use is replaced only by one whose error is lower by this share."""

_JUDGED_S: Final = WEEK_S
_JUDGED_SHARE: Final = 1 / 3
_LEAST_S: Final = DAY_S
_REFITS: Final = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Score:
    """How one model did: mean absolute error over the horizon, in the unit of the load."""

    model: str
    mae: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that forecasts from now on.

    Attributes:
        model: the one.
        calibration: its errors in the backtest.
        scores: of all that could be judged, best first.
        wape: sum of its absolute errors over the sum of the load.
        reason: one sentence for people.
    """

    model: Model
    calibration: Calibration
    scores: tuple[Score, ...]
    wape: float
    reason: str

    @property
    def confidence(self) -> float:
        """1 when every forecast of the backtest was exact, 0 when errors were as large as the load."""
        return max(0.0, 1.0 - self.wape)

    def fit(self, series: Series) -> Fitted:
        """Learn from `series` anew, keep the choice and its intervals. Raises TooLittleData."""
        return Fitted(self.model.name, series.step_s, self.model.fit(series), self.calibration)


def choose(
    series: Series,
    models: Sequence[Model],
    *,
    horizon_steps: int = 12,
    incumbent: str | None = None,
) -> Choice:
    """Backtest the models over the last week (a third of a shorter series) and take one.

    The best model has to beat the best baseline by `BETTER_THAN_BASELINE`, else the baseline forecasts; and
    `incumbent` by `BETTER_THAN_INCUMBENT`, else that stays. So an incumbent is never more than that worse
    than any other, and where nothing can be learned the simplest wins.

    Raises:
        TooLittleData: less than a day of load, or too little of it was measured.
    """
    schedule = _schedule(series, horizon_steps)
    judged: list[tuple[Model, Backtest]] = []
    for model in models:
        try:
            result = backtest(model, series, schedule)
        except TooLittleData:
            continue
        except LibraryMissing as missing:
            _log.warning("%s does not forecast: %s", model.name, missing)
            continue
        if not np.isnan(result.mae):
            judged.append((model, result))
    if not judged:
        raise TooLittleData(
            "No model can be judged by this series.", next_step="wait until more of the load was measured."
        )
    judged.sort(key=lambda one: one[1].mae)
    (model, result), reason = _pick(judged, incumbent)
    scores = tuple(Score(one.name, tested.mae) for one, tested in judged)
    return Choice(model, calibrate(result), scores, result.wape, reason)


def _schedule(series: Series, horizon_steps: int) -> Schedule:
    length_s = len(series) * series.step_s
    if length_s < _LEAST_S:
        raise TooLittleData(
            f"The series has {length_s / HOUR_S:.3g} hours; a choice needs a day.",
            next_step="wait until there is more.",
        )
    judged_s = min(_JUDGED_S, int(length_s * _JUDGED_SHARE))
    start_s = series.end_s - judged_s // series.step_s * series.step_s
    every_s = HOUR_S if judged_s >= DAY_S else HOUR_S // 4
    return Schedule(
        start_s,
        series.end_s,
        horizon_steps,
        every_s=max(series.step_s, every_s // series.step_s * series.step_s),
        refit_s=-(-judged_s // _REFITS),
    )


def _pick(judged: list[tuple[Model, Backtest]], incumbent: str | None) -> tuple[tuple[Model, Backtest], str]:
    simple = {one.name for one in BASELINES}
    best = judged[0]
    baseline = next((one for one in judged if one[0].name in simple), None)
    if baseline is not None and best[0].name not in simple:
        if best[1].mae > (1 - BETTER_THAN_BASELINE) * baseline[1].mae:
            best = baseline
            reason = f"{best[0].name}: no model beats it by {BETTER_THAN_BASELINE:.0%}"
        else:
            share = 1 - best[1].mae / baseline[1].mae
            reason = f"{best[0].name}: its error is {share:.0%} below that of {baseline[0].name}"
    else:
        reason = f"{best[0].name}: the least error"
    kept = next((one for one in judged if one[0].name == incumbent), None)
    if kept is not None and kept is not best and kept[1].mae * (1 - BETTER_THAN_INCUMBENT) <= best[1].mae:
        return kept, f"{kept[0].name} stays: {best[0].name} is not {BETTER_THAN_INCUMBENT:.0%} better"
    return best, reason
