"""On weeks that it has not seen, on every shape and for several seeds: never worse than the best baseline by
5 %, and better where there is something to learn."""

from __future__ import annotations

from functools import cache

import pytest

from sophia_infra.scaling.accuracy import Accuracy, measure_accuracy
from sophia_infra.scaling.series import HOUR_S
from sophia_infra.scaling.traces import SHAPES
from tests.effort import FULL

SEEDS = [1, 2] if FULL else [1]
NOTHING_TO_LEARN = {"flat", "walk"}
"""A constant, and a load whose next hour nobody can know: there persistence is the best there is."""


@cache
def accuracy(shape: str, seed: int) -> Accuracy:
    """One held-out week in seven forecasts a day: a twelfth of what the table in docs/scaling.md takes."""
    return measure_accuracy(shape, seed=seed, held_out_weeks=1, every_s=4 * HOUR_S)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_never_five_percent_worse_than_the_best_baseline(shape: str, seed: int) -> None:
    assert accuracy(shape, seed).ratio <= 1.05


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [one for one in SHAPES if one not in NOTHING_TO_LEARN])
def test_better_where_there_is_something_to_learn(shape: str, seed: int) -> None:
    assert accuracy(shape, seed).ratio < 0.85


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [one for one in SHAPES if one != "flat"])
def test_the_interval_holds_about_as_often_as_it_says(shape: str, seed: int) -> None:
    """42 forecasts of twelve steps each, alike within a forecast: 80 % give or take what chance allows."""
    assert 0.6 <= accuracy(shape, seed).coverage <= 0.95
