"""Runs the whole program without an engine: every registration is recorded and answered at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import Stack, run_pulumi_func

from sophia_infra import program
from sophia_infra.joining import make_credentials

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = "sophia-infra"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn sophia-local"
_KIND_PREFIX = "pulumi-python:dynamic/lambda:"


@dataclass(frozen=True)
class Registered:
    """One resource as the engine would have seen it; its pickled provider is no input here."""

    kind: str
    type: str
    name: str
    inputs: dict[str, Any]
    parent: str
    protect: bool
    delete_before_replace: bool
    pickled_provider: str
    depends_on: frozenset[str]
    retain_on_delete: bool


@dataclass
class Run:
    """What a run of the program left behind: resources by name, exported outputs, log lines by level."""

    resources: dict[str, Registered] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    exit_code: int = 0

    def of_kind(self, kind: str) -> dict[str, Registered]:
        return {name: row for name, row in self.resources.items() if row.kind == kind}

    def named(self, kind: str, name: str) -> Registered:
        """The one resource of this kind and name."""
        return next(row for row in self.resources.values() if (row.kind, row.name) == (kind, name))

    def kinds(self) -> dict[str, int]:
        count: dict[str, int] = {}
        for row in self.resources.values():
            count[row.kind] = count.get(row.kind, 0) + 1
        return count


def stack_config(stack: str) -> dict[str, Any]:
    """The `config` of the tracked stack file."""
    document = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    return dict(document["config"])


def fleet_config(stack: str) -> dict[str, Any]:
    """The same in phase 1 without Kubernetes and what runs on it: machines, and what they need."""
    return {
        **{
            key: value
            for key, value in stack_config(stack).items()
            if key not in ("sophia:kubernetes", "sophia:gateway", "sophia:training")
        },
        "sophia:phase": 1,
    }


def small_config(fleet: Mapping[str, Any], **further: Any) -> dict[str, Any]:
    """A right configuration with this fleet; `further` are other `sophia:` keys."""
    values = {
        "endpoint": "emulator",
        "budget": {"limit": "$500/day"},
        "ssh": {"public_key": PUBLIC_KEY},
        "fleet": dict(fleet),
        **further,
    }
    return {f"sophia:{key}": value for key, value in values.items()}


def run_program(
    monkeypatch: pytest.MonkeyPatch, config: Mapping[str, Any], *, stack: str = "local", preview: bool = False
) -> Run:
    """Run `program.run` on `config`, handed over as the engine does: mappings as JSON, scalars as text."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in config.items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(texts))
    run = Run()
    settings.set_root_resource(None)  # type: ignore[arg-type]  # what a fresh process begins with
    with _event_loop() as loop:
        answers = _Answers(preview)
        mocks.set_mocks(answers, PROJECT, stack, preview, logger=_logger(run), monitor=_Monitor(answers, run))
        loop.run_until_complete(_run(run))
    return run


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of this thread and one of the thread that answers registrations, both closed at the end.

    The SDK makes a loop in each thread of the pool and leaves it open, which is a warning and so a failure.
    """
    loop, answering = asyncio.new_event_loop(), asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pool = ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(answering,))
    loop.set_default_executor(pool)
    try:
        yield loop
    finally:
        pool.shutdown()
        asyncio.set_event_loop(None)
        loop.close()
        answering.close()


async def _run(run: Run) -> None:
    async def body() -> None:
        try:
            program.run()
        except SystemExit as end:
            run.exit_code = int(end.code or 0)
        root = settings.get_root_resource()
        assert isinstance(root, Stack)
        for name, value in root.outputs.items():
            output: pulumi.Output[Any] = pulumi.Output.from_input(value)
            run.outputs[name] = await output.future() if await output.is_known() else "unknown"

    await run_pulumi_func(body)


class _Monitor(mocks.MockMonitor):
    """Keeps what the stock monitor throws away: parents, options and dependencies."""

    def __init__(self, answers: mocks.Mocks, run: Run) -> None:
        super().__init__(answers)
        self._run = run
        self._names: dict[str, str] = {}

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        answer: resource_pb2.RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        self._names[answer.urn] = request.name
        if request.type != "pulumi:pulumi:Stack":
            # A machine and a workload may share a name: the first of a name is found by it alone.
            kind = request.type.rsplit(":", 1)[-1]
            key = request.name if request.name not in self._run.resources else f"{kind} {request.name}"
            assert key not in self._run.resources, "two resources of one type and name"
            inputs = pulumi.runtime.rpc.deserialize_properties(request.object, keep_unknowns=True)
            provider = inputs.pop("__provider", "")
            self._run.resources[key] = Registered(
                kind=request.type.removeprefix(_KIND_PREFIX).rsplit(":", 1)[-1],
                type=request.type,
                name=request.name,
                inputs=inputs,
                parent=self._names.get(request.parent, ""),
                protect=request.protect,
                delete_before_replace=request.deleteBeforeReplace,
                pickled_provider=str(provider),
                depends_on=frozenset(self._names[urn] for urn in request.dependencies),
                retain_on_delete=request.retainOnDelete,
            )
        return answer


class _Answers(mocks.Mocks):
    """Ids and outputs as the engine would give them: of active machines, or none yet in a preview."""

    def __init__(self, preview: bool) -> None:
        self._preview = preview

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise AssertionError(f"the program calls no function, and called {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        if self._preview:
            # What is not answered is unknown, as the engine has it for outputs that only a create gives.
            return "", {name: value for name, value in args.inputs.items() if value is not None}
        outputs: dict[str, Any] = {}
        if args.typ.endswith(":FleetReady"):
            machines = args.inputs["instances"].items()
            outputs = {
                "machines": {name: self._machine(identity) for name, identity in machines},
                "usd_per_hour": "7.35",
            }
        elif args.typ.endswith(":OneClickCluster"):
            outputs = {"machines": {"node-1": {}}, "gpus": 8, "list_usd_per_hour": "31.92"}
        elif args.typ.endswith(":ClusterCredentials"):
            outputs = {"credentials": make_credentials(args.inputs["cluster"], datetime.now(UTC))}
        return f"id-of-{args.name}", {**args.inputs, **outputs}

    @staticmethod
    def _machine(identity: str) -> dict[str, str]:
        return {"id": identity, "status": "active", "ip": "192.0.2.7", "private_ip": "10.0.0.7"}


def _logger(run: Run) -> logging.Logger:
    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            {logging.ERROR: run.errors, logging.WARNING: run.warnings}[record.levelno].append(
                record.getMessage()
            )

    logger = logging.Logger("program", logging.WARNING)
    logger.addHandler(Keep())
    return logger
