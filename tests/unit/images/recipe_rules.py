"""What docker/Dockerfile promises. Each rule takes a build graph and yields what breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.unit.images.dockerfile_graph import MAIN, BuildGraph, Instruction, Stage

Rule = Callable[[BuildGraph], Iterator[str]]

TARGETS = ("production", "gpu-runtime")
MANIFESTS = ("pyproject.toml", "uv.lock", "requirements.lock", "requirements.txt")
SOURCES = ("src/server.py", "mcp_gong/__init__.py", "README.md", "tests/test_server.py")
_COPIED = {"/opt/python", "/app/.venv", "/app/bin", "/app/src"}
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_IMAGE_ARGUMENT = re.compile(r"\$\{(\w+_IMAGE)\}")
_FETCHERS = re.compile(r"\b(curl|wget|nc|busybox)\b")


def dependency_layer_ignores_source(graph: BuildGraph) -> Iterator[str]:
    gateway, exporter, scaler = (
        BuildGraph(graph.text, (("KIND", kind),), graph.contexts)
        for kind in ("gateway", "exporter", "scaler")
    )
    for name, built, context, manifests, sources in (
        ("service", graph, "service", MANIFESTS, SOURCES),
        ("service without named context", BuildGraph(graph.text), MAIN, MANIFESTS, SOURCES),
        ("gateway", gateway, MAIN, ("docker/gateway/requirements.lock",), ("sophia_infra/inference/x.py",)),
        (
            "exporter",
            exporter,
            MAIN,
            ("docker/exporter/requirements.lock",),
            ("sophia_infra/exporter/x.py", "sophia_infra/monitoring/exporter_settings.py"),
        ),
        (
            "scaler",
            scaler,
            MAIN,
            ("docker/scaler/requirements.lock",),
            ("sophia_infra/scaling/x.py", "sophia_infra/provider/session.py"),
        ),
    ):
        layer, image = built.dependencies("dependencies"), built.dependencies("production")
        yield from (
            f"{name}: {path} does not reach the dependencies"
            for path in manifests
            if not layer.changed_by(context, path)
        )
        yield from (
            f"{name}: {path} makes the dependencies anew"
            for path in sources
            if layer.changed_by(context, path)
        )
        yield from (
            f"{name}: {path} does not reach the image"
            for path in sources
            if not image.changed_by(context, path)
        )
        extra = layer.arguments - {"KIND", "PYTHON_IMAGE", "PYTHON_VERSION"}
        yield from (f"{name}: argument {argument} makes the dependencies anew" for argument in sorted(extra))


def targets_exist(graph: BuildGraph) -> Iterator[str]:
    yield from (f"no stage {target}" for target in TARGETS if not graph.is_stage(target))


def nothing_of_the_build_is_left(graph: BuildGraph) -> Iterator[str]:
    for stage in _results(graph):
        if _IMAGE_ARGUMENT.fullmatch(graph.base_of(stage)) is None or "PYTHON" in stage.base:
            yield f"{stage.name} stands on {stage.base}"
        for instruction in stage.instructions:
            if instruction.cmd in ("RUN", "ADD"):
                yield f"{stage.name} line {instruction.line}: {instruction.cmd} in a result"
            if instruction.cmd == "COPY":
                source, destination = instruction.value[0], instruction.value[-1]
                if source != destination or source not in _COPIED or len(instruction.value) != 2:
                    yield f"{stage.name} line {instruction.line}: copies {source}"
    yield from (
        f"line {run.line}: a compiler or package manager is installed"
        for stage in graph.stages
        for run in stage.instructions
        if run.cmd == "RUN" and re.search(r"\b(apt-get|apt|gcc|make|build-essential)\b", run.text)
    )


def nobody_is_root(graph: BuildGraph) -> Iterator[str]:
    for stage in _results(graph):
        users = [instruction.text for instruction in stage.instructions if instruction.cmd == "USER"]
        if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
            yield f"{stage.name} runs as {users[-1] if users else 'root'}"


def health_needs_no_tool(graph: BuildGraph) -> Iterator[str]:
    for stage in _results(graph):
        checks = [instruction for instruction in stage.instructions if instruction.cmd == "HEALTHCHECK"]
        if (
            len(checks) != 1
            or not checks[0].exec_form
            or checks[0].value[:2] != ("CMD", "/app/.venv/bin/python")
        ):
            yield f"{stage.name} has no health check by Python"
        yield from (
            f"{stage.name} asks by {found[0]}"
            for check in checks
            for found in [_FETCHERS.search(check.text)]
            if found
        )


def images_come_from_the_lock(graph: BuildGraph) -> Iterator[str]:
    for stage in graph.stages:
        base = graph.base_of(stage)
        argument = _IMAGE_ARGUMENT.fullmatch(base)
        if base != "scratch" and not graph.is_stage(base):
            if argument is None:
                yield f"{stage.name} stands on {base}, which no lock names"
            elif graph.global_arguments.get(argument[1], "") is not None:
                yield f"{argument[1]} has a default beside the lock"
        for instruction in stage.instructions:
            origins = [instruction.flag("from"), *(mount.get("from") for mount in instruction.mounts)]
            for origin in origins:
                if origin and not graph.is_stage(origin):
                    yield f"line {instruction.line}: takes from {origin}, which no lock names"
    if re.search(r"^#\s*syntax\s*=", graph.text, re.MULTILINE):
        yield "a frontend image is named outside the lock"


def nothing_is_downloaded_by_add(graph: BuildGraph) -> Iterator[str]:
    yield from (f"line {found.line}: ADD" for found in _all(graph) if found.cmd == "ADD")


def no_secret_is_baked_in(graph: BuildGraph) -> Iterator[str]:
    for name in graph.global_arguments:
        if _SECRET.search(name):
            yield f"ARG {name}"
    for found in _all(graph):
        names = found.value[::2] if found.cmd == "ENV" else found.value if found.cmd == "ARG" else ()
        yield from (f"line {found.line}: {name}" for name in names if _SECRET.search(name.partition("=")[0]))


def both_results_are_alike(graph: BuildGraph) -> Iterator[str]:
    bodies = [[_without_path(instruction) for instruction in stage.instructions] for stage in _results(graph)]
    if any(body != bodies[0] for body in bodies):
        yield "production and gpu-runtime differ in more than their base and PATH"


RULES: tuple[Rule, ...] = (
    dependency_layer_ignores_source,
    targets_exist,
    nothing_of_the_build_is_left,
    nobody_is_root,
    health_needs_no_tool,
    images_come_from_the_lock,
    nothing_is_downloaded_by_add,
    no_secret_is_baked_in,
    both_results_are_alike,
)


def _results(graph: BuildGraph) -> Iterator[Stage]:
    yield from (graph.stage(target) for target in TARGETS if graph.is_stage(target))


def _all(graph: BuildGraph) -> Iterator[Instruction]:
    yield from (instruction for stage in graph.stages for instruction in stage.instructions)


def _without_path(instruction: Instruction) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    value = instruction.value
    if instruction.cmd == "ENV" and "PATH" in value[::2]:
        at = value.index("PATH") + 1
        value = (*value[:at], *value[at + 1 :])
    return instruction.cmd, instruction.flags, value
