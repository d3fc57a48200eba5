"""Two updates of one stack at once."""

from __future__ import annotations

import pytest

from sophia_infra.engine.errors import StackLocked
from sophia_infra.engine.stacks import unlock_if_dead
from tests.chaos.victims import BackgroundUpdate, held, release, wait_until
from tests.engine.project import A10, Project

pytestmark = [pytest.mark.engine, pytest.mark.chaos]


def test_the_second_update_is_refused_and_launches_nothing(project: Project) -> None:
    project.write({"a": A10})
    with held(project, "launchInstance", "before") as rule:
        first = BackgroundUpdate(project)
        wait_until(lambda: rule.holding > 0)
        with pytest.raises(StackLocked, match=str(first.engine_pid())):
            project.up()
        with pytest.raises(StackLocked):
            unlock_if_dead(project.engine, "local", project.home)
        assert project.launches() == 0
        release(project, rule)
        first.wait()

    assert not isinstance(first.outcome, Exception)
    assert project.launches() == 1
    assert list(project.live()) == list(project.ids_in_state().values())
