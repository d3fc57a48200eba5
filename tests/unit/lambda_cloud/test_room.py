"""The room as a whole: what it exports, what it promises, what importing it costs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

from sophia_infra import lambda_cloud
from sophia_infra.lambda_cloud import RetryPlan
from sophia_infra.lambda_cloud.client import TIMEOUT_CONNECT_S, TIMEOUT_READ_S, LambdaCloud

MODULES = sorted(module.name for module in pkgutil.iter_modules(lambda_cloud.__path__))


def test_every_public_name_is_exported_on_purpose() -> None:
    visible = {
        name
        for name, value in vars(lambda_cloud).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert visible == set(lambda_cloud.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_lists_its_public_names_and_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(f"sophia_infra.lambda_cloud.{name}")
    assert module.__doc__
    assert all(hasattr(module, public) for public in module.__all__)


def test_every_call_has_a_docstring() -> None:
    for name, method in inspect.getmembers(LambdaCloud, inspect.isfunction):
        assert name.startswith("_") or method.__doc__, name


def test_the_promised_defaults() -> None:
    assert (TIMEOUT_CONNECT_S, TIMEOUT_READ_S) == (10.0, 60.0)
    assert RetryPlan() == RetryPlan(base_s=1.0, cap_s=20.0, deadline_s=120.0, attempts_max=8)
    parameters = inspect.signature(LambdaCloud).parameters
    assert parameters["timeout_connect_s"].default == TIMEOUT_CONNECT_S
    assert parameters["timeout_read_s"].default == TIMEOUT_READ_S


def test_importing_the_room_does_not_import_what_is_slow() -> None:
    """`requests` and `filelock` take 0.1 to 0.3 s together: commands that send nothing do without."""
    program = (
        "import sys, sophia_infra.lambda_cloud\n"
        "slow = {'requests', 'urllib3', 'filelock', 'asyncio', 'pydantic', 'pulumi'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
