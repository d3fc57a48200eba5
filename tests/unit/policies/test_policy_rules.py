"""Each rule, as a plain function over plain resources: pass, fail, unknown values, boundary."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_policies.registry import NOT_WAIVABLE, RULES, RULES_BY_NAME
from sophia_policies.rule import ResourceRule

from tests.unit.policies.policy_cases import Case, find

from . import cases_dollars, cases_gpus, cases_images_and_secrets, cases_machines, cases_network, cases_pods

CASES: tuple[Case, ...] = (
    *cases_dollars.CASES,
    *cases_gpus.CASES,
    *cases_images_and_secrets.CASES,
    *cases_machines.CASES,
    *cases_network.CASES,
    *cases_pods.CASES,
)
STACK_CASES = [case for case in CASES if not isinstance(RULES_BY_NAME[case.rule], ResourceRule)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rule_says_what_it_should(case: Case) -> None:
    findings = find(case)

    said = [(finding.kind, finding.text) for finding in findings]
    assert [kind for kind, _text in said] == [kind for kind, _words in case.expect], said
    for (_kind, text), (_wanted, words) in zip(said, case.expect, strict=True):
        assert words in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_is_tested_from_all_sides(rule: ResourceRule) -> None:
    aspects = {case.aspect for case in CASES if case.rule == rule.name}
    wanted = {"pass", "fail", "boundary"} | (set() if rule.name in NOT_WAIVABLE else {"unknown"})

    assert wanted <= aspects


@pytest.mark.parametrize("case", [case for case in CASES if case.aspect == "unknown"], ids=str)
def test_an_unknown_value_raises_nothing(case: Case) -> None:
    """A rule that reads an unknown value as a truth value raises: the sentinel refuses to have one."""
    find(case)


def test_no_text_repeats_a_secret() -> None:
    texts = [finding.text for case in cases_images_and_secrets.SECRETS for finding in find(case)]

    assert texts
    for value in cases_images_and_secrets.SECRET_VALUES:
        assert not [text for text in texts if value in text]


@given(order=st.randoms(use_true_random=False), case=st.sampled_from(STACK_CASES))
def test_the_order_of_resources_changes_no_verdict(order: object, case: Case) -> None:
    shuffled = list(case.resources)
    order.shuffle(shuffled)  # type: ignore[attr-defined]

    before, after = find(case), find(replace(case, resources=shuffled))

    assert sorted(finding.kind for finding in before) == sorted(finding.kind for finding in after)
