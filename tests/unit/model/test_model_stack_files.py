"""The two stack files of the repository, files as users write them, and what the engine makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from sophia_infra.model.budget import Budget
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.schema import build_schema
from sophia_infra.model.stack_config import ConfigError, StackConfig, load_stack_config, parse_stack_config
from tests.unit.model.model_stacks import right_stack, with_changes

ROOT = Path(__file__).parents[3]
PLACES = {
    "sophia-ai-core": ("gpu_1x_gh200", "us-east-3", True),
    "sophia-mcp-orchestrator": ("gpu_1x_a6000", "us-south-1", True),
    "sophia-data-pipeline": ("gpu_1x_a100", "us-south-1", False),
    "sophia-production": ("gpu_1x_rtx6000", "us-south-1", True),
    "sophia-development": ("gpu_1x_a10", "us-west-1", False),
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def as_file(stack: dict[str, Any]) -> str:
    return yaml.safe_dump({"config": stack}, sort_keys=False)


def problems_of(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_stack_config(written(tmp_path, text))
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", ["local", "production"])
def test_the_five_instances_of_the_plan_are_where_it_puts_them(name: str) -> None:
    stack = load_stack_config(ROOT / f"Pulumi.{name}.yaml")
    assert {key: (i.type, i.region, i.always_on) for key, i in stack.fleet.items()} == PLACES
    assert stack.instances() == stack.fleet


@pytest.mark.parametrize("name", ["local", "production"])
def test_the_stack_files_fit_the_schema_that_editors_get(name: str) -> None:
    text = (ROOT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8")
    jsonschema_rs.validator_for(build_schema()).validate(yaml.safe_load(text))


def test_local_runs_on_the_emulator_within_its_budget_and_its_one_warning_is_known() -> None:
    stack = load_stack_config(ROOT / "Pulumi.local.yaml")
    assert (stack.endpoint, stack.phase, stack.emulator_speed) == ("emulator", 2, 60.0)
    assert stack.over_budget(PriceBook.fallback()) is None
    assert stack.warnings == (
        "sophia:kubernetes: port 6443 of sophia-production, the server of sophia, is open to the network: "
        "Lambda applies no firewall rules in us-south-1; only its certificates protect it",
    )
    assert stack.fleet["sophia-ai-core"].filesystems == ("sophia-models",)
    assert {fs.region for fs in stack.filesystems.values()} == {"us-east-3", "us-south-1"}


def test_production_adopts_its_five_by_name_protected_within_its_budget_and_over_the_plans() -> None:
    stack = load_stack_config(ROOT / "Pulumi.production.yaml")
    assert stack.endpoint == "lambda"
    for name, instance in stack.fleet.items():
        assert instance.adopt is not None
        assert instance.adopt.name == name
        assert instance.is_protected
    assert stack.over_budget(PriceBook.fallback()) is None
    plans = stack.model_copy(update={"budget": Budget(limit="$3,600/month")})
    use = plans.over_budget(PriceBook.fallback())
    assert str(use) == ("$7.35/h, $176.40/day, $5,292.00/month: 147.0 % of the budget of $3,600/month")


def test_what_the_engine_hands_over_means_the_same_as_the_file() -> None:
    path = ROOT / "Pulumi.local.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    handed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    assert handed["sophia:phase"] == "2"
    assert parse_stack_config(handed, path.name, directory=ROOT) == load_stack_config(path)


def test_numbers_and_truth_values_may_come_as_text() -> None:
    changes = (
        (("sophia:phase",), "2"),
        (("sophia:emulator",), {"speed": "0.5"}),
        (("sophia:fleet", "core", "always_on"), "false"),
        (("sophia:budget", "alert_percent"), "90"),
    )
    stack = parse_stack_config(with_changes(*changes), "x")
    assert (stack.phase, stack.emulator_speed, stack.budget.alert_percent) == (2, 0.5, 90)
    assert not stack.fleet["core"].always_on


def test_other_namespaces_are_ignored(tmp_path: Path) -> None:
    stack = right_stack() | {"pulumi:disable-default-providers": ["*"], "aws:region": "x", "anything:else": 1}
    assert parse_stack_config(stack, "x") == parse_stack_config(right_stack(), "x")


def test_a_dump_reads_back_equal() -> None:
    stack = parse_stack_config(right_stack(), "x")
    assert StackConfig.model_validate(stack.model_dump()) == stack
    assert StackConfig.model_validate_json(stack.model_dump_json()) == stack


def test_a_stack_cannot_be_changed_after_reading() -> None:
    stack = parse_stack_config(right_stack(), "x")
    with pytest.raises(ValueError, match="frozen"):
        stack.phase = 2  # type: ignore[misc]


def test_everything_wrong_is_said_at_once_with_lines_in_order(tmp_path: Path) -> None:
    text = as_file(right_stack()).replace("$200/day", "$200").replace("1xGH200", "1xGH20")
    text = text.replace("us-west-1", "us-wst-1")
    shown = [line.split(";")[0] for line in problems_of(tmp_path, text)]
    lines = text.splitlines()
    at = [next(n for n, line in enumerate(lines, 1) if bad in line) for bad in ("$200", "1xGH20", "us-wst-1")]
    assert shown == [
        f'Pulumi.test.yaml:{at[0]} sophia:budget.limit: "$200" is not a rate in dollars per time',
        f'Pulumi.test.yaml:{at[1]} sophia:fleet.core.type: "1xGH20" is not an instance type, '
        "did you mean 1xGH200?",
        f'Pulumi.test.yaml:{at[2]} sophia:fleet.taken.region: "us-wst-1" is not a region, '
        "did you mean us-west-1?",
    ]


def test_references_of_readable_instances_are_checked_though_others_cannot_be_read(tmp_path: Path) -> None:
    stack = with_changes(
        (("sophia:fleet", "core", "filesystems"), ["model"]), (("sophia:fleet", "taken", "type"), "A10")
    )
    shown = [line.partition(" ")[2].split(":")[1] for line in problems_of(tmp_path, as_file(stack))]
    assert shown == ["fleet.core.filesystems[0]", "fleet.taken.type"]


def test_a_reference_to_what_cannot_be_read_is_not_reported_as_well(tmp_path: Path) -> None:
    use = (("sophia:fleet", "core", "filesystems"), ["models"])
    one = with_changes(use, (("sophia:filesystems", "models", "region"), "nowhere"))
    assert len(problems_of(tmp_path, as_file(one))) == 1
    whole = with_changes(use, (("sophia:filesystems",), {"secure": "v1:c2VjcmV0c2Vj:c2VjcmV0"}))
    assert len(problems_of(tmp_path, as_file(whole))) == 1


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    text = as_file(right_stack())
    last = len(text.splitlines())
    assert problems_of(tmp_path, text + "  sophia:phase: 2\n  sophia:phase: 3\n") == [
        f"Pulumi.test.yaml:{last + 2} sophia:phase: is given twice, first in line {last + 1}"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Pulumi.test.yaml: has no key config"),
        ("config:\n", "Pulumi.test.yaml: has no mapping under config"),
        ("confg: {}\n", "Pulumi.test.yaml:1 confg: is not a key of a stack file, did you mean config?"),
        ("config: [\n", "Pulumi.test.yaml:2: is not YAML"),
        ("config:\n\t- a\n", "Pulumi.test.yaml:2: is not YAML"),
        ("config: {}\n---\nconfig: {}\n", "Pulumi.test.yaml:2: is not YAML"),
        ("config: {a: \x07}\n", "Pulumi.test.yaml: is not YAML: a character that is not allowed"),
        ("config: &a {b: *a}\n", "Pulumi.test.yaml:1 config.b: refers to itself"),
        ("config: {1: x}\n", "Pulumi.test.yaml:1 config: has a key that is not text; put it in quotes"),
        ("config: {sophia:phase: !!binary aGk=}\n", "Pulumi.test.yaml:1 sophia:phase: has a tag that"),
        ("a: " + "[" * 1000 + "]" * 1000, "Pulumi.test.yaml: is nested too deeply"),
    ],
)
def test_a_text_that_is_no_stack_file_is_told_so(tmp_path: Path, text: str, message: str) -> None:
    assert any(line.startswith(message) for line in problems_of(tmp_path, text)), problems_of(tmp_path, text)


def test_a_file_that_cannot_be_read_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Pulumi.none.yaml: cannot be read: No such file or directory$"):
        load_stack_config(tmp_path / "Pulumi.none.yaml")
    path = written(tmp_path, "")
    path.write_bytes(b"config: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_stack_config(path)


def test_words_that_yaml_versions_read_differently_stay_text(tmp_path: Path) -> None:
    stack = as_file(right_stack()).replace("purpose: test", "purpose: yes", 1)
    stack = stack.replace("ports: '22'", "ports: 22")
    assert load_stack_config(written(tmp_path, stack)).fleet["core"].purpose == "yes"
    other = as_file(right_stack()).replace("purpose: test", "purpose: 2026-08-20", 1)
    assert load_stack_config(written(tmp_path, other)).fleet["core"].purpose == "2026-08-20"


def test_user_data_is_read_from_a_file_beside_the_stack_file(tmp_path: Path) -> None:
    stack = with_changes((("sophia:fleet", "core", "user_data_file"), "boot.yaml"))
    (tmp_path / "boot.yaml").write_text("#cloud-config\npackages: [htop]\n", encoding="utf-8")
    for read in (
        load_stack_config(written(tmp_path, as_file(stack))),
        parse_stack_config(stack, "Pulumi.test.yaml", directory=tmp_path),
    ):
        assert read.fleet["core"].user_data == "#cloud-config\npackages: [htop]\n"
        assert read.fleet["core"].user_data_file is None


def test_a_user_data_file_is_held_to_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "boot.yaml").write_text("apt install htop", encoding="utf-8")
    stack = with_changes((("sophia:fleet", "core", "user_data_file"), "boot.yaml"))
    with pytest.raises(
        ConfigError, match=r'"boot.yaml" names a file whose text is nothing that cloud-init reads'
    ):
        parse_stack_config(stack, "x", directory=tmp_path)


def test_the_schema_is_the_same_on_every_call_and_knows_every_type() -> None:
    once, again = (json.dumps(build_schema(), sort_keys=True) for _ in range(2))
    assert once == again
    assert all(f'"{name}"' in once for name in CATALOGUE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sophia:fleet", "core", "type"), "GH200"),
        (("sophia:fleet", "core", "region"), "us-east-9"),
        (("sophia:fleet", "core", "colour"), "red"),
        (("sophia:fleet", "core", "always_on"), "yes"),
        (("sophia:budget", "limit"), "200"),
        (("sophia:firewalls", "web", "rules", 0, "ports"), "ssh"),
        (("sophia:lambda_api_key",), "in plain text"),
        (("sophia:flet",), {}),
    ],
)
def test_editors_show_what_the_parser_refuses(path: tuple[Any, ...], value: object) -> None:
    schema = jsonschema_rs.validator_for(build_schema())
    assert schema.is_valid({"config": right_stack()})
    assert not schema.is_valid({"config": with_changes((path, value))})


def test_a_row_may_hold_single_fields_only_beside_a_table_that_has_the_rest() -> None:
    schema = jsonschema_rs.validator_for(build_schema())
    row = {"workloads": {"api": {"replicas": 3}}, "databases": {"books": {"replicas": 1}}}

    def stack(**kubernetes: object) -> dict[str, object]:
        return {"config": {**right_stack(), "sophia:kubernetes": kubernetes}}

    assert schema.is_valid(stack(workloads_file="workloads.yaml", **row))
    assert not schema.is_valid(stack(workloads=row["workloads"]))
    assert not schema.is_valid(stack(databases=row["databases"]))
