"""SIGKILL at every I/O point of create, update and delete; then `up` again: no orphan, no second launch.

A request can be cut at three moments: before the cloud does the work, after it and before the answer leaves,
and after the answer and before the engine has written its state. The emulator holds the request open at the
first two; for the third the engine is stopped (SIGSTOP) while the answer passes, and then killed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sophia_infra.engine.stacks import unlock_if_dead
from tests.chaos.victims import BackgroundUpdate, held, is_running, kill, release, wait_until
from tests.engine.project import A10, A6000, Project
from tests.summary import KILL_ROW, kill_row

pytestmark = [pytest.mark.engine, pytest.mark.chaos]


@dataclass(frozen=True)
class Case:
    """One kind of work: what is there before, what is asked for, and which request carries it out."""

    operation: str
    before: dict[str, object]
    after: dict[str, object]
    machines: tuple[str, ...]
    launches: int


CASES = {
    "create": Case("launchInstance", {}, {"a": A10}, ("a",), 1),
    "update": Case("postInstance", {"a": A10}, {"a": {**A10, "name": "renamed"}}, ("renamed",), 1),
    "delete": Case("terminateInstance", {"a": A10, "b": A6000}, {"b": A6000}, ("b",), 2),
    "replace": Case("launchInstance", {"a": A10}, {"a": {**A10, "generation": 2}}, ("a",), 2),
    "replace, old one": Case("terminateInstance", {"a": A10}, {"a": {**A10, "generation": 2}}, ("a",), 2),
}
Record = Callable[[str, object], None]


@pytest.mark.parametrize("moment", ["before the work", "after the work"])
@pytest.mark.parametrize("victim", ["engine", "provider"])
@pytest.mark.parametrize("name", list(CASES))
def test_a_killed_process_costs_no_machine(
    project: Project, record_property: Record, name: str, victim: str, moment: str
) -> None:
    case = _prepare(project, name)
    with held(project, case.operation, moment.partition(" ")[0]) as rule:
        update = BackgroundUpdate(project)
        wait_until(lambda: rule.holding > 0)
        provider = update.provider_pid()
        kill(update.engine_pid() if victim == "engine" else provider)
        # The request has left: the cloud carries it out although nobody waits for the answer.
        release(project, rule)
        update.wait()
        wait_until(lambda: not is_running(provider))
    assert isinstance(update.outcome, Exception)

    _run_again_and_check(project, case, record_property, (name, victim, moment))


@pytest.mark.parametrize("name", list(CASES))
def test_an_engine_killed_before_it_wrote_the_answer_costs_no_machine(
    project: Project, record_property: Record, name: str
) -> None:
    case = _prepare(project, name)
    with held(project, case.operation, "after") as rule:
        update = BackgroundUpdate(project)
        wait_until(lambda: rule.holding > 0)
        engine, provider = update.engine_pid(), update.provider_pid()
        held_request = project.cloud.requests.since(0)[-1]
        os.kill(engine, signal.SIGSTOP)
        release(project, rule)
        wait_until(lambda: held_request.answered)
        kill(engine)
        update.wait()
        wait_until(lambda: not is_running(provider))

    _run_again_and_check(project, case, record_property, (name, "engine", "before the state"))


@pytest.mark.parametrize("moment", ["before the work", "after the work"])
@pytest.mark.parametrize("name", list(CASES))
def test_a_lost_answer_costs_no_machine(
    project: Project, record_property: Record, name: str, moment: str
) -> None:
    case = _prepare(project, name)
    with project.cloud.lock:
        rule = project.cloud.faults.add(case.operation, moment.partition(" ")[0], "drop")
    update = BackgroundUpdate(project)
    update.wait()
    assert rule.hits == 1

    _run_again_and_check(project, case, record_property, (name, "answer", moment))


@pytest.mark.parametrize("operation", ["addSSHKey", "createFilesystem", "createFirewallRuleset"])
def test_what_a_machine_needs_is_not_made_twice_either(
    project: Project, record_property: Record, operation: str
) -> None:
    further = {
        "filesystems": {"models": {"region": "us-west-1", "protect": False}},
        "firewalls": {"web": {"region": "us-west-1", "rules": []}},
    }
    project.write({"a": {**A10, "filesystems": ["models"], "firewalls": ["web"]}}, **further)
    with held(project, operation, "after") as rule:
        update = BackgroundUpdate(project)
        wait_until(lambda: rule.holding > 0)
        kill(update.engine_pid())
        release(project, rule)
        update.wait()

    case = Case(operation, {}, {}, ("a",), 1)
    _run_again_and_check(project, case, record_property, (operation, "engine", "after the work"))
    dump = project.cloud.dump()
    assert [len(dump[kind]) for kind in ("ssh_keys", "filesystems", "firewall_rulesets")] == [1, 1, 1]
    project.destroy()
    dump = project.cloud.dump()
    assert [len(dump[kind]) for kind in ("ssh_keys", "filesystems", "firewall_rulesets")] == [0, 0, 0]


def _prepare(project: Project, name: str) -> Case:
    case = CASES[name]
    project.write(case.before)
    if case.before:
        project.up()
    project.write(case.after)
    return case


def _run_again_and_check(
    project: Project, case: Case, record_property: Record, label: tuple[str, str, str]
) -> None:
    unlock_if_dead(project.engine, "local", project.home)
    project.up()
    live = project.live()
    orphans = set(live) - set(project.ids_in_state().values())
    doubles = project.doubles()
    record_property(KILL_ROW, kill_row(*label, project.launches(), len(live), len(orphans), doubles))
    assert orphans == set()
    assert doubles == 0
    assert sorted(live.values()) == sorted(case.machines)
    assert project.launches() == case.launches
    project.up(expect_no_changes=True)
