"""From a stack file, or from what the engine hands over, to `StackConfig`.

`Pulumi.<stack>.yaml` and the environment of a Pulumi program carry the same keys of the namespace `sophia`;
the engine passes mappings as JSON text and scalars as text. Everything wrong is said at once, with lines
where there are any, and before any traffic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sophia_infra.model import yaml_text
from sophia_infra.model.errors import ConfigError, Problem, Refused, did_you_mean
from sophia_infra.model.explain import explain, key_path, make_problem, shown_key
from sophia_infra.model.forms import Conflict
from sophia_infra.model.gateway_rules import switch_off_idle_gateways
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.readable_parts import find_section_conflicts, read_parts
from sophia_infra.model.stack import EmulatorConfig, StackConfig
from sophia_infra.model.stack_rules import find_stack_conflicts
from sophia_infra.model.text_file import read_text_file
from sophia_infra.model.user_data import read_user_data
from sophia_infra.model.workload_table import FILE_KEY, WorkloadTable, read_workload_table

__all__ = [
    "API_KEY",
    "NAMESPACE",
    "ConfigError",
    "EmulatorConfig",
    "StackConfig",
    "load_stack_config",
    "parse_stack_config",
]

NAMESPACE: Final = "sophia:"
API_KEY: Final = "lambda_api_key"
"""`pulumi config set --secret sophia:lambda_api_key`: the one secret. Never part of StackConfig."""

_SCALARS = ("phase", "endpoint")
_FILE_KEYS = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")
_Loc = tuple[str | int, ...]
_Lines = Mapping[_Loc, int]


def load_stack_config(path: Path) -> StackConfig:
    """Read `Pulumi.<stack>.yaml`.

    Raises:
        ConfigError: all that is wrong with the file, in its order, each with its line; also when it cannot
            be read. Values that look like secrets are not repeated.
    """
    try:
        text = read_text_file(path)
    except OSError as error:
        raise ConfigError([_of_file(path, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([_of_file(path, "is not UTF-8 text")]) from None
    document = yaml_text.read_yaml(text)
    lines = {
        (_own_name(at[1]), *at[2:]): line
        for at, line in document.lines.items()
        if at[0] == "config" and at[1:]
    }
    problems = [_of_text(path, finding) for finding in document.findings]
    if document.value is None or not isinstance(document.value, dict):
        raise ConfigError(problems or [_of_file(path, "has no key config")])
    for key in (key for key in document.value if key not in _FILE_KEYS):
        hint = did_you_mean(key, _FILE_KEYS)
        message = f"is not a key of a stack file{hint}"
        problems.append(
            Problem(path.name, shown_key(key), document.lines[(key,)], None, ", ".join(_FILE_KEYS), message)
        )
    config = document.value.get("config")
    if not isinstance(config, dict):
        raise ConfigError([*problems, _of_file(path, "has no mapping under config")])
    return _Reading(path.name, path.parent, lines, problems).read(config)


def parse_stack_config(
    mapping: Mapping[str, object], source: str, *, directory: Path | None = None
) -> StackConfig:
    """Read configuration keys as the engine hands them over.

    Args:
        mapping: keys with their namespace (`sophia:phase`); values as YAML gives them, or the text that
            Pulumi makes of them (JSON for mappings). Other namespaces (`pulumi:`, `aws:`) are ignored.
        source: where it comes from, for messages: a stack file's name.
        directory: where `user_data_file` and `workloads_file` are looked up; default: the folder of `source`.

    Raises:
        ConfigError: all that is wrong. Values that look like secrets are not repeated.
    """
    folder = Path(source).parent if directory is None else directory
    return _Reading(source, folder, None, []).read(mapping)


class _Reading:
    """One pass over one set of keys, collecting problems."""

    def __init__(self, source: str, folder: Path, lines: _Lines | None, problems: list[Problem]) -> None:
        self._source = source
        self._folder = folder
        self._lines = lines
        self._problems = problems
        self._encrypted: list[_Loc] = []
        self._table: WorkloadTable | None = None

    def read(self, mapping: Mapping[str, object]) -> StackConfig:
        raw = {name: self._without_ciphertext(value, (name,)) for name, value in self._own(mapping)}
        raw = switch_off_idle_gateways(self._with_table(raw))
        config: StackConfig | None = None
        try:
            config = StackConfig.model_validate(raw)
            fleet = config.fleet
        except ValidationError as error:
            findings = explain(error, StackConfig)
            parts = read_parts(raw)
            places = [detail["loc"] for detail in error.errors(include_url=False)]
            if any(places):
                findings += find_stack_conflicts(parts)
            if any(place[:1] == ("kubernetes",) and place[1:] for place in places):
                findings += find_section_conflicts(raw["kubernetes"])
            for finding in findings:
                self._report(finding)
            fleet = dict(parts.fleet)
        fleet = {name: self._with_user_data(name, instance) for name, instance in fleet.items()}
        if self._problems or config is None:
            raise ConfigError(sorted(self._problems, key=self._order)) from None
        return config.model_copy(update={"fleet": fleet})

    def _own(self, mapping: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        """The keys that make a StackConfig, without namespace, JSON text turned into values."""
        known = StackConfig.model_fields
        for key, value in mapping.items():
            name = key.removeprefix(NAMESPACE)
            if name == key:
                if key in known:
                    line = self._line((_own_name(key),))
                    message = f"has no namespace: write {NAMESPACE}{key}"
                    self._problems.append(Problem(self._source, key, line, None, None, message))
            elif name == API_KEY:
                if self._lines is not None and isinstance(value, str):
                    message = f"is in plain text: make a new key, `pulumi config set --secret {key}`"
                    self._report(Conflict((name,), Refused(message, is_secret=True), value))
            elif name not in known:
                allowed = ", ".join(NAMESPACE + field for field in (*known, API_KEY))
                hint = did_you_mean(name, known).replace("mean ", f"mean {NAMESPACE}")
                self._report(Conflict((name,), Refused(f"is not a known key{hint}", allowed=allowed)))
            elif isinstance(value, str) and name not in _SCALARS:
                yield name, _from_json(value)
            else:
                yield name, value

    def _without_ciphertext(self, value: object, loc: _Loc) -> object:
        """`value` with each `{secure: ...}` reported and replaced by something that nothing accepts."""
        if isinstance(value, dict):
            if list(value) == ["secure"]:
                self._report(
                    Conflict(
                        loc, Refused("is encrypted, and plain text is expected here: set it without --secret")
                    )
                )
                self._encrypted.append(loc)
                return object()
            return {key: self._without_ciphertext(inner, (*loc, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._without_ciphertext(inner, (*loc, at)) for at, inner in enumerate(value)]
        return value

    def _with_user_data(self, name: str, instance: InstanceConfig) -> InstanceConfig:
        if instance.user_data_file is None:
            return instance
        try:
            text = read_user_data(instance.user_data_file, self._folder)
        except Refused as refused:
            self._report(Conflict(("fleet", name, "user_data_file"), refused, instance.user_data_file))
            return instance
        return instance.model_copy(update={"user_data": text, "user_data_file": None})

    def _with_table(self, raw: dict[str, Any]) -> dict[str, Any]:
        """`raw` with the shared workloads that its section names."""
        section = raw.get("kubernetes")
        if not isinstance(section, dict):
            return raw
        try:
            self._table = read_workload_table(section, self._folder)
        except Refused as refused:
            self._report(Conflict(("kubernetes", FILE_KEY), refused, section[FILE_KEY]))
        if self._table is None:
            return raw
        self._problems += self._table.problems
        return {**raw, "kubernetes": self._table.merged()}

    def _report(self, finding: Conflict) -> None:
        if any(finding.loc[: len(loc)] == loc for loc in self._encrypted):
            return
        problem = self._table.problem(finding) if self._table else None
        self._problems.append(problem or make_problem(self._source, finding, self._line(finding.loc)))

    def _order(self, problem: Problem) -> tuple[bool, int]:
        return (problem.file != self._source, problem.line or 0)

    def _line(self, loc: _Loc) -> int | None:
        """The line of the value, or of the nearest thing around it that is in the file."""
        if not self._lines:
            return None
        return next(
            (self._lines[loc[:end]] for end in range(len(loc), 0, -1) if loc[:end] in self._lines), None
        )


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _own_name(key: str | int) -> str:
    """Without our namespace; a key of none or another one keeps apart from ours of the same name."""
    text = str(key)
    return text.removeprefix(NAMESPACE) if text.startswith(NAMESPACE) else f"config:{text}"


def _of_file(path: Path, message: str) -> Problem:
    return Problem(path.name, "", None, None, None, message)


def _of_text(path: Path, finding: yaml_text.YamlFinding) -> Problem:
    at = finding.path
    if at[1:] and str(at[1]).startswith(NAMESPACE):
        key = key_path((_own_name(at[1]), *at[2:]))
    else:
        key = ".".join(map(shown_key, at))
    return Problem(path.name, key, finding.line, None, None, finding.message)
