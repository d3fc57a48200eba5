"""The engine's events as a live table on a terminal, and as one line each elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.events import (
    Diagnostic,
    EngineMessage,
    Event,
    PolicyViolation,
    ResourceDone,
    ResourceFailed,
    ResourcePlanned,
    ResourceRefreshed,
    ResourceStarted,
    Step,
)

__all__ = ["UpdateProgress", "plain_message"]

_WORDS = {
    "create": ("create", "created"),
    "update": ("update", "updated"),
    "delete": ("delete", "deleted"),
    "delete-replaced": ("delete old", "old one deleted"),
    "create-replacement": ("create new", "new one created"),
    "replace": ("replace", "replaced"),
    "refresh": ("read", "read"),
    "import": ("import", "imported"),
    "discard": ("forget", "forgotten"),
}
_QUIET_OPS = frozenset({"same", "read", "replace", "discard-replaced"})
_HIDDEN_TYPES = frozenset({"pulumi:pulumi:Stack", "sophia:lambda:Fleet"})
_HIDDEN_PREFIXES = ("pulumi:providers:", "sophia:kubernetes:")
_OBJECT_PREFIX = "kubernetes:"
_OBJECTS_PER_LINE = 50
_GRPC_PREFIX = "Exception calling application: "
_BUILD_LINE_INTERVAL_S = 15.0
# The engine adds that resources may be orphaned; ours are found again by their tags.
_ENGINE_IS_STOPPING = "^C received; cancelling"
_STOPPING = (
    "stopping when the steps that run have ended; Ctrl-C again stops at once. Nothing is lost either way."
)
# The engine's own closing words, which repeat what a resource has said already.
_ECHOES = ("update failed", "preview failed", "refresh failed", "destroy failed")


@dataclass(slots=True)
class _Line:
    kind: str
    name: str
    words: tuple[str, str]
    started_s: float
    is_object: bool = False
    ended_s: float | None = None
    outcome: str = "running"


class UpdateProgress:
    """Shows one run. Use as a context manager; `on_event` is the callback of `run_operation`."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._lines: dict[str, _Line] = {}
        self._note = ""
        self._started_s = time.monotonic()
        self._live: Live | None = None
        self._spinner = Spinner("dots")
        self._build_said_at_s = -_BUILD_LINE_INTERVAL_S
        # Kubernetes objects come by the hundred: those that are done are counted, not listed.
        self._objects: Counter[str] = Counter()
        self._objects_said = 0

    def __enter__(self) -> UpdateProgress:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)
            self._live.__enter__()
        else:
            self._console.print(self._title)
        return self

    def __exit__(self, *details: object) -> None:
        self._note = ""
        if self._live is None:
            self._say_objects()
        if self._live is not None:
            self._live.__exit__(None, None, None)
            self._live = None

    def say(self, text: str) -> None:
        """What goes on now, until the next event says more; nothing without a terminal."""
        if self._live is not None:
            self._note = text

    def on_build(self, progress: BuildProgress) -> None:
        """A line about the engine while it is built; without a terminal one every 15 s: logs stay short."""
        if self._live is None and progress.elapsed_s - self._build_said_at_s < _BUILD_LINE_INTERVAL_S:
            return
        self._build_said_at_s = progress.elapsed_s
        count = f" {progress.packages_done}/{progress.packages_total}" if progress.packages_total else ""
        self._say(f"engine{count}: {progress.line} ({progress.elapsed_s:.0f} s)", transient=True)

    def on_event(self, event: Event) -> None:
        """Take one engine event."""
        match event:
            case ResourceStarted(step) | ResourcePlanned(step) if _shown(step):
                self._start(step)
            case ResourceDone(step) | ResourceRefreshed(step) if _shown(step):
                self._end(step, "done")
            case ResourceFailed(step):
                self._end(step, "failed")
            case Diagnostic() if event.ephemeral or event.severity == "info":
                self._say(plain_message(event.message), transient=True)
            case Diagnostic() if not event.message.startswith(_ECHOES):
                self._say(f"{event.severity}: {plain_message(event.message)}", transient=False)
            case EngineMessage(message) if message.startswith(_ENGINE_IS_STOPPING):
                self._say(_STOPPING, transient=False)
            case PolicyViolation():
                # The engine puts the rule's description before what was found; the name says as much.
                found = event.message.partition("\n")[2] or event.message
                self._say(f"{event.enforcement} {event.policy}: {found}", transient=False)
            case _:
                pass

    def _start(self, step: Step) -> None:
        self._lines[_line_key(step)] = _Line(
            step.type.rsplit(":", 1)[-1],
            step.name,
            _WORDS.get(step.op, (step.op, step.op)),
            time.monotonic(),
            is_object=step.type.startswith(_OBJECT_PREFIX),
        )

    def _end(self, step: Step, outcome: str) -> None:
        line = self._lines.get(_line_key(step))
        if line is None:
            return
        line.ended_s, line.outcome = time.monotonic(), outcome
        if line.is_object and outcome == "done":
            del self._lines[_line_key(step)]
            self._objects[line.words[1]] += 1
            if self._live is None and self._objects.total() - self._objects_said >= _OBJECTS_PER_LINE:
                self._say_objects()
            return
        if self._live is None:
            self._console.print(
                f"  {_words_of(line)} {line.kind} {line.name} ({line.ended_s - line.started_s:.1f} s)"
            )

    def _say_objects(self) -> None:
        if self._objects.total() > self._objects_said:
            self._objects_said = self._objects.total()
            self._console.print(f"  Kubernetes: {self._objects_line()}")

    def _objects_line(self) -> str:
        return ", ".join(f"{count} objects {word}" for word, count in self._objects.items())

    def _say(self, text: str, *, transient: bool) -> None:
        if transient and self._live is not None:
            self._note = text
        elif self._live is not None:
            self._live.console.print(text, soft_wrap=True)
        else:
            self._console.print(f"  {text}", soft_wrap=True)

    def _render(self) -> Group:
        now_s = time.monotonic()
        done = sum(line.outcome == "done" for line in self._lines.values()) + self._objects.total()
        heading = Text.assemble((self._title, "bold"), f"  {done} done, {now_s - self._started_s:.0f} s")
        table = Table.grid(padding=(0, 1))
        for line in self._lines.values():
            running = line.outcome == "running"
            mark: Spinner | Text = self._spinner if running else Text(*_MARKS[line.outcome])
            seconds = (line.ended_s or now_s) - line.started_s
            table.add_row(mark, line.name, line.kind, Text(f"{_words_of(line)}  {seconds:.1f} s"))
        if self._objects:
            table.add_row(Text(*_MARKS["done"]), "Kubernetes", "", Text(self._objects_line()))
        note = [Text(f"  {self._note}", "dim", overflow="ellipsis", no_wrap=True)] if self._note else []
        return Group(heading, table, *note)


_MARKS = {"done": ("✓", "green"), "failed": ("✗", "bold red")}


def plain_message(message: str) -> str:
    """A diagnostic without what the transport put around it."""
    return message.strip().removeprefix(_GRPC_PREFIX)


def _words_of(line: _Line) -> str:
    return (
        line.words[1]
        if line.outcome == "done"
        else line.words[0] + (" FAILED" if line.outcome == "failed" else "")
    )


def _line_key(step: Step) -> str:
    side = "old" if step.op in ("delete", "delete-replaced") else "new"
    return f"{side} {step.urn}"


def _shown(step: Step) -> bool:
    return (
        step.op not in _QUIET_OPS
        and step.type not in _HIDDEN_TYPES
        and not step.type.startswith(_HIDDEN_PREFIXES)
    )
