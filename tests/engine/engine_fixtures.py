"""The real engine for every test of this tier: found, or built with a line that says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.home import open_home
from sophia_infra.engine.locate import Engine, find_engine
from tests.engine.project import CHECKOUT, Project, make_project


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The engine of this machine."""
    home = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": str(tmp_path_factory.mktemp("home"))})
    return find_engine(home, progress=_say_that_it_builds)


@pytest.fixture
def project(tmp_path: Path, engine: Engine, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A project of its own, with an empty cloud. An indirect parameter names the provider."""
    with make_project(tmp_path / "project", engine) as made:
        provider = getattr(request, "param", None)
        if provider:
            made.variables["SOPHIA_PROVIDER"] = provider
        yield made


def _say_that_it_builds(progress: BuildProgress) -> None:
    print(f"building the engine: {progress.line} ({progress.elapsed_s:.0f} s)", file=sys.stderr, flush=True)
