"""What a wrong stack file is told: one case per mistake, the message as the user sees it."""

from __future__ import annotations

import pytest

from sophia_infra.model.stack_config import ConfigError, parse_stack_config
from tests.unit.model import cases_fleet, cases_launches, cases_settings
from tests.unit.model.model_stacks import right_stack, with_changes
from tests.unit.model.wrong_case import Case

CASES = [*cases_settings.CASES, *cases_launches.CASES, *cases_fleet.CASES]


def test_the_stack_that_the_cases_spoil_is_right() -> None:
    assert parse_stack_config(right_stack(), "Pulumi.test.yaml").endpoint == "emulator"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(with_changes(*case.changes), "Pulumi.test.yaml")
    assert str(caught.value) == f"Pulumi.test.yaml {case.message}"


def test_there_are_more_than_thirty_cases_and_no_two_are_alike() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 30
