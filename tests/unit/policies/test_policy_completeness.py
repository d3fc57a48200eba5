"""Nothing is forgotten: every rule has a level, a reason, a fix, a section in the docs and a schema."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import jsonschema_rs
import pytest
import sophia_policies
from sophia_policies.adapter import as_policies
from sophia_policies.configuration import CONFIG_FOLDER, LEVEL, load_stack_settings
from sophia_policies.registry import RULES, RULES_BY_NAME
from sophia_policies.rule import DOCS, Rule
from sophia_policies.rule_docs import BEGIN, DOCS_FILE, END, build_rules_section
from sophia_policies.waivers import WAIVERS_FILE, load_waivers

DOCUMENT = DOCS_FILE.read_text(encoding="utf-8")
ROOM = Path(sophia_policies.__file__).parent
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@each_rule
def test_a_rule_says_what_why_and_how_to_repair(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.level in ("advisory", "mandatory")
    for sentence in (rule.summary, rule.reason, rule.fix):
        assert sentence.endswith("."), sentence
        assert len(sentence) > 15


@each_rule
def test_the_link_of_a_rule_leads_to_a_heading(rule: Rule) -> None:
    file, _hash, anchor = rule.link.partition("#")

    assert file == DOCS
    assert DOCS_FILE.as_posix().endswith(file)
    assert f"\n### {anchor}\n" in DOCUMENT


@each_rule
def test_the_defaults_satisfy_the_schema(rule: Rule) -> None:
    for name, setting in rule.settings.items():
        assert jsonschema_rs.is_valid(dict(setting.schema), setting.default), name


def test_the_docs_are_those_of_the_rules() -> None:
    """Written by `PYTHONPATH=policies .venv/bin/python -m sophia_policies.rule_docs`."""
    between = DOCUMENT[DOCUMENT.index(BEGIN) : DOCUMENT.index(END) + len(END)]

    assert between == build_rules_section()


def test_every_rule_of_every_module_is_in_the_registry() -> None:
    modules = (importlib.import_module(f"sophia_policies.{file.stem}") for file in ROOM.glob("[a-z]*.py"))
    declared = [
        rule.name
        for module in modules
        if module.__name__ != "sophia_policies.registry"
        for rule in getattr(module, "RULES", ())
        if isinstance(rule, Rule)
    ]

    assert set(declared) >= {rule.name for rule in RULES}
    assert set(declared) == set(RULES_BY_NAME)
    assert len(RULES) == len(RULES_BY_NAME)


def test_each_rule_is_a_policy_with_its_level_fix_and_link() -> None:
    for rule, policy in zip(RULES, as_policies(RULES), strict=True):
        assert policy.enforcement_level is not None
        assert (policy.name, policy.enforcement_level.value) == (rule.name, rule.level)
        assert (policy.remediation_steps, policy.url) == (rule.fix, rule.link)


def test_a_policy_pack_is_built_only_where_the_engine_starts_it() -> None:
    assert [
        file.name for file in ROOM.glob("*.py") if "PolicyPack(" in file.read_text(encoding="utf-8")
    ] == []
    assert "PolicyPack(" in (ROOM.parent / "__main__.py").read_text(encoding="utf-8")


def test_rules_never_ask_the_clock_or_the_environment() -> None:
    allowed = {"serving.py", "adapter.py"}
    asking = re.compile(r"datetime\.now|date\.today|time\.time|os\.environ|getenv")

    assert {
        file.name for file in ROOM.glob("*.py") if asking.search(file.read_text(encoding="utf-8"))
    } <= allowed


@pytest.mark.parametrize("file", sorted(CONFIG_FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_the_settings_of_our_stacks_hold(file: Path) -> None:
    for rule, values in load_stack_settings(file.stem).items():
        for name, value in values.items():
            if name != LEVEL:
                assert jsonschema_rs.is_valid(dict(RULES_BY_NAME[rule].settings[name].schema), value)


def test_the_waivers_of_the_checkout_can_be_read() -> None:
    load_waivers(RULES_BY_NAME.keys(), WAIVERS_FILE)
