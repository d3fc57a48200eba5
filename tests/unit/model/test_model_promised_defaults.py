"""Every default that the documentation promises, in one place, and a description for every field."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from pydantic.fields import FieldInfo

from sophia_infra.model.catalogue import REGIONS_WITHOUT_FIREWALL
from sophia_infra.model.forms import ClosedModel
from sophia_infra.model.inference import InferenceConfig
from sophia_infra.model.money import HOURS_PER_DAY, HOURS_PER_MONTH
from sophia_infra.model.stack_config import parse_stack_config
from sophia_infra.model.user_data import MAX_USER_DATA_BYTES
from tests.unit.model.model_stacks import right_stack, with_changes


def every_field() -> Iterator[tuple[str, FieldInfo]]:
    for model in ClosedModel.__subclasses__():
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", field


def test_promised_defaults_of_a_stack() -> None:
    stack = parse_stack_config(right_stack(), "x")
    assert stack.phase == 1
    assert stack.emulator is None
    assert stack.emulator_speed == 60.0
    assert stack.budget.alert_percent == 80
    assert not stack.budget.includes_training
    assert all(filesystem.protect for filesystem in stack.filesystems.values())
    assert stack.firewalls["web"].rules[0].description == ""
    assert InferenceConfig(base_url="http://127.0.0.1/v1").api_key_env is None


def test_promised_defaults_of_an_instance() -> None:
    core = parse_stack_config(right_stack(), "x").fleet["core"]
    assert core.always_on
    assert core.phase == 1
    assert core.generation == 1
    unset = (core.name, core.image_family, core.image_id, core.hostname, core.user_data, core.adopt)
    assert unset == (None,) * 6
    assert [len(names) for names in (core.filesystems, core.firewalls, core.fallbacks)] == [0, 0, 0]
    assert core.tags == {}
    assert core.wait_for_capacity is None
    assert core.replace_order == "launch_first"
    assert not core.is_protected
    assert core.ready_timeout_s == 30 * 60


def test_an_adopted_instance_is_protected_unless_said_otherwise() -> None:
    assert parse_stack_config(right_stack(), "x").fleet["taken"].is_protected
    open_ = parse_stack_config(with_changes((("sophia:fleet", "taken", "protect"), False)), "x")
    assert not open_.fleet["taken"].is_protected


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({"type": "8xH100"}, 40),
        ({"type": "1xH100_SXM5", "fallbacks": [{"type": "8xH100"}]}, 40),
        ({"type": "4xH100"}, 30),
        ({"type": "8xH100", "ready_timeout_minutes": 12}, 12),
    ],
)
def test_eight_gpus_get_40_minutes_to_boot(changes: dict[str, object], minutes: int) -> None:
    core = {"region": "us-east-3", "purpose": "test", **changes}
    stack = parse_stack_config(with_changes((("sophia:fleet", "core"), core)), "x")
    assert stack.fleet["core"].ready_timeout_s == minutes * 60


def test_constants_that_others_rely_on() -> None:
    assert (HOURS_PER_DAY, HOURS_PER_MONTH) == (24, 720)
    assert MAX_USER_DATA_BYTES == 1_000_000
    assert {"us-south-1"} == REGIONS_WITHOUT_FIREWALL
    assert Decimal("0.1") + Decimal("0.2") == Decimal("0.3")


def test_every_field_says_what_it_is_and_what_its_default_means() -> None:
    fields = dict(every_field())
    assert len(fields) > 40
    silent = [name for name, field in fields.items() if len(field.description or "") < 20]
    assert silent == []
    optional = {name: field for name, field in fields.items() if not field.is_required()}
    assert [name for name, field in optional.items() if "efault" not in (field.description or "")] == []


def test_every_model_refuses_unknown_keys_and_is_frozen() -> None:
    for model in ClosedModel.__subclasses__():
        assert model.model_config["extra"] == "forbid", model
        assert model.model_config["frozen"], model
