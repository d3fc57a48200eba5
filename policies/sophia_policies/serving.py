"""The pack's server: pulumi-policy's own, with three things that it lacks in 1.21.0.

1. It does not pass the stack's configuration on (`ConfigureStack` keeps only the tags, and a pack started
   through a language host has no PULUMI_CONFIG), so a rule could not know the stack's budget.
2. A policy has one level for all it says, so a waived violation, or a value that is not known yet, could
   only be silent or stop the update.
3. It decodes each resource anew for every policy: 40 policies and 150 resources cost seconds.

So `Analyze` and `AnalyzeStack` are ours; description, configuration and start stay pulumi-policy's. The two
private names that this needs are pinned with the version and checked by a test.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import json_format
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel, Severity
from pulumi_policy import policy as pulumi_policy_server
from pulumi_policy.deserialize import deserialize_properties

from sophia_policies.adapter import as_policies
from sophia_policies.configuration import LEVEL, check_configuration, load_stack_settings
from sophia_policies.errors import PackError
from sophia_policies.evaluation import Verdict, judge_resource, judge_stack
from sophia_policies.plain import Resource, plain
from sophia_policies.registry import NOT_WAIVABLE, RULES, RULES_BY_NAME
from sophia_policies.rule import ResourceRule, Rule, Situation, StackRule
from sophia_policies.stack_facts import read_stack_config
from sophia_policies.waivers import load_waivers

if TYPE_CHECKING:
    from sophia_infra.model.stack_config import StackConfig

__all__ = ["Servicer", "serving"]

_Base: Any = pulumi_policy_server._PolicyAnalyzerServicer


@contextmanager
def serving() -> Iterator[None]:
    """Within, a PolicyPack is served by `Servicer`."""
    pulumi_policy_server._PolicyAnalyzerServicer = Servicer  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        pulumi_policy_server._PolicyAnalyzerServicer = _Base  # type: ignore[misc]


class Servicer(_Base):  # type: ignore[misc]
    """Answers the engine for the rules of `registry`. Calls come from several threads."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._policies = {policy.name: policy for policy in as_policies(RULES)}
        self._situation = Situation(today=datetime.now(UTC).date())
        self._stack_settings: Mapping[str, Mapping[str, Any]] = {}
        self._seen: dict[str, Resource] = {}
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1)
        self._stack_config: Future[StackConfig | None] | None = None

    def ConfigureStack(self, request: Any, context: Any) -> Any:
        """Read what belongs to the stack: its configuration, its settings, its waivers.

        Keys that are secret are dropped here, so that no rule ever sees one.
        """
        secret = set(request.config_secret_keys)
        config = {key: value for key, value in request.config.items() if key not in secret}
        try:
            waivers = load_waivers(RULES_BY_NAME.keys() - NOT_WAIVABLE)
            self._stack_settings = load_stack_settings(request.stack)
            self._situation = replace(
                self._situation,
                stack=request.stack,
                waivers=tuple(waiver for waiver in waivers if waiver.concerns(request.stack)),
            )
        except PackError as error:
            _refuse(context, error)
        # While the engine starts the program: reading it loads pydantic, a fifth of a second.
        self._stack_config = self._reader.submit(
            read_stack_config, config, request.stack, _project_directory()
        )
        return super().ConfigureStack(request, context)

    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:
        """Name the stack's own settings as the pack's initial ones: the engine checks and merges them."""
        info = super().GetAnalyzerInfo(request, context)
        for rule, values in self._stack_settings.items():
            entry = info.initialConfig[rule]
            level = values.get(LEVEL) or _level_of(rule)
            entry.enforcementLevel = self._map_enforcement_level(EnforcementLevel(level))
            entry.properties.update({key: value for key, value in values.items() if key != LEVEL})
        return info

    def Configure(self, request: Any, context: Any) -> Any:
        """Take the merged configuration. Refuses what the engine would take and ignore."""
        given = {
            rule: json_format.MessageToDict(values.properties)
            for rule, values in request.policyConfig.items()
        }
        try:
            check_configuration(given, "policy pack configuration")
        except PackError as error:
            _refuse(context, error)
        return super().Configure(request, context)

    def Analyze(self, request: Any, _context: Any) -> Any:
        """Check one resource, before anything is done to it."""
        resource = self._resource(request)
        with self._lock:
            self._seen[resource.urn] = resource
            seen = tuple(self._seen.values())
        response = proto.AnalyzeResponse()
        for rule in RULES:
            if isinstance(rule, ResourceRule) and rule.applies(resource):
                situation = replace(self._situation_for(rule), seen=seen)
                self._answer(response, rule, judge_resource(rule, resource, situation))
        return response

    def AnalyzeStack(self, request: Any, _context: Any) -> Any:
        """Check all resources, at the end of a preview and of an update."""
        resources = [self._resource(item) for item in request.resources]
        response = proto.AnalyzeResponse()
        for rule in RULES:
            if isinstance(rule, StackRule):
                situation = replace(self._situation_for(rule), seen=resources)
                self._answer(response, rule, judge_stack(rule, resources, situation))
        return response

    def Remediate(self, _request: Any, _context: Any) -> Any:
        """No rule changes a resource. Asked once for each, so it decodes nothing."""
        return proto.RemediateResponse()

    def _resource(self, request: Any) -> Resource:
        props = plain(deserialize_properties(json_format.MessageToDict(request.properties)))
        return Resource(request.type, request.name, props, request.urn, request.options.protect)

    def _situation_for(self, rule: Rule) -> Situation:
        return replace(
            self._situation,
            settings=plain(self._get_policy_config(rule.name) or {}),
            stack_config=self._stack_config.result() if self._stack_config else None,
        )

    def _answer(self, response: Any, rule: Rule, verdicts: Iterable[Verdict]) -> None:
        policy = self._policies[rule.name]
        configured = self._get_enforcement_level(policy)
        if configured == EnforcementLevel.DISABLED:
            return
        for verdict in verdicts:
            is_advisory = verdict.level == "advisory" or configured == EnforcementLevel.ADVISORY
            level = EnforcementLevel.ADVISORY if is_advisory else EnforcementLevel.MANDATORY
            severity = Severity.LOW if is_advisory else Severity.HIGH
            report = self._create_report_violation(response, rule.name, rule.summary, level, severity)
            report(verdict.text, verdict.urn or None)


def _project_directory() -> Path:
    """Where the stack file is: the engine runs the pack in the pack's own folder."""
    chosen = os.environ.get("SOPHIA_PROJECT")
    return Path(chosen).expanduser() if chosen else Path(__file__).resolve().parents[2]


def _level_of(rule: str) -> str:
    return RULES_BY_NAME[rule].level if rule in RULES_BY_NAME else "advisory"


def _refuse(context: Any, error: PackError) -> NoReturn:
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{error}\n{error.next_step}")
    raise error
