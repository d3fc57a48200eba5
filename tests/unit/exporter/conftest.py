from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sophia_infra.emulator import EmulatorServer
from sophia_infra.monitoring.exporter_settings import ExporterSettings
from tests.emulator.emulator_client import strict_settings
from tests.unit.exporter.stage import Stage, machine, settings_of

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage() -> Iterator[MakeStage]:
    """An account with the given settings of the emulator, and an exporter that looks at it."""
    with ExitStack() as stack:

        def make(
            settings: ExporterSettings | None = None, *, account: dict[str, Any] | None = None, **more: Any
        ) -> Stage:
            emulator = stack.enter_context(EmulatorServer(strict_settings(**(account or {}))))
            stage = Stage(emulator, settings or settings_of({"core": machine()}), **more)
            stack.callback(stage.api.session.close)
            stack.callback(stage.close)
            return stage

        yield make


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """One machine in the file, `core`; nothing runs."""
    return make_stage()
