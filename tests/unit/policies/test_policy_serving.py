"""The pack's server, asked as the engine asks: by protocol messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pulumi_policy
import pytest
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel
from pulumi_policy import policy as pulumi_policy_server
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE
from sophia_policies import configuration, serving, waivers
from sophia_policies.adapter import as_policies
from sophia_policies.registry import RULES
from sophia_policies.serving import Servicer

INSTANCE = "pulumi-python:dynamic/lambda:Instance"
STACK_CONFIG = {
    "sophia:endpoint": "emulator",
    "sophia:budget": '{"limit": "$1/day"}',
    "sophia:ssh": '{"existing": "a-key"}',
    "sophia:fleet": '{"a": {"type": "1xA10", "region": "us-west-1", "purpose": "x"}}',
}


class Aborted(Exception):
    """What `context.abort` raises."""


class Context:
    """The part of gRPC's context that the server uses."""

    def abort(self, code: Any, text: str) -> None:
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        raise Aborted(text)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for waivers.yaml and config/, in place of the checkout's."""
    monkeypatch.setattr(waivers.load_waivers, "__defaults__", (tmp_path / "waivers.yaml",))
    monkeypatch.setattr(configuration.load_stack_settings, "__defaults__", (tmp_path / "config",))
    (tmp_path / "config").mkdir()
    return tmp_path


@pytest.fixture
def server(files: Path) -> Servicer:
    return Servicer("sophia", "0.0.1", as_policies(RULES), EnforcementLevel.ADVISORY)


def configure(
    server: Servicer, config: Mapping[str, str] = STACK_CONFIG, *, secret: tuple[str, ...] = ()
) -> None:
    request = proto.AnalyzerStackConfigureRequest(
        stack="local", project="sophia-infra", config=dict(config), config_secret_keys=secret
    )
    server.ConfigureStack(request, Context())


def analyze(server: Servicer, kind: str, name: str, props: Mapping[str, Any]) -> list[Any]:
    request = proto.AnalyzeRequest(type=kind, urn=f"urn:{name}", name=name)
    request.properties.update(props)
    return list(server.Analyze(request, Context()).diagnostics)


def analyze_stack(server: Servicer, **machines: str) -> list[Any]:
    request = proto.AnalyzeStackRequest()
    for name, kind in machines.items():
        row = request.resources.add(type=INSTANCE, urn=f"urn:{name}", name=name)
        row.properties.update({"instance_type": kind, "region": "us-west-1"})
    return list(server.AnalyzeStack(request, Context()).diagnostics)


def by_rule(diagnostics: list[Any], rule: str) -> list[Any]:
    return [item for item in diagnostics if item.policyName == rule]


def test_the_private_names_are_those_of_the_pinned_version() -> None:
    assert pulumi_policy.__name__ == "pulumi_policy"
    for name in (
        "_get_enforcement_level",
        "_create_report_violation",
        "_get_policy_config",
        "_map_enforcement_level",
    ):
        assert callable(getattr(pulumi_policy_server._PolicyAnalyzerServicer, name))


def test_the_pack_is_served_by_us_only_within() -> None:
    before = pulumi_policy_server._PolicyAnalyzerServicer
    with serving.serving():
        assert pulumi_policy_server._PolicyAnalyzerServicer is Servicer
    assert pulumi_policy_server._PolicyAnalyzerServicer is before


def test_the_stack_s_own_budget_reaches_the_rules(server: Servicer) -> None:
    configure(server)

    (violation,) = by_rule(analyze_stack(server, a="gpu_1x_a10"), "monthly-budget")

    assert violation.enforcementLevel == proto.MANDATORY
    assert "over the budget of $1/day" in violation.message
    assert "See docs/policies.md#monthly-budget" in violation.message


def test_the_stack_file_is_refused_at_the_first_resource(server: Servicer) -> None:
    configure(server)

    (violation,) = by_rule(
        analyze(server, "pulumi:pulumi:Stack", "sophia-infra-local", {}), "budget-before-launch"
    )

    assert violation.enforcementLevel == proto.MANDATORY


def test_secret_configuration_is_dropped(server: Servicer) -> None:
    configure(
        server,
        {**STACK_CONFIG, "sophia:lambda_api_key": "k"},
        secret=("sophia:lambda_api_key", "sophia:fleet"),
    )

    assert analyze(server, "pulumi:pulumi:Stack", "s", {}) == []


def test_a_stack_that_is_not_ours_and_one_with_mistakes_have_no_budget(server: Servicer) -> None:
    for config in ({}, {"sophia:fleet": "[]"}):
        configure(server, config)
        assert by_rule(analyze_stack(server, a="gpu_1x_a10"), "monthly-budget") == []


def test_an_unknown_value_is_an_advisory_of_the_same_rule(server: Servicer) -> None:
    props = {"instance_type": UNKNOWN_STRING_VALUE, "region": "us-west-1"}

    (said,) = by_rule(analyze(server, INSTANCE, "a", props), "max-machine-price")

    assert said.enforcementLevel == proto.ADVISORY
    assert "cannot tell yet: the instance type" in said.message


def test_configured_levels_and_settings_hold(server: Servicer) -> None:
    request = proto.ConfigureAnalyzerRequest()
    request.policyConfig["max-machine-price"].enforcementLevel = proto.ADVISORY
    request.policyConfig["max-machine-price"].properties.update({"limit": "$1/h"})
    request.policyConfig["ownership-tags"].enforcementLevel = proto.DISABLED
    server.Configure(request, Context())

    said = analyze(server, INSTANCE, "a", {"instance_type": "gpu_1x_a10", "region": "us-west-1"})

    (price,) = by_rule(said, "max-machine-price")
    assert price.enforcementLevel == proto.ADVISORY
    assert "more than $1/h" in price.message
    assert by_rule(said, "ownership-tags") == []


@pytest.mark.parametrize(
    ("rule", "setting", "words"),
    [
        ("max-machine-prize", "limit", "there is no rule"),
        ("max-machine-price", "limt", "did you mean limit?"),
    ],
)
def test_configuration_of_what_does_not_exist_is_refused(
    server: Servicer, rule: str, setting: str, words: str
) -> None:
    request = proto.ConfigureAnalyzerRequest()
    request.policyConfig[rule].enforcementLevel = proto.ADVISORY
    request.policyConfig[rule].properties.update({setting: "$1/h"})

    with pytest.raises(Aborted, match=words.replace("?", r"\?")):
        server.Configure(request, Context())


def test_the_stack_s_file_of_settings_is_the_pack_s_initial_configuration(
    server: Servicer, files: Path
) -> None:
    (files / "config" / "local.json").write_text(
        '{"probes": "mandatory", "max-machine-price": {"limit": "$3/h"}}', encoding="utf-8"
    )
    configure(server)

    initial = server.GetAnalyzerInfo(None, Context()).initialConfig

    assert initial["probes"].enforcementLevel == proto.MANDATORY
    assert initial["max-machine-price"].enforcementLevel == proto.MANDATORY
    assert dict(initial["max-machine-price"].properties) == {"limit": "$3/h"}


def test_a_valid_waiver_lowers_the_level_and_is_listed(server: Servicer, files: Path) -> None:
    (files / "waivers.yaml").write_text(
        "waivers:\n"
        "  - {rule: monthly-budget, resource: local, owner: ml, reason: demo, expires: 9999-12-31}\n",
        encoding="utf-8",
    )
    configure(server)

    said = analyze_stack(server, a="gpu_1x_a10")

    (waived,) = by_rule(said, "monthly-budget")
    assert waived.enforcementLevel == proto.ADVISORY
    assert "waived until 9999-12-31 by ml (demo)" in waived.message
    (listed,) = by_rule(said, "waivers-in-force")
    assert "monthly-budget for local, by ml until 9999-12-31: demo" in listed.message


def test_an_expired_waiver_stops_at_the_first_resource(server: Servicer, files: Path) -> None:
    (files / "waivers.yaml").write_text(
        "waivers:\n  - {rule: probes, resource: x, owner: ml, reason: demo, expires: 2020-01-01}\n",
        encoding="utf-8",
    )
    configure(server, {})

    (said,) = analyze(server, "pulumi:pulumi:Stack", "s", {})

    assert (said.policyName, said.enforcementLevel) == ("waiver-expired", proto.MANDATORY)


def test_waivers_that_cannot_be_read_start_nothing(server: Servicer, files: Path) -> None:
    (files / "waivers.yaml").write_text("waivers:\n  - {rule: no-such-rule}\n", encoding="utf-8")

    with pytest.raises(Aborted, match="there is no rule 'no-such-rule'"):
        configure(server)


def test_a_resource_of_another_kind_costs_nothing_and_says_nothing(server: Servicer) -> None:
    assert analyze(server, "pulumi:providers:kubernetes", "k", {"kubeconfig": "x"}) == []
