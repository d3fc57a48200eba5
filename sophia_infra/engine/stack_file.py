"""The stack file that the engine reads and writes.

`Pulumi.local.yaml` is tracked in git, but `pulumi stack init` writes an `encryptionsalt` into the stack
file and `up --config` writes values. So the engine gets a copy under the project's own folder, made anew
from the tracked file before every run, with its own salt and the remembered phase. Other stacks use their
file as it is: their salt belongs into git, because their secrets do.

The copy is edited as text, at the places where the YAML parser saw the keys: comments stay, and so does the
spelling of values such as `yes` or `1:30`, which Python's YAML and Go's read differently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from sophia_infra.engine.errors import ConfigRefused
from sophia_infra.engine.home import (
    LOCAL_STACK,
    PROJECT_FILE,
    Home,
    make_private_folder,
    write_private_file,
)
from sophia_infra.model.text_file import read_text_file
from sophia_infra.model.yaml_loader import SafeLoader

PHASES = (1, 2, 3)
PHASE_KEY = "sophia:phase"
_SALT_KEY = "encryptionsalt"

PhaseSource = Literal["request", "remembered", "file", "default"]


@dataclass(frozen=True, slots=True)
class PreparedStack:
    """A stack that is ready for the engine.

    `config_file` is what the engine reads, and what the rest of the program should read too. `phase_source`
    says where the phase comes from: asked for now, asked for in an earlier run, the stack file, or nowhere
    (phase 1). `config` holds values that go to the engine by `--config`, which also writes them to
    `config_file`.
    """

    name: str
    config_file: Path
    phase: int
    phase_source: PhaseSource
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def project_directory(self) -> Path:
        """Where `pulumi stack init` runs: the folder whose `Pulumi.<stack>.yaml` is `config_file`."""
        return self.config_file.parent


def prepare_stack(stack: str, home: Home, *, phase: int | None = None) -> PreparedStack:
    """Return the effective stack file of `stack`; for stack `local` it is written, the tracked one never.

    Args:
        phase: 1 to 3 from now on, until the next request; None keeps what was asked for before, else the
            file's.

    Raises:
        ConfigRefused: no `Pulumi.<stack>.yaml`, it cannot be read or is not a YAML mapping, or the phase is
            not 1 to 3.
    """
    tracked = home.checkout / f"Pulumi.{stack}.yaml"
    document = _read_mapping(tracked, stack)
    file_phase = _phase_of(document, tracked, stack)
    if phase is not None and phase not in PHASES:
        raise _refused(stack, f"Phase {phase} does not exist.", "Choose 1, 2 or 3.")
    if stack != LOCAL_STACK:
        return _prepare_tracked(stack, tracked, phase, file_phase)

    remembered = _remember_phase(home, phase, file_phase)
    copy = home.stacks / f"Pulumi.{stack}.yaml"
    effective = remembered if remembered is not None else file_phase
    write_private_file(copy, _edited(tracked.read_text(encoding="utf-8-sig"), remembered, _salt_in(copy)))
    _copy_project_file(home)
    if phase is not None:
        source: PhaseSource = "request"
    elif remembered is not None:
        source = "remembered"
    else:
        source = "file" if file_phase is not None else "default"
    return PreparedStack(stack, copy, effective or PHASES[0], source)


def at_phase(stack: PreparedStack, home: Home, phase: int) -> PreparedStack:
    """Return `stack` as it would be in another phase, for a preview: nothing is remembered, no file changes.

    Args:
        phase: 1 to 3; read from a copy under `home.stacks`.

    Raises:
        ConfigRefused: the phase is not 1 to 3.
    """
    if phase not in PHASES:
        raise _refused(stack.name, f"Phase {phase} does not exist.", "Choose 1, 2 or 3.")
    folder = home.stacks / "preview"
    make_private_folder(folder)
    copy = folder / stack.config_file.name
    write_private_file(copy, _edited(stack.config_file.read_text(encoding="utf-8-sig"), phase, None))
    return PreparedStack(stack.name, copy, phase, "request")


def _prepare_tracked(stack: str, tracked: Path, phase: int | None, file_phase: int | None) -> PreparedStack:
    if phase is None or phase == file_phase:
        source: PhaseSource = "file" if file_phase is not None else "default"
        return PreparedStack(stack, tracked, file_phase or PHASES[0], source)
    return PreparedStack(stack, tracked, phase, "request", {PHASE_KEY: str(phase)})


def _remember_phase(home: Home, phase: int | None, file_phase: int | None) -> int | None:
    """Store a requested phase and return the one in force; asking for the file's own phase forgets it."""
    file = home.stacks / "phase"
    if phase is not None:
        if phase == file_phase:
            file.unlink(missing_ok=True)
            return None
        write_private_file(file, f"{phase}\n")
        return phase
    try:
        remembered = int(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return remembered if remembered in PHASES else None


def _copy_project_file(home: Home) -> None:
    """Put the project file beside the copy: `pulumi stack init` then finds the same project there."""
    source = home.checkout / PROJECT_FILE
    if source.is_file():
        write_private_file(home.stacks / PROJECT_FILE, source.read_text(encoding="utf-8"))


def _read_mapping(file: Path, stack: str) -> yaml.MappingNode:
    try:
        node = yaml.compose(read_text_file(file), Loader=SafeLoader)
    except FileNotFoundError:
        others = sorted(path.name[7:-5] for path in file.parent.glob("Pulumi.*.yaml"))
        known = f"Stacks with a file: {', '.join(others)}." if others else f"{file.parent} has no stack file."
        raise _refused(stack, f"There is no {file.name}.", known) from None
    except OSError as error:
        raise _refused(stack, f"{file} cannot be read: {error.strerror}.", "See what is there.") from error
    except UnicodeDecodeError as error:
        raise _refused(stack, f"{file} is not YAML: it is not UTF-8 text.", "Save it as UTF-8.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _refused(stack, f"{file} is not YAML: {error}.", "Correct the file.") from error
    if node is None:
        return yaml.MappingNode("tag:yaml.org,2002:map", [])
    if not isinstance(node, yaml.MappingNode):
        raise _refused(stack, f"{file} is not a YAML mapping.", "Begin it with `config:`.")
    return node


def _phase_of(document: yaml.MappingNode, file: Path, stack: str) -> int | None:
    node = _get(document, "config")
    if not isinstance(node, yaml.MappingNode):
        return None
    value = _get(node, PHASE_KEY)
    if value is None:
        return None
    text = value.value if isinstance(value, yaml.ScalarNode) else ""
    if text not in {str(phase) for phase in PHASES}:
        raise _refused(
            stack, f"{file.name}: {PHASE_KEY} must be 1, 2 or 3, not {text!r}.", "Correct the file."
        )
    return int(text)


def _edited(text: str, phase: int | None, salt: str | None) -> str:
    """Return the stack file `text` with another phase and with a salt; None leaves that as it is."""
    if phase is not None:
        text = _with_phase(text, phase)
    root = _compose(text)
    if salt is None or (root and _get(root, _SALT_KEY)):
        return text
    return _inserted(text, root, _SALT_KEY, json.dumps(salt))


def _with_phase(text: str, phase: int) -> str:
    root = _compose(text)
    config = _get(root, "config") if root else None
    if config is None:
        return _inserted(text, root, "config", f"{{{PHASE_KEY}: {phase}}}")
    if not isinstance(config, yaml.MappingNode):  # `config:` without a value
        return _replaced(text, config, f" {{{PHASE_KEY}: {phase}}}")
    present = _get(config, PHASE_KEY)
    if present is not None:
        return _replaced(text, present, str(phase))
    return _inserted(text, config, PHASE_KEY, str(phase))


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def _inserted(text: str, mapping: yaml.MappingNode | None, key: str, value: str) -> str:
    """Put a key before the others of `mapping`, or behind everything when there is no mapping at all."""
    if mapping is None:
        return f"{text}\n{key}: {value}\n"
    if mapping.flow_style:
        place = mapping.start_mark.index + 1
        return f"{text[:place]}{key}: {value}{', ' if mapping.value else ''}{text[place:]}"
    first = mapping.value[0][0].start_mark
    return f"{text[: first.index]}{key}: {value}\n{' ' * first.column}{text[first.index :]}"


def _compose(text: str) -> yaml.MappingNode | None:
    node = yaml.compose(text, Loader=SafeLoader)
    return node if isinstance(node, yaml.MappingNode) else None


def _salt_in(copy: Path) -> str | None:
    try:
        root = _compose(copy.read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError):
        return None  # the engine takes the salt from the state then
    value = _get(root, _SALT_KEY) if root else None
    return value.value if isinstance(value, yaml.ScalarNode) else None


def _get(mapping: yaml.MappingNode, key: str) -> yaml.Node | None:
    for name, value in mapping.value:
        if name.value == key:
            return value if isinstance(value, yaml.Node) else None
    return None


def _refused(stack: str, message: str, next_step: str) -> ConfigRefused:
    return ConfigRefused(message, next_step=next_step, verb="prepare", stack=stack)
