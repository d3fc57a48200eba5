"""The choice: the best one, in doubt the simple one, and not another one every week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sophia_infra.scaling.choosing import choose
from sophia_infra.scaling.errors import LibraryMissing, TooLittleData
from sophia_infra.scaling.models import Fit, Model, Persistence
from sophia_infra.scaling.profiled import all_models
from sophia_infra.scaling.series import FloatArray, Series
from tests.unit.scaling.loads import DAY_STEPS, daily, series_of, trace


@dataclass(frozen=True)
class Off:
    """Always wrong by a known amount on a load of 10."""

    name: str
    by: float
    needs_s: int = 0
    missing: str | None = None

    def fit(self, series: Series) -> Fit:
        if self.missing:
            raise LibraryMissing(self.missing, self.name)
        return OffFit(series.end_s, self.by)


@dataclass(frozen=True)
class OffFit:
    end_s: int
    by: float

    def advanced(self, series: Series) -> Fit:
        return OffFit(series.end_s, self.by)

    def mean(self, horizon_steps: int) -> FloatArray:
        return np.full(horizon_steps, 10.0 + self.by)


TEN = series_of(np.full(9 * DAY_STEPS, 10.0))


def chosen(*models: Model, incumbent: str | None = None) -> str:
    return choose(TEN, models, incumbent=incumbent).model.name


def test_the_least_error_wins() -> None:
    choice = choose(TEN, [Off("a", 2.0), Off("b", -1.0), Off("c", 3.0)])
    assert choice.model.name == "b"
    assert [(one.model, one.mae) for one in choice.scores] == [("b", 1.0), ("a", 2.0), ("c", 3.0)]
    assert choice.confidence == pytest.approx(0.9)
    assert choice.reason == "b: the least error"


def test_a_baseline_is_beaten_by_three_percent_or_forecasts() -> None:
    assert chosen(Off("persistence", 1.0), Off("clever", 0.98)) == "persistence"
    assert chosen(Off("persistence", 1.0), Off("clever", 0.96)) == "clever"


def test_the_incumbent_stays_until_another_is_five_percent_better() -> None:
    models = (Off("a", 1.0), Off("b", 0.96), Off("c", 0.94))
    assert chosen(*models, incumbent="a") == "c"
    assert chosen(*models[:2], incumbent="a") == "a"
    assert chosen(*models[:2]) == "b"
    assert chosen(*models[:2], incumbent="gone") == "b"


def test_no_incumbent_is_kept_far_behind_a_baseline() -> None:
    assert chosen(Off("clever", 1.06), Off("persistence", 1.0), incumbent="clever") == "persistence"


def test_a_model_whose_package_is_missing_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert chosen(Off("a", 1.0), Off("b", 0.0, missing="statsmodels")) == "a"
    assert "b does not forecast: b needs the package statsmodels" in caplog.text


def test_one_day_is_enough_for_persistence_and_less_for_nothing() -> None:
    choice = choose(daily(1), all_models())
    assert choice.model.name == "persistence"
    assert [one.model for one in choice.scores] == ["persistence"]
    with pytest.raises(TooLittleData, match=r"has 22.8 hours; a choice needs a day"):
        choose(daily(0.95), all_models())


def test_the_longer_the_history_the_more_models_are_judged() -> None:
    names = [{one.model for one in choose(daily(days), all_models()).scores} for days in (1, 4, 16, 22)]
    assert names[0] < names[1] < names[3]
    assert "day-profile-ets" in names[1]
    assert "week-profile-ets" not in names[2]
    assert "week-profile-ets" in names[3]


def test_nothing_measured_is_too_little() -> None:
    with pytest.raises(TooLittleData, match="No model can be judged by this series"):
        choose(series_of([None] * 3 * DAY_STEPS), [Persistence()])


def test_the_same_load_gives_the_same_choice_and_forecast() -> None:
    series = trace("spikes", 4).seen
    one, again = (choose(series, all_models()) for _ in range(2))
    assert one.scores == again.scores
    np.testing.assert_array_equal(one.fit(series).predict(12).mean, again.fit(series).predict(12).mean)
