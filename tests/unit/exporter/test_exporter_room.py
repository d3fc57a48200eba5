"""The room as a whole: what it exports, what it costs to import, what its codes mean."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

from sophia_infra import exporter
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.exporter.__main__ import FAILED, USAGE
from sophia_infra.exporter.errors import ExporterError
from sophia_infra.metrics_server import ListenError

MODULES = sorted(module.name for module in pkgutil.iter_modules(exporter.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_lists_its_public_names_and_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(f"sophia_infra.exporter.{name}")
    assert module.__doc__
    assert all(hasattr(module, public) for public in module.__all__)


def test_the_process_carries_nothing_that_it_does_not_need() -> None:
    """Each of these takes MiB that a small container has to pay for."""
    program = (
        "import sys, sophia_infra.exporter.__main__, sophia_infra.lambda_cloud.transport\n"
        "heavy = {'pydantic', 'pulumi', 'typer', 'rich', 'yaml', 'sqlalchemy', 'openai', 'cryptography',\n"
        "         'asyncio', 'filelock', 'starlette', 'uvicorn', 'httpx2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_its_exit_codes_are_those_of_the_command() -> None:
    assert (FAILED, USAGE) == (ExitCode.FAILED, ExitCode.USAGE)


def test_every_error_says_whose_fault_it_is_and_what_to_do() -> None:
    kinds: list[type[ExporterError | ListenError]] = [
        *ExporterError.__subclasses__(),
        *ListenError.__subclasses__(),
    ]
    assert {kind.__name__ for kind in kinds} == {"AddressRefused", "CannotListen", "StateUnusable"}
    for kind in kinds:
        assert str(kind("It is so.")) == f"It is so. Next: {kind.next_step}"
        assert kind.fault == "user"
