"""A Dockerfile as BuildKit sees it: stages, what each takes from where, and what a layer's cache depends on.

Read by BuildKit's own parser. Cache rules as BuildKit has them: COPY and bind mounts go by the content of
the files they select, also through another stage; RUN goes by its text, what is mounted, every ARG in scope.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

import dockerfile

MAIN = "main"
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Instruction:
    cmd: str
    flags: tuple[str, ...]
    value: tuple[str, ...]
    exec_form: bool
    line: int

    def flag(self, name: str) -> str | None:
        return next((flag.partition("=")[2] for flag in self.flags if flag.startswith(f"--{name}=")), None)

    @property
    def mounts(self) -> tuple[dict[str, str], ...]:
        texts = [flag.partition("=")[2] for flag in self.flags if flag.startswith("--mount=")]
        return tuple(
            {key: text for key, _, text in (part.partition("=") for part in mount.split(","))}
            for mount in texts
        )

    @property
    def text(self) -> str:
        return " ".join(self.value)


@dataclass(frozen=True)
class Stage:
    name: str
    base: str
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dependencies:
    """What a layer follows from: files of a context (`main` or a named one), arguments, base images."""

    files: frozenset[tuple[str, str]] = frozenset()
    arguments: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()

    def __or__(self, other: Dependencies) -> Dependencies:
        return Dependencies(
            self.files | other.files, self.arguments | other.arguments, self.images | other.images
        )

    def changed_by(self, context: str, path: str) -> bool:
        """Whether a change of this file makes the layer anew."""
        return any(
            context == mine
            and (pattern == "." or fnmatchcase(path, pattern) or path.startswith(f"{pattern}/"))
            for mine, pattern in self.files
        )


@dataclass(frozen=True)
class BuildGraph:
    """One Dockerfile with the arguments and the named contexts of one build."""

    text: str
    arguments: tuple[tuple[str, str], ...] = ()
    contexts: frozenset[str] = frozenset()

    @cached_property
    def _parsed(self) -> tuple[tuple[Instruction, ...], tuple[Stage, ...]]:
        before: list[Instruction] = []
        stages: list[tuple[str, str, list[Instruction]]] = []
        for command in dockerfile.parse_string(self.text):
            instruction = Instruction(
                command.cmd.upper(), command.flags, command.value, command.json, command.start_line
            )
            if instruction.cmd == "FROM":
                base, _, name = (*instruction.value, "", str(len(stages)))[:3]
                stages.append((name if len(instruction.value) == 3 else str(len(stages)), base, []))
            elif stages:
                stages[-1][2].append(instruction)
            else:
                before.append(instruction)
        return tuple(before), tuple(Stage(name, base, tuple(body)) for name, base, body in stages)

    @property
    def global_arguments(self) -> dict[str, str | None]:
        """Arguments before the first FROM, None for those without default."""
        found: dict[str, str | None] = {}
        for instruction in self._parsed[0]:
            for part in instruction.value:
                name, is_set, default = part.partition("=")
                found[name] = default if is_set else None
        return found

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._parsed[1]

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def is_stage(self, name: str) -> bool:
        return any(stage.name == name for stage in self.stages)

    def base_of(self, stage: Stage) -> str:
        """Name of the stage it stands on, or the text of the image reference."""
        known = {**self.global_arguments, **dict(self.arguments)}
        written = _VARIABLE.sub(lambda match: known.get(match[1]) or match[0], stage.base)
        return written if self.is_stage(written) else stage.base

    def dependencies(self, stage_name: str, upto: int | None = None) -> Dependencies:
        """Of the layer after `upto` instructions of a stage; of the whole stage without."""
        stage = self.stage(stage_name)
        base = self.base_of(stage)
        found = Dependencies(arguments=frozenset(_VARIABLE.findall(stage.base)))
        if self.is_stage(base):
            found |= self.dependencies(base)
        elif base != "scratch":
            found |= Dependencies(images=frozenset([base]))
        in_scope = self._inherited_arguments(stage)
        for instruction in stage.instructions[:upto]:
            in_scope |= self._declared(instruction)
            found |= self._own(instruction, in_scope)
        return found

    def _inherited_arguments(self, stage: Stage) -> frozenset[str]:
        base = self.base_of(stage)
        if not self.is_stage(base):
            return frozenset()
        parent = self.stage(base)
        return self._inherited_arguments(parent).union(*map(self._declared, parent.instructions))

    @staticmethod
    def _declared(instruction: Instruction) -> frozenset[str]:
        if instruction.cmd != "ARG":
            return frozenset()
        return frozenset(part.partition("=")[0] for part in instruction.value)

    def _own(self, instruction: Instruction, in_scope: frozenset[str]) -> Dependencies:
        if instruction.cmd in ("COPY", "ADD"):
            origin = instruction.flag("from") or MAIN
            return self._union(origin, instruction.value[:-1])
        if instruction.cmd == "RUN":
            found = Dependencies(arguments=in_scope)
            for mount in instruction.mounts:
                if mount.get("type", "bind") == "bind":
                    found |= self._union(mount.get("from", MAIN), [mount.get("source", "/")])
            return found
        return Dependencies(arguments=in_scope & frozenset(_VARIABLE.findall(instruction.text)))

    def _union(self, origin: str, paths: tuple[str, ...] | list[str]) -> Dependencies:
        found = Dependencies()
        for path in paths:
            found |= self._selected(origin, path)
        return found

    def _selected(self, origin: str, path: str) -> Dependencies:
        """What a selection of files in a context or a stage follows from."""
        path = str(PurePosixPath("/", path)).lstrip("/") or "."
        if origin == MAIN or origin in self.contexts:
            return Dependencies(files=frozenset([(origin, path)]))
        if not self.is_stage(origin):
            return Dependencies(images=frozenset([origin]))
        stage = self.stage(origin)
        base = self.base_of(stage)
        if base != "scratch" and not self.is_stage(base):
            return self.dependencies(origin)  # files that commands made: all that the stage follows from
        if any(instruction.cmd != "COPY" for instruction in stage.instructions):
            return self.dependencies(origin)
        found = Dependencies(arguments=frozenset(_VARIABLE.findall(stage.base)))
        if self.is_stage(base):
            found |= self._selected(base, path)
        for copy in stage.instructions:
            at_root = copy.value[-1] == "/"
            for source in copy.value[:-1]:
                # A whole context at the root keeps its paths, so only the selected ones matter.
                inner = path if source in (".", "/") and at_root else source
                found |= self._selected(copy.flag("from") or MAIN, inner)
        return found


def read_graph(path: Path, **arguments: str) -> BuildGraph:
    """The graph of the file, for a build with the named context `service`."""
    return BuildGraph(path.read_text("utf-8"), tuple(arguments.items()), frozenset(["service"]))
