"""What may go from one stage to the next, and what the next stage's file looks like then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from sophia_infra.rollout.digest_text import with_digests
from sophia_infra.rollout.errors import NotPromotable, RolloutRefused
from sophia_infra.rollout.promotion import Gate, check_stages, plan_promotion, read_gate

CHECKOUT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GREEN = Gate("staging", 1, True, (), NOW - timedelta(hours=1))
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def stack(name: str, **images: str) -> StackConfig:
    """A tracked stack with these digests, and one for each image that it runs where none is named."""
    values: dict[str, Any] = yaml.safe_load((CHECKOUT / f"Pulumi.{name}.yaml").read_text("utf-8"))["config"]
    values["sophia:kubernetes"].setdefault("images", {})["digests"] = images
    return parse_stack_config(values, f"Pulumi.{name}.yaml", directory=CHECKOUT)


def all_digests(config: StackConfig) -> dict[str, str]:
    kube = config.kubernetes
    assert kube is not None
    images = [str(row.image) for row in kube.enabled_workloads().values()]
    return dict.fromkeys([*images, *(str(row.image) for row in kube.enabled_databases().values())], DIGEST)


STAGING = stack("staging", **all_digests(stack("staging")))
CANARY = stack("canary", **{"sophia/backend:1.0.0": OTHER})


def test_proved_digests_go_over_and_new_ones_are_named() -> None:
    found = plan_promotion("staging", STAGING, CANARY, GREEN, NOW)
    assert found.digests == found.changed == all_digests(STAGING)
    same = plan_promotion("staging", STAGING, STAGING, GREEN, NOW)
    assert same.changed == {}
    assert same.workloads_hash == found.workloads_hash


def test_rows_that_the_source_does_not_run_stay_and_are_named() -> None:
    production = stack("production")
    found = plan_promotion("staging", STAGING, production, GREEN, NOW)
    assert "lambda-inference" in found.unproved
    assert "sophia-backend" not in found.unproved


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (Gate("staging", 1, False, ("2.2c",), GREEN.taken_at), "red: 2.2c"),
        (Gate("development", 1, True, (), GREEN.taken_at), "is of development"),
        (Gate("staging", 2, True, (), GREEN.taken_at), "is of phase 2"),
        (Gate("staging", 1, True, (), NOW - timedelta(hours=25)), "25.0 h old"),
        (Gate("staging", 1, True, (), NOW + timedelta(hours=1)), "-1.0 h old"),
    ],
)
def test_a_gate_that_is_not_green_fresh_and_its_own_lets_nothing_through(gate: Gate, said: str) -> None:
    with pytest.raises(NotPromotable, match=said):
        plan_promotion("staging", STAGING, CANARY, gate, NOW)


def test_images_without_digests_and_other_images_are_refused() -> None:
    with pytest.raises(NotPromotable, match=r"without a known digest: .*sophia/backend:1.0.0"):
        plan_promotion("staging", stack("staging"), CANARY, GREEN, NOW)
    kube = CANARY.kubernetes
    assert kube is not None
    row = kube.workloads["mcp-gong"].model_copy(update={"image": "sophia/mcp-gong:2.0.0"})
    other = kube.model_copy(update={"workloads": {**kube.workloads, "mcp-gong": row}})
    with pytest.raises(NotPromotable, match=r"mcp-gong \(sophia/mcp-gong:1.0.0 and sophia/mcp-gong:2.0.0\)"):
        plan_promotion("staging", STAGING, CANARY.model_copy(update={"kubernetes": other}), GREEN, NOW)


@pytest.mark.parametrize(
    ("source", "target"),
    [("staging", "production"), ("canary", "staging"), ("local", "staging"), ("production", "production")],
)
def test_no_stage_is_left_out(source: str, target: str) -> None:
    with pytest.raises(RolloutRefused):
        check_stages(source, target)


def test_a_gate_file_is_read_or_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    document = {
        "stack": "staging",
        "gate": 2,
        "green": True,
        "failed": [],
        "taken_at": "2026-11-28T11:00:00Z",
    }
    file.write_text(json.dumps(document), encoding="utf-8")
    assert read_gate(file) == Gate("staging", 2, True, (), GREEN.taken_at)
    for wrong in ("", "[]", json.dumps({**document, "gate": None}), json.dumps({**document, "taken_at": 5})):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(NotPromotable, match="no result of a phase's gate"):
            read_gate(file)
    with pytest.raises(NotPromotable, match="There is no gate result"):
        read_gate(tmp_path / "missing.json")


HEAD = "config:\n  sophia:kubernetes:\n    cluster: existing  # by hand\n"
FORMS = {
    "no images": HEAD + "    training: {}\n",
    "one line": HEAD + "    images: {require_digest: true}  # from phase 2 on\n    training: {}\n",
    "one line with digests": HEAD + f'    images: {{digests: {{"x/y:1": {OTHER}}}}}\n    training: {{}}\n',
    "lines": HEAD + "    images:\n      require_digest: true\n    training: {}  # kueue\n",
    "digests": HEAD
    + f'    images:\n      digests:\n        "x/y:1": {OTHER}  # by hand\n        "sophia/a:1": {OTHER}\n'
    + "      require_digest: true\n# the end\n",
    "last line": HEAD + "    images: {require_digest: true}",
}


@pytest.mark.parametrize("form", FORMS)
def test_digests_are_written_into_every_form_and_all_else_stays(form: str) -> None:
    text = FORMS[form]
    wanted = {"sophia/a:1": DIGEST, "sophia/b:2": DIGEST}
    changed = with_digests(text, wanted)
    before, after = yaml.safe_load(text)["config"], yaml.safe_load(changed)["config"]
    digests = after["sophia:kubernetes"]["images"].pop("digests")
    held = (before["sophia:kubernetes"].get("images") or {}).pop("digests", {})
    assert digests == {**held, **wanted}
    if "images" not in before["sophia:kubernetes"]:
        assert after["sophia:kubernetes"].pop("images") == {}
    assert after == before
    for remark in ("# by hand", "# from phase 2 on", "# kueue", "# the end"):
        assert (remark in text) == (remark in changed), remark
    assert with_digests(changed, wanted) == changed


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}/[a-z]{1,5}:[0-9]{1,3}", fullmatch=True), st.just(DIGEST)))
def test_tracked_files_take_any_digests(digests: dict[str, str]) -> None:
    for name in ("production", "staging"):
        text = (CHECKOUT / f"Pulumi.{name}.yaml").read_text("utf-8")
        wanted = {**digests, "sophia/a:1": DIGEST}
        assert with_digests(with_digests(text, wanted), wanted).count(DIGEST) == len(wanted)


def test_a_section_on_one_line_is_left_alone() -> None:
    with pytest.raises(RolloutRefused, match="lines of their own"):
        with_digests("config:\n  sophia:kubernetes: {cluster: existing}\n", {"a/b:1": DIGEST})
