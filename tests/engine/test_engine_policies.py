"""The policy pack on the real engine: a mandatory rule stops it with nothing launched, others only speak."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.local_esc import ensure_esc_emulator, stop_esc_emulator
from sophia_infra.engine.errors import PolicyRefused, UpdateFailed
from sophia_infra.engine.events import PolicyViolation
from sophia_infra.engine.run import OperationOptions, OperationResult, Verb
from sophia_infra.model.stack_config import load_stack_config
from tests.engine.policy_pack import copy_policy_pack, write_json
from tests.engine.project import A10, A6000, CHECKOUT, Project

pytestmark = pytest.mark.engine

PROTECTED = {**A10, "protect": True}
WAIVER = """
waivers:
  - rule: {rule}
    resource: {resource}
    owner: ml@example.com
    reason: a demonstration
    expires: {expires}
"""


def run(
    project: Project, verb: Verb, pack: Path, config: Path | None = None, *, previews: bool = False
) -> OperationResult:
    """`pulumi <verb> --policy-pack`; `previews`: as a user's own `pulumi up --yes`, which previews first."""
    configs = [config] if config else []
    arguments = ["--skip-preview=false"] if previews else []
    options = OperationOptions(policy_packs=[pack], policy_pack_configs=configs, arguments=arguments)
    return project.run(verb, options)


def said(violations: Sequence[PolicyViolation], enforcement: str) -> dict[str, str]:
    """Rule -> the last text it said at this level."""
    return {row.policy: row.message for row in violations if row.enforcement == enforcement}


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_over_budget_stops_with_nothing_launched(project: Project, tmp_path: Path, verb: Verb) -> None:
    """`up` goes straight to the update here, so the rule has to speak before the first resource."""
    project.write({"a": PROTECTED, "b": {**A6000, "protect": True}}, budget={"limit": "$20/day"})
    pack = copy_policy_pack(tmp_path / "pack")

    with pytest.raises(PolicyRefused) as refused:
        run(project, verb, pack)

    mandatory = said(refused.value.violations, "mandatory")
    assert "budget-before-launch" in mandatory
    text = mandatory["budget-before-launch"]
    assert "$1,713.60/month is over the budget of $20/day by $1,113.60/month" in text
    assert "Fix: " in text
    assert "docs/policies.md#budget-before-launch" in text
    if verb == "preview":
        assert "monthly-budget" in mandatory
    assert project.launches() == 0
    assert project.cloud.dump()["ssh_keys"] == []


def test_an_advisory_rule_only_speaks(project: Project, tmp_path: Path) -> None:
    project.write({"a": PROTECTED})
    pack = copy_policy_pack(tmp_path / "pack")

    result = run(project, "up", pack)

    assert "has no tag owner" in said(result.violations, "advisory")["ownership-tags"]
    assert said(result.violations, "mandatory") == {}
    assert list(project.live().values()) == ["a"]


def test_pack_configuration_stops_a_dear_machine_and_can_make_a_rule_speak_only(
    project: Project, tmp_path: Path
) -> None:
    project.write({"a": PROTECTED})
    pack = copy_policy_pack(tmp_path / "pack")
    strict = write_json(tmp_path / "strict.json", {"max-machine-price": {"limit": "$1/h"}})
    loose = {"max-machine-price": {"limit": "$1/h", "enforcementLevel": "advisory"}}

    with pytest.raises(PolicyRefused) as refused:
        run(project, "up", pack, strict)
    assert set(said(refused.value.violations, "mandatory")) == {"max-machine-price"}
    assert project.launches() == 0

    result = run(project, "preview", pack, write_json(tmp_path / "loose.json", loose))
    assert (
        "gpu_1x_a10 costs $1.29/h, more than $1/h" in said(result.violations, "advisory")["max-machine-price"]
    )


def test_the_settings_of_the_stack_s_own_file_hold(project: Project, tmp_path: Path) -> None:
    project.write({"a": PROTECTED})
    pack = copy_policy_pack(tmp_path / "pack")
    write_json(pack / "config" / "local.json", {"allowed-regions": {"regions": ["us-east-*"]}})

    with pytest.raises(PolicyRefused) as refused:
        run(project, "preview", pack)

    assert "us-west-1 is not allowed here" in said(refused.value.violations, "mandatory")["allowed-regions"]


def test_a_waiver_lets_it_through_and_is_listed(project: Project, tmp_path: Path) -> None:
    project.write({"a": A10})
    waivers = WAIVER.format(rule="always-on-protected", resource="a", expires="9999-12-31")
    pack = copy_policy_pack(tmp_path / "pack", waivers=waivers)

    result = run(project, "up", pack)

    advisory = said(result.violations, "advisory")
    assert "waived until 9999-12-31 by ml@example.com (a demonstration)" in advisory["always-on-protected"]
    assert "always-on-protected for a, by ml@example.com" in advisory["waivers-in-force"]
    assert list(project.live().values()) == ["a"]


def test_without_its_waiver_or_with_an_expired_one_it_is_stopped(project: Project, tmp_path: Path) -> None:
    project.write({"a": A10})

    with pytest.raises(PolicyRefused) as refused:
        run(project, "up", copy_policy_pack(tmp_path / "bare"), previews=True)
    assert set(said(refused.value.violations, "mandatory")) == {"always-on-protected"}

    old = WAIVER.format(rule="always-on-protected", resource="a", expires="2020-01-01")
    with pytest.raises(PolicyRefused) as refused:
        run(project, "up", copy_policy_pack(tmp_path / "old", waivers=old), previews=True)
    mandatory = said(refused.value.violations, "mandatory")
    assert "expired on 2020-01-01" in mandatory["waiver-expired"]
    assert "the waiver by ml@example.com expired on 2020-01-01" in mandatory["always-on-protected"]
    assert project.launches() == 0


@pytest.mark.parametrize("kind", ["waiver", "configuration"])
def test_a_rule_that_does_not_exist_starts_nothing(project: Project, tmp_path: Path, kind: str) -> None:
    project.write({"a": PROTECTED})
    waivers = WAIVER.format(rule="no-such-rule", resource="a", expires="9999-12-31")
    pack = copy_policy_pack(tmp_path / "pack", **({"waivers": waivers} if kind == "waiver" else {}))
    config = (
        write_json(tmp_path / "c.json", {"no-such-rule": "advisory"}) if kind == "configuration" else None
    )

    with pytest.raises(UpdateFailed) as failed:
        run(project, "up", pack, config)

    assert failed.value.log_file is not None
    assert "there is no rule 'no-such-rule'" in failed.value.log_file.read_text(encoding="utf-8")
    assert project.launches() == 0


@contextmanager
def secrets_of(stack: str, project: Project) -> Iterator[None]:
    """The ESC emulator for `local`; production's first phase reads no secret."""
    if stack != "local":
        yield
        return
    kube = load_stack_config(CHECKOUT / "Pulumi.local.yaml").kubernetes
    assert kube is not None
    assert kube.secrets is not None
    shutil.copytree(CHECKOUT / "infrastructure", project.root / "infrastructure")
    try:
        project.variables |= ensure_esc_emulator(project.home, kube.secrets).variables(kube.secrets)
        yield
    finally:
        stop_esc_emulator(project.home)


def test_stacks_local_and_production_break_no_mandatory_rule(project: Project, tmp_path: Path) -> None:
    """Our own stack files, our own settings: `local` with every Kubernetes object of its phase 2.

    Production's five machines are there before, to be adopted.
    """
    pack = copy_policy_pack(tmp_path / "pack")
    shipped = CHECKOUT / "policies" / "config"
    for stack in ("local", "production"):
        written = load_stack_config(CHECKOUT / f"Pulumi.{stack}.yaml").model_dump(
            mode="json", exclude_none=True, exclude_defaults=True
        )
        fleet: dict[str, Any] = written.pop("fleet")
        for key in ("endpoint", "emulator"):
            written.pop(key, None)
        project.write(fleet, **written)
        if stack == "production":
            for name, row in fleet.items():
                project.launch_by_hand(name, row["type"], row["region"])
        (pack / "config").mkdir(exist_ok=True)
        shutil.copy(shipped / f"{stack}.json", pack / "config" / "local.json")

        with secrets_of(stack, project):
            result = run(project, "preview", pack)

        assert said(result.violations, "mandatory") == {}
        assert result.changes["create"] > (200 if stack == "local" else 5)
        assert "firewall-not-applied" in said(result.violations, "advisory")
