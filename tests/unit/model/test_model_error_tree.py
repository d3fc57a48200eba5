"""Each error of the room says whose fault it is, whether to retry, and what to do next."""

from __future__ import annotations

from datetime import date

import pytest

from sophia_infra.model.errors import (
    AmbiguousInstanceType,
    ConfigError,
    ModelError,
    Problem,
    Refused,
    UnknownInstanceType,
    UnknownPrice,
    did_you_mean,
)

PROBLEM = Problem("Pulumi.test.yaml", "sophia:phase", 3, "4", "1, 2, 3", "is out of range")
ERRORS = [
    Refused("is wrong", allowed="right"),
    UnknownInstanceType("is not an instance type"),
    AmbiguousInstanceType("fits two", ["a", "b"], allowed="a, b"),
    UnknownPrice("gpu_1x_new", date(2026, 8, 20), "test"),
    ConfigError([PROBLEM]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_says_whose_fault_it_is_and_what_to_do(error: ModelError) -> None:
    assert error.fault == "user"
    assert error.retry is False
    assert error.next_step
    assert str(error)


def test_every_error_of_the_room_is_in_the_tree_above() -> None:
    found, queue = set[type[ModelError]](), [ModelError]
    while queue:
        below = queue.pop().__subclasses__()
        found.update(below)
        queue.extend(below)
    assert {type(error) for error in ERRORS} == found


def test_a_problem_prints_as_one_line() -> None:
    assert str(PROBLEM) == "Pulumi.test.yaml:3 sophia:phase: 4 is out of range; allowed: 1, 2, 3"
    assert str(Problem("x.yaml", "", None, None, None, "has no key config")) == "x.yaml: has no key config"


def test_a_config_error_has_a_problem() -> None:
    with pytest.raises(ValueError, match="without a problem"):
        ConfigError([])


@pytest.mark.parametrize(
    ("word", "hint"), [("fleat", ", did you mean fleet?"), ("FLEET", ", did you mean fleet?"), ("zzz", "")]
)
def test_the_closest_word_is_named_only_when_it_is_close(word: str, hint: str) -> None:
    assert did_you_mean(word, ["fleet", "budget"]) == hint
