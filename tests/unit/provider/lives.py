"""How the lives of a state machine are lived: the same in every run, and cut down only where CI fails."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.effort import FULL

__all__ = ["live"]


def live(machine: type[RuleBasedStateMachine], *, lives: int, steps_per_life: int) -> None:
    """Live `lives` lives of at most `steps_per_life` steps. Raises what the machine raises."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps_per_life,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # A life that broke is told at once here; what is left of it when cut down takes minutes.
            phases=(Phase.generate, Phase.shrink) if FULL else (Phase.generate,),
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )
