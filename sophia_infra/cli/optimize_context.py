"""What a command about cost advice needs: the stack, its state, its usage, its settings, and its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.optimization.action_log import ActionLog
from sophia_infra.optimization.config import OptimizationConfig, load_config
from sophia_infra.optimization.engine import CostOptimizationEngine
from sophia_infra.optimization.facts import WeekTokens
from sophia_infra.optimization.gathering import Site
from sophia_infra.optimization.prometheus import PrometheusGate, PrometheusUsage

if TYPE_CHECKING:
    from sophia_infra.engine.locate import Engine

__all__ = ["Opened", "Request", "log_path", "open_engine"]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says."""

    stack: str
    prometheus: str | None
    settings: Path | None
    ledger_env: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine ready for use, and why the state could not be read, if so."""

    context: StackContext
    engine: CostOptimizationEngine
    config: OptimizationConfig
    log: ActionLog
    notes: tuple[str, ...]


def log_path(context: StackContext) -> Path:
    """The action log of the stack."""
    return context.home.root / "optimization" / f"{context.name}.jsonl"


def open_engine(
    request: Request, context: StackContext | None = None, *, say: Callable[[str], None] = lambda _line: None
) -> Opened:
    """Everything but the first question.

    Raises:
        ConfigError: the stack file or the settings are wrong.
        AddressRefused: the address of Prometheus cannot be asked.
        SettingsRefused: see `provider.settings`.
    """
    context = open_stack(request.stack) if context is None else context
    config = _settings(request, context)
    server = None if request.prometheus is None else PrometheusApi.from_environment(request.prometheus)
    session = context.open_session()
    found, notes = _find_engine(context)
    site = Site(
        session=session,
        stack=context.tag,
        config=context.config,
        read_deployment=_state_reader(context, found),
        wanted=context.wanted_launches,
        phase=context.prepared.phase,
        who_updates=_update_finder(context, found),
        tokens=_token_reader(
            context, request, {name: offer.backends for name, offer in config.token_offers.items()}
        ),
        bought=_token_reader(context, request, {name: (name,) for name in config.machine_offers}),
    )
    log = ActionLog(log_path(context), session.clock.now)
    engine = CostOptimizationEngine(
        site,
        config,
        None if server is None else PrometheusUsage(server),
        log,
        None if server is None else PrometheusGate(server),
        stack_file=context.home.checkout / f"Pulumi.{context.name}.yaml",
        say=say,
    )
    return Opened(context, engine, config, log, notes)


def _settings(request: Request, context: StackContext) -> OptimizationConfig:
    usual = context.home.checkout / f"optimization.{context.name}.yaml"
    if request.settings is not None:
        return load_config(request.settings)
    return load_config(usual) if usual.is_file() else OptimizationConfig()


def _find_engine(context: StackContext) -> tuple[Engine | None, tuple[str, ...]]:
    """The engine that reads the state; without one there is advice, and nothing counts as proven."""
    from sophia_infra.cli.finding_engine import find_engine_aloud
    from sophia_infra.engine.errors import BuildFailed, EngineMissing

    try:
        return find_engine_aloud(context.home), ()
    except (EngineMissing, BuildFailed) as error:
        return None, (f"The state was not read: {error}",)


def _state_reader(context: StackContext, engine: Engine | None) -> Callable[[], Mapping[str, Any] | None]:
    def read() -> Mapping[str, Any] | None:
        if engine is None:
            return None
        from sophia_infra.engine.stacks import export_stack, stack_exists

        if not stack_exists(engine, context.name, context.home):
            return {}
        return export_stack(engine, context.name, context.home).get("deployment") or {}

    return read


def _update_finder(context: StackContext, engine: Engine | None) -> Callable[[], str | None]:
    def find() -> str | None:
        if engine is None:
            return None
        from sophia_infra.engine.stacks import lock_holders

        holders = lock_holders(engine, context.name, context.home)
        return str(holders[0]) if holders else None

    return find


def _token_reader(
    context: StackContext, request: Request, backends: Mapping[str, Iterable[str]]
) -> Callable[[], Mapping[str, WeekTokens]]:
    """Reads the ledger at each look; nothing where nothing is to be compared or no ledger was written."""

    def read() -> Mapping[str, WeekTokens]:
        if not backends:
            return {}
        from sophia_infra.cli.inference_ledger import ledger_address
        from sophia_infra.inference.ledger import open_ledger
        from sophia_infra.model.clock import SystemClock
        from sophia_infra.optimization.ledger import read_weeks

        address = ledger_address(context, request.ledger_env)
        if address is None:
            return {}
        with open_ledger(address) as ledger:
            # The ledger's times are the gateway's, which is the machine's clock.
            now_s = SystemClock().now()
            found = {name: read_weeks(ledger, names, now_s) for name, names in backends.items()}
        return {name: weeks for name, weeks in found.items() if weeks is not None}

    return read
