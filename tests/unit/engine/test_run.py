from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.engine import (
    Cancellation,
    ConfigRefused,
    EngineMessage,
    Event,
    Home,
    OperationError,
    OperationOptions,
    PassphraseWrong,
    PolicyRefused,
    ResourceStarted,
    StackMissing,
    Summary,
    UnexpectedChanges,
    UpdateCancelled,
    UpdateFailed,
    prepare_stack,
    run_operation,
)
from sophia_infra.engine.run import Verb
from tests.unit.engine.fakes import FakePulumi, wait_until_ended

SUCCESS = """
    event(resourcePreEvent={"metadata": {"op": "create", "urn": "urn:pulumi:local::shop::t::core"}})
    print("Updating (local)")
    print("a warning of the engine", file=sys.stderr)
    event(summaryEvent={"resourceChanges": {"create": 1}, "durationSeconds": 3, "result": "succeeded"})
"""


def wait_for_signals(wanted: int) -> str:
    """A script that reports each SIGINT and ends with the one of this number, or after 30 s."""
    return f"""
    def note(number, frame):
        global count
        count += 1
        event(stdoutEvent={{"message": f"signal {{count}}"}})
        if count >= {wanted}:
            sys.exit(1)
    count = 0
    signal.signal(signal.SIGINT, note)
    event(stdoutEvent={{"message": f"started {{os.getpid()}}"}})
    for _ in range(3000):
        time.sleep(0.01)
"""


def run(engine_home: tuple[Any, Home], verb: Verb = "up", **more: Any) -> Any:
    engine, home = engine_home
    return run_operation(engine, verb, prepare_stack("local", home), home, **more)


def test_a_run_reports_events_and_keeps_what_the_engine_printed(home: Home, pulumi: FakePulumi) -> None:
    seen: list[Event] = []
    result = run((pulumi.does(SUCCESS), home), on_event=seen.append)
    assert [type(event) for event in seen] == [ResourceStarted, Summary]
    assert result.changes == {"create": 1}
    assert result.log_file.parent == home.logs
    assert "Updating (local)" in result.log_file.read_text()
    assert "a warning of the engine" in result.log_file.read_text()
    assert result.event_log.read_text().count("\n") == 2
    assert result.duration_s > 0


def test_the_engine_runs_in_the_checkout_with_our_environment_and_no_input(
    home: Home, pulumi: FakePulumi
) -> None:
    engine = pulumi.does("assert sys.stdin.read() == ''")
    run((engine, home), extra_environment={"LAMBDA_API_URL": "http://127.0.0.1:1"})
    (call,) = pulumi.calls
    assert call["cwd"] == str(home.checkout)
    assert call["environment"]["PULUMI_HOME"] == str(home.pulumi)
    assert call["environment"]["LAMBDA_API_URL"] == "http://127.0.0.1:1"
    assert call["environment"]["PATH"].startswith(f"{pulumi.directory}:")


@pytest.mark.parametrize("verb", ["up", "preview", "destroy", "refresh"])
def test_every_verb_gets_the_stack_its_file_and_the_event_log(
    home: Home, pulumi: FakePulumi, verb: Verb
) -> None:
    result = run((pulumi.does(""), home), verb)
    expected = [verb, "--stack", "local", "--config-file", str(home.stacks / "Pulumi.local.yaml")]
    expected += ["--non-interactive", "--color", "never", "--event-log", str(result.event_log)]
    expected += [] if verb == "preview" else ["--yes", "--skip-preview"]
    assert pulumi.calls[0]["arguments"] == expected


def test_options_go_to_the_engine_under_its_own_names(home: Home, pulumi: FakePulumi) -> None:
    options = OperationOptions(
        target=["urn:a", "urn:b"],
        target_dependents=True,
        replace=["urn:c"],
        refresh=True,
        run_program=True,
        expect_no_changes=True,
        parallel=4,
        policy_packs=[Path("policies")],
        policy_pack_configs=[Path("policies.json")],
        diff=True,
        message="why",
        config={"sophia:phase": "2"},
        arguments=["--continue-on-error"],
    )
    run((pulumi.does(""), home), options=options)
    arguments = pulumi.calls[0]["arguments"]
    assert arguments[arguments.index("--skip-preview") + 1 :] == [
        *("--target", "urn:a", "--target", "urn:b", "--replace", "urn:c"),
        *("--policy-pack", "policies", "--policy-pack-config", "policies.json"),
        *("--target-dependents", "--refresh", "--run-program", "--expect-no-changes", "--diff"),
        *("--parallel", "4", "--message", "why", "--config", "sophia:phase=2", "--continue-on-error"),
    ]


@pytest.mark.parametrize(
    ("verb", "options", "named"),
    [
        ("destroy", OperationOptions(replace=["urn:a"]), "replace"),
        ("destroy", OperationOptions(policy_packs=[Path("p")]), "policy_packs"),
        ("destroy", OperationOptions(expect_no_changes=True), "expect_no_changes"),
        ("refresh", OperationOptions(refresh=True), "refresh"),
        ("up", OperationOptions(clear_pending_creates=True), "clear_pending_creates"),
    ],
)
def test_an_option_that_the_verb_does_not_have_is_refused_before_anything_runs(
    home: Home, pulumi: FakePulumi, verb: Verb, options: OperationOptions, named: str
) -> None:
    with pytest.raises(ValueError, match=f"`pulumi {verb}` has no option {named}"):
        run((pulumi.does(""), home), verb, options=options)
    assert pulumi.calls == []


DIAGNOSTIC = """
    event(diagnosticEvent={
        "urn": "urn:pulumi:local::shop::t::core", "severity": "error",
        "message": "Exception calling application: no capacity in us-east-3"})
    event(diagnosticEvent={"severity": "error", "message": "update failed"})
    sys.exit(1)
"""
VIOLATION = """
    event(policyEvent={"policyName": "budget", "policyPackName": "pack", "enforcementLevel": "mandatory",
                       "message": "too dear"})
    event(diagnosticEvent={"severity": "error", "message": "preview failed"})
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("body", "error", "sentence"),
    [
        (DIAGNOSTIC, UpdateFailed, "up of stack 'local' failed: core: no capacity in us-east-3."),
        (VIOLATION, PolicyRefused, "up of stack 'local' was stopped by budget."),
        ("sys.exit(7)", UnexpectedChanges, "No changes were expected, but up of stack 'local' finds some."),
        ("sys.exit(6)", StackMissing, "The backend has no stack 'local'."),
        ("sys.exit(8)", UpdateCancelled, "up of stack 'local' was stopped; what was finished is recorded."),
        ("sys.exit(5)", PolicyRefused, "up of stack 'local' was stopped by a mandatory policy."),
        (
            "print('error: unknown flag: --x', file=sys.stderr); sys.exit(2)",
            ConfigRefused,
            "The engine refused the configuration: unknown flag: --x",
        ),
        (
            "sys.exit('error: getting stack configuration: get stack secrets manager: incorrect passphrase')",
            PassphraseWrong,
            "The passphrase of stack 'local' is wrong.",
        ),
        (
            "sys.exit('error: getting stack configuration: passphrase must be set')",
            PassphraseWrong,
            "The passphrase of stack 'local' is not set.",
        ),
        (
            "sys.exit('error: the disk is gone')",
            UpdateFailed,
            "up of stack 'local' failed: the disk is gone.",
        ),
        ("sys.exit(1)", UpdateFailed, "up of stack 'local' failed: exit code 1."),
        (
            "print('@ updating....', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
            UpdateFailed,
            "up of stack 'local' failed: the engine was killed by signal 9.",
        ),
    ],
)
def test_each_way_to_fail_has_its_error_and_sentence(
    home: Home, pulumi: FakePulumi, body: str, error: type[OperationError], sentence: str
) -> None:
    with pytest.raises(OperationError) as failed:
        run((pulumi.does(body), home))
    assert type(failed.value) is error
    assert failed.value.message == sentence
    assert failed.value.next_step
    assert (failed.value.verb, failed.value.stack) == ("up", "local")
    assert failed.value.log_file
    assert failed.value.log_file.exists()


def test_the_first_interrupt_reaches_the_engine_once_and_asks_it_to_stop(
    home: Home, pulumi: FakePulumi
) -> None:
    messages: list[str] = []

    def interrupt_when_started(event: Event) -> None:
        if isinstance(event, EngineMessage):
            messages.append(event.message)
            if event.message.startswith("started"):
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(UpdateCancelled, match="Start it again to go on") as cancelled:
        run((pulumi.does(wait_for_signals(1)), home), on_event=interrupt_when_started)
    assert messages[1:] == ["signal 1"]
    assert not cancelled.value.forced
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_interrupt_makes_it_stop_at_once(home: Home, pulumi: FakePulumi) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EngineMessage) and event.message != "signal 2":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(UpdateCancelled, match="a step may have been cut off") as cancelled:
        run((pulumi.does(wait_for_signals(2)), home), on_event=interrupt)
    assert cancelled.value.forced
    (events,) = home.logs.glob("*.events.jsonl")
    assert "signal 2" in events.read_text()


def test_an_engine_that_does_not_stop_is_killed(home: Home, pulumi: FakePulumi) -> None:
    class Impatient(Cancellation):
        KILL_AFTER_S = 0.0

    pids: list[int] = []
    cancellation = Impatient()

    def stop_twice(event: Event) -> None:
        if isinstance(event, EngineMessage) and event.message.startswith("started"):
            pids.append(int(event.message.split()[1]))
            cancellation.request()
            cancellation.request()

    engine = pulumi.does(wait_for_signals(9))
    with pytest.raises(UpdateCancelled):
        run((engine, home), on_event=stop_twice, cancellation=cancellation)
    wait_until_ended(pids[0])


def test_another_thread_can_stop_a_run(home: Home, pulumi: FakePulumi) -> None:
    engine = pulumi.does(wait_for_signals(1))
    cancellation = Cancellation()
    errors: list[Exception] = []

    def stop_when_started(event: Event) -> None:
        if isinstance(event, EngineMessage) and event.message.startswith("started"):
            cancellation.request()

    def run_in_thread() -> None:
        try:
            run((engine, home), on_event=stop_when_started, cancellation=cancellation)
        except UpdateCancelled as error:
            errors.append(error)

    thread = threading.Thread(target=run_in_thread)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_an_error_of_the_listener_stops_the_engine_and_is_raised_when_it_has_ended(
    home: Home, pulumi: FakePulumi
) -> None:
    pids: list[int] = []

    def fail(event: Event) -> None:
        if isinstance(event, EngineMessage):
            pids.append(int(event.message.split()[1]))
        raise RuntimeError("the table is too narrow")

    with pytest.raises(RuntimeError, match="the table is too narrow"):
        run((pulumi.does(wait_for_signals(1)), home), on_event=fail)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_an_engine_whose_caller_is_killed_gets_the_polite_request(home: Home, pulumi: FakePulumi) -> None:
    pulumi.does(wait_for_signals(1))
    program = (
        "from pathlib import Path\n"
        "from sophia_infra.engine import Engine, open_home, prepare_stack, run_operation\n"
        f"home = open_home(checkout=Path({str(home.checkout)!r}))\n"
        f"engine = Engine(Path({str(pulumi.directory)!r}), '3.259.0', 'cache')\n"
        "run_operation(engine, 'up', prepare_stack('local', home), home,\n"
        "              on_event=lambda event: print(event.message, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid = int(process.stdout.readline().split()[1])
        process.kill()
    wait_until_ended(pid)
    (events,) = home.logs.glob("*.events.jsonl")
    assert "signal 1" in events.read_text()
