"""From a room's error to one sentence and an exit code: no traceback for what a user can mend."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator

from sophia_infra.cli.exit_codes import ExitCode

__all__ = ["reporting_failures"]


@contextlib.contextmanager
def reporting_failures() -> Iterator[None]:
    """Print an error of any room to stderr and leave with its exit code; let bugs of ours through."""
    try:
        yield
    except KeyboardInterrupt:
        _leave(_INTERRUPTED, ExitCode.INTERRUPTED)
    except SystemExit as end:
        # typer answers Ctrl-C with this code and no word.
        if end.code == ExitCode.INTERRUPTED:
            _leave(_INTERRUPTED, ExitCode.INTERRUPTED)
        raise
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _leave(_said_of_file(error) if isinstance(error, OSError) else str(error), code)


def _leave(message: str, code: ExitCode) -> None:
    print(f"sophia: {message}", file=sys.stderr)
    raise SystemExit(int(code)) from None


def _said_of_file(error: OSError) -> str:
    """What the system refused, in words and with the way out; other errors keep theirs."""
    step = _NEXT_STEPS.get(error.errno or 0)
    if step is None or error.strerror is None:
        return str(error)
    return f"{error.filename or 'The output'}: {error.strerror}. Next: {step}"


def _exit_code(error: Exception) -> ExitCode | None:
    """The code for `error`; looks only into rooms that are imported already, so that none is loaded here."""
    for module, names, code in _FAMILIES:
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, tuple(getattr(loaded, name) for name in names)):
            return code
    return None


_INTERRUPTED = "Interrupted. Nothing was lost: run the same command again to go on."

_NO_RIGHTS = "let the user who runs sophia read and write there, or set SOPHIA_HOME to a folder of its own."
_NO_SPACE = "make room and run the same command again; what was done before is kept."
_NEXT_STEPS = {
    errno.EACCES: _NO_RIGHTS,
    errno.EPERM: _NO_RIGHTS,
    errno.EROFS: _NO_RIGHTS,
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
}

# The first family that fits wins, so the narrow ones come first.
_FAMILIES: tuple[tuple[str, tuple[str, ...], ExitCode], ...] = (
    ("sophia_infra.engine.errors", ("EngineMissing", "BuildFailed"), ExitCode.ENGINE),
    ("sophia_infra.engine.errors", ("StackLocked",), ExitCode.LOCKED),
    ("sophia_infra.engine.errors", ("ConfigRefused", "PassphraseWrong", "StackMissing"), ExitCode.USAGE),
    ("sophia_infra.engine.errors", ("UpdateCancelled",), ExitCode.INTERRUPTED),
    ("sophia_infra.engine.errors", ("EngineError",), ExitCode.FAILED),
    ("sophia_infra.cost.errors", ("PlanFailed",), ExitCode.FAILED),
    ("sophia_infra.cost.errors", ("CostError",), ExitCode.USAGE),
    ("sophia_infra.model.errors", ("ModelError",), ExitCode.USAGE),
    ("sophia_infra.emulator.errors", ("InvalidSettings",), ExitCode.USAGE),
    ("sophia_infra.cli.background", ("BackgroundUnavailable",), ExitCode.CLOUD),
    ("sophia_infra.control_plane.errors", ("KubeToolsMissing",), ExitCode.ENGINE),
    ("sophia_infra.control_plane.errors", ("ControlPlaneError",), ExitCode.CLOUD),
    ("sophia_infra.kubernetes_plugin.errors", ("SettingsRefused",), ExitCode.USAGE),
    ("sophia_infra.kubernetes_plugin.errors", ("PluginError",), ExitCode.CLOUD),
    ("sophia_infra.esc.errors", ("SettingsRefused", "TokenMissing", "DefinitionRefused"), ExitCode.USAGE),
    ("sophia_infra.esc.errors", ("EscError",), ExitCode.CLOUD),
    ("sophia_infra.inference.errors", ("UnknownModel", "SettingsRefused"), ExitCode.USAGE),
    ("sophia_infra.inference.ledger.errors", ("LedgerAddressWrong", "LedgerTooNew"), ExitCode.USAGE),
    ("sophia_infra.inference.errors", ("InferenceError",), ExitCode.CLOUD),
    ("sophia_infra.provider.errors", ("SettingsRefused",), ExitCode.USAGE),
    ("sophia_infra.provider.errors", ("ProviderError",), ExitCode.CLOUD),
    ("sophia_infra.lambda_cloud.errors", ("LambdaCloudError",), ExitCode.CLOUD),
    ("sophia_infra.training.errors", ("CapRefused", "CapReached"), ExitCode.OVER_BUDGET),
    ("sophia_infra.training.errors", ("RunRefused", "RunMissing"), ExitCode.USAGE),
    ("sophia_infra.training.errors", ("NoRoom",), ExitCode.NO_CAPACITY),
    ("sophia_infra.training.errors", ("RunHeld",), ExitCode.LOCKED),
    ("sophia_infra.training.errors", ("RunStopped",), ExitCode.INTERRUPTED),
    ("sophia_infra.training.errors", ("TrainingError",), ExitCode.FAILED),
    ("sophia_infra.scaling.nodes.errors", ("LeaseHeld",), ExitCode.LOCKED),
    ("sophia_infra.scaling.nodes.errors", ("LeaseLost", "ClusterUnavailable"), ExitCode.CLOUD),
    ("sophia_infra.scaling.errors", ("SourceUnavailable",), ExitCode.CLOUD),
    ("sophia_infra.scaling.errors", ("ScalingError",), ExitCode.USAGE),
    ("sophia_infra.optimization.errors", ("OptimizationError",), ExitCode.USAGE),
    ("sophia_infra.rollout.errors", ("RolloutHeld",), ExitCode.LOCKED),
    ("sophia_infra.rollout.errors", ("ClusterSilent",), ExitCode.CLOUD),
    ("sophia_infra.rollout.errors", ("NotPromotable",), ExitCode.FINDINGS),
    ("sophia_infra.rollout.errors", ("RolloutError",), ExitCode.USAGE),
    ("sophia_infra.validation.errors", ("CriteriaRefused",), ExitCode.FAILED),
    ("sophia_infra.validation.errors", ("ValidationError",), ExitCode.USAGE),
    ("sophia_infra.audit.errors", ("AuditError",), ExitCode.FAILED),
    ("sophia_infra.migration.errors", ("RunnerBusy",), ExitCode.LOCKED),
    ("sophia_infra.migration.errors", ("Stopped",), ExitCode.INTERRUPTED),
    ("sophia_infra.migration.errors", ("GateRed",), ExitCode.FINDINGS),
    ("sophia_infra.migration.errors", ("PlanRefused",), ExitCode.USAGE),
    ("sophia_infra.migration.errors", ("MigrationError",), ExitCode.FAILED),
    ("sophia_infra.backup.errors", ("BackupRefused",), ExitCode.USAGE),
    ("sophia_infra.backup.errors", ("SetDamaged",), ExitCode.FINDINGS),
    ("sophia_infra.backup.errors", ("StoreUnavailable",), ExitCode.CLOUD),
    ("sophia_infra.backup.errors", ("BackupError",), ExitCode.FAILED),
    ("sophia_infra.exporter.errors", ("ExporterError",), ExitCode.USAGE),
    ("sophia_infra.metrics_server", ("CannotListen",), ExitCode.FAILED),
    ("sophia_infra.metrics_server", ("ListenError",), ExitCode.USAGE),
    ("sophia_infra.reports.errors", ("ReportsError",), ExitCode.USAGE),
    ("sophia_infra.metrics_client.errors", ("AddressRefused", "NotTheSource"), ExitCode.USAGE),
    ("sophia_infra.metrics_client.errors", ("MetricsError",), ExitCode.CLOUD),
    ("builtins", ("OSError",), ExitCode.FAILED),
)
