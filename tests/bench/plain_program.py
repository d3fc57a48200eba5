"""A plain Pulumi program of as many resources, run by the same means: what the SDK costs by itself."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from sophia_infra import program
from tests.program.program_run import run_program, small_config

__all__ = ["run_plain_program"]

_PROPS: dict[str, Any] = {
    "name": "thing",
    "region": "us-west-1",
    "kind": "gpu_1x_a10",
    "tags": {"owner": "ml", "purpose": "bench", "team": "ml"},
}


def run_plain_program(count: int) -> None:
    """Register `count` resources of a few properties each under mocks. RuntimeError when some are missing."""

    def register() -> None:
        for number in range(count):
            pulumi.CustomResource("bench:index:Thing", f"thing{number}", _PROPS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "run", register)
        made = run_program(patch, small_config({}))
    if len(made.resources) != count:
        raise RuntimeError(f"{len(made.resources)} of {count} resources were made: {made.errors}")
