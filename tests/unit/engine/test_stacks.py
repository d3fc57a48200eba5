from __future__ import annotations

from typing import Any

import pytest
import yaml

from sophia_infra.engine import (
    Home,
    PassphraseWrong,
    StackMissing,
    ensure_stack,
    export_stack,
    prepare_stack,
    stack_exists,
    stack_outputs,
)
from tests.unit.engine.fakes import FakePulumi

INIT = """
    with open("Pulumi.local.yaml", "a") as file:
        file.write("encryptionsalt: fresh\\n")
"""


def make_state(home: Home, stack: str = "local") -> None:
    file = home.state / ".pulumi" / "stacks" / "shop" / f"{stack}.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")


def test_a_new_stack_is_made_beside_its_copy_and_the_tracked_file_stays(
    home: Home, pulumi: FakePulumi
) -> None:
    before = (home.checkout / "Pulumi.local.yaml").read_text()
    stack = ensure_stack(pulumi.does(INIT), prepare_stack("local", home, phase=2), home)
    (call,) = pulumi.calls
    assert call["cwd"] == str(home.stacks)
    assert call["arguments"][:4] == ["stack", "init", "local", "--no-select"]
    assert (home.checkout / "Pulumi.local.yaml").read_text() == before
    assert (stack.phase, stack.phase_source) == (2, "request")
    assert yaml.safe_load(stack.config_file.read_text()) == {
        "config": {"sophia:phase": 2},
        "encryptionsalt": "fresh",
    }


def test_a_stack_that_is_there_is_not_made_again(home: Home, pulumi: FakePulumi) -> None:
    make_state(home)
    engine = pulumi.does("sys.exit(1)")
    prepared = prepare_stack("local", home)
    assert ensure_stack(engine, prepared, home) == prepared
    assert stack_exists(engine, "local", home)
    assert not stack_exists(engine, "other", home)
    assert pulumi.calls == []


def test_a_remote_backend_that_has_the_stack_is_no_error(home: Home, pulumi: FakePulumi) -> None:
    (home.checkout / "Pulumi.production.yaml").write_text("config: {}\n")
    engine = pulumi.does("sys.exit(\"error: stack 'production' already exists\")")
    environ = {"PULUMI_ACCESS_TOKEN": "pul-1", "PATH": "/usr/bin"}
    prepared = prepare_stack("production", home)
    assert ensure_stack(engine, prepared, home, environ=environ) == prepared
    assert pulumi.calls[0]["cwd"] == str(home.checkout)


def test_a_stack_that_cannot_be_made_says_why(home: Home, pulumi: FakePulumi) -> None:
    (home.checkout / "Pulumi.staging.yaml").write_text("config: {}\n")
    engine = pulumi.does("sys.exit('error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE')")
    with pytest.raises(PassphraseWrong, match="Set PULUMI_CONFIG_PASSPHRASE"):
        ensure_stack(engine, prepare_stack("staging", home), home)


@pytest.mark.parametrize(("show_secrets", "flags"), [(False, 0), (True, 1)])
def test_outputs_are_read_as_json(home: Home, pulumi: FakePulumi, show_secrets: bool, flags: int) -> None:
    engine = pulumi.does("""print('{"usd_per_hour": "7.35"}')""")
    outputs: dict[str, Any] = stack_outputs(engine, "local", home, show_secrets=show_secrets)
    assert outputs == {"usd_per_hour": "7.35"}
    assert pulumi.calls[0]["arguments"].count("--show-secrets") == flags


def test_the_state_of_a_stack_that_is_not_there_is_missing(home: Home, pulumi: FakePulumi) -> None:
    with pytest.raises(StackMissing):
        export_stack(pulumi.does("sys.exit(6)"), "local", home)
