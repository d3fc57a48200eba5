"""The real `sophia` command in a process of its own, on a project and a home in a temporary folder.

`Sophia.run` forks it from one that has imported it; `Sophia.started` starts Python anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.command_server import run_command

CHECKOUT = Path(__file__).resolve().parents[3]
API_KEY = "secret_sophia-tests_0123456789abcdef0123456789abcdef.AbCdEf0123456789"
"""In the environment of every run: no output may ever show it."""

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn sophia-local"
A10 = {"type": "1xA10", "region": "us-west-1", "purpose": "development"}
TIMEOUT_S = 120.0
_FRAME = re.compile("[\u2500-\u257f]")


@dataclass(frozen=True)
class Finished:
    """How one run ended. `said` is all of it, without frames and line breaks."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return " ".join(_FRAME.sub(" ", f"{self.out} {self.err}").split())

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Sophia:
    """A project folder, a home, and the environment of every run."""

    project: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.project.mkdir(parents=True, exist_ok=True)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(CHECKOUT / name, self.project)
        self.environment = {
            # Without a pulumi to find and a Go to build one: no test here may start a build of five minutes.
            "PATH": str(self.home / "no-programs"),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOME": str(self.home / "user"),
            "SOPHIA_HOME": str(self.home),
            "SOPHIA_PROJECT": str(self.project),
            "SOPHIA_ENGINE_DIR": str(self.home / "no-engine"),
            "LAMBDA_API_KEY": API_KEY,
            **self.environment,
        }

    def write(self, text: str, stack: str = "local") -> None:
        (self.project / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")

    def write_config(self, fleet: dict[str, Any], *, stack: str = "local", **further: Any) -> None:
        """A right stack file with this fleet; `further` are other `sophia:` keys, None takes one away."""
        values = {
            "phase": 1,
            "endpoint": "emulator",
            "budget": {"limit": "$500/day"},
            "ssh": {"public_key": PUBLIC_KEY},
            "fleet": fleet,
            **further,
        }
        config = {f"sophia:{key}": value for key, value in values.items() if value is not None}
        self.write(yaml.safe_dump({"config": config}, sort_keys=False), stack)

    @contextlib.contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """`sophia ARGUMENTS` running; ended at the end in any case."""
        with subprocess.Popen(
            [sys.executable, "-m", "sophia_infra.cli", *arguments],
            env={**self.environment, **environment},
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str, **environment: str) -> Finished:
        """Run it to its end, and check what holds for every run: no traceback, no key."""
        whole = {**self.environment, **environment}
        ended = run_command(arguments, whole, self.home.parent, timeout_s=TIMEOUT_S)
        return _checked(ended.code, ended.out, ended.err)


def finish(process: subprocess.Popen[str]) -> Finished:
    """Wait for the end; nobody ever sees a traceback or the key."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return _checked(process.returncode, out, err)


def _checked(code: int, out: str, err: str) -> Finished:
    assert "Traceback" not in err + out, err
    assert API_KEY not in err + out
    assert API_KEY.rpartition(".")[2] not in err + out
    return Finished(code, out, err)
