"""The steps are commands that exist, in the order of the plan, with nothing left open."""

from __future__ import annotations

import warnings

import click
import pytest

from sophia_infra.migration.plans import plan_of
from sophia_infra.migration.steps import Command, Step
from sophia_infra.migration.table import PHASES, TABLE
from sophia_infra.migration.timeline import PHASE_DAYS

VALUES = {
    "stack": "local",
    "next": "staging",
    "folder": "f",
    "prometheus": "--prometheus=http://127.0.0.1:1",
    "cluster": "",
}
EVERYTHING = frozenset({"gateway", "secrets", "prometheus", "next"})
SERVICES = ("postgres", "backend")
STEPS: list[Step] = [
    step for phase in plan_of("complete", VALUES, EVERYTHING, SERVICES) for step in phase.steps
]
COMMANDS: list[Command] = [
    one for step in STEPS for one in (step.gate, step.action, step.check, step.undo) if one is not None
]


def whole_command() -> click.Command:
    with warnings.catch_warnings():
        # typer still imports names that click has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        from typer.main import get_command

        from sophia_infra.cli.main import app

        return get_command(app)


@pytest.mark.parametrize("line", sorted({str(one) for one in COMMANDS}))
def test_every_command_of_a_step_exists_with_its_flags(line: str) -> None:
    command = whole_command()
    words = line.split()[1:]
    context = click.Context(command, info_name="sophia")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"{line}: there is no {words[0]!r}"
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    command.parse_args(context, words)


def test_step_ids_are_unique_and_their_steps_in_the_order_of_the_plan() -> None:
    ids = [step.step_id for step in STEPS]
    assert len(ids) == len(set(ids))
    assert len(ids) == sum(len(rows) for rows in TABLE.values()) + len(SERVICES) - 1
    for number, phase in enumerate(PHASES[:3], start=1):
        first, last = PHASE_DAYS[number]
        assert all(first <= row.step.days[0] <= row.step.days[1] <= last for row in TABLE[phase])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.step_id)
def test_a_step_does_or_asks_something_and_says_how_it_is_taken_back(step: Step) -> None:
    assert step.gate or step.action
    assert bool(step.undo) != bool(step.no_undo)
    assert step.criteria
    assert "{" not in " ".join(str(part) for part in (step.gate, step.action, step.check, step.undo) if part)


def test_nothing_is_changed_before_it_is_backed_up_and_previewed() -> None:
    for phase in PHASES[:3]:
        (plan,) = plan_of(phase, VALUES, EVERYTHING)
        ids = [step.step_id for step in plan.steps]
        up = next(step for step in plan.steps if step.step_id.endswith("-up"))
        assert ids.index(up.step_id.replace("-up", "-backup")) < ids.index(up.step_id)
        assert up.gate is not None
        assert up.gate.argv[0] == "preview"


def test_services_move_one_by_one_in_the_order_given_and_back_in_the_other() -> None:
    moves = [step for step in STEPS if step.step_id.startswith("p2-cutover")]
    assert [step.step_id for step in moves] == ["p2-cutover-postgres", "p2-cutover-backend"]
    assert [str(step.undo) for step in moves] == [
        "sophia cutover back postgres --stack local",
        "sophia cutover back backend --stack local",
    ]


def test_a_step_without_its_object_is_left_out() -> None:
    (plan,) = plan_of("phase1", VALUES, frozenset())
    assert "p1-inference" not in [step.step_id for step in plan.steps]


def test_an_option_that_was_not_given_leaves_no_empty_word() -> None:
    (plan,) = plan_of("phase1", {**VALUES, "prometheus": ""}, EVERYTHING)
    assert all("" not in step.gate.argv for step in plan.steps if step.gate)
