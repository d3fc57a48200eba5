"""An account, a home, and the processes of training runs that a test starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sophia_infra.emulator import Cloud
from sophia_infra.engine.home import open_home
from sophia_infra.training import opening
from sophia_infra.training.run_folder import RunFolder, new_run_id, runs_folder
from sophia_infra.training.run_spec import Choice, RunSpec
from sophia_infra.training.run_state import RunState
from tests.chaos.victims import is_running, wait_until

__all__ = ["EAST", "H100", "LIVE", "NODES", "SPEED", "STACK", "Site"]

SPEED = 600.0
STACK = "sophia-infra/test"
H100, EAST = "gpu_8x_h100_sxm5", "us-east-3"
NODES = 2
LIVE = ("booting", "active", "unhealthy")


@dataclass
class Site:
    """An account, a home, and the processes that the test started; those are ended at its end, by id."""

    cloud: Cloud
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    watchdogs: list[int] = field(default_factory=list)

    def new_run(self, **changes: Any) -> RunFolder:
        now_s = self.cloud.now()
        spec = {
            "run_id": new_run_id(now_s),
            "stack": STACK,
            "endpoint": "emulator",
            "cluster": "trainer",
            "workload": "large-model-training",
            "nodes": NODES,
            "min_nodes": NODES,
            # Three times what an hour costs: what is billed beyond that hour would show.
            "max_usd": Decimal(192),
            "max_hours": 12,
            "choices": (Choice(H100, EAST, Decimal("31.92")),),
            "command": "train.py",
            "ssh_key": "key",
            "began_s": now_s,
            **changes,
        }
        whole = RunSpec(**spec)
        folder = RunFolder(runs_folder(open_home(environ=self.environment)) / whole.run_id)
        folder.make(whole)
        return folder

    def attend(self, folder: RunFolder) -> subprocess.Popen[bytes]:
        with (folder.path / "attend.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sophia_infra.training", "attend", str(folder.path)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def finish(self, folder: RunFolder) -> RunState:
        """Attend it to its end."""
        process = self.attend(folder)
        process.wait(60)
        log = (folder.path / "attend.log").read_text()
        assert process.returncode == 0, log
        assert "Traceback" not in log
        return folder.state()

    def watchdog(self, folder: RunFolder) -> int:
        """The id of its living watchdog."""
        wait_until(lambda: folder.is_held("watchdog"))
        pid = folder.holder("watchdog")
        assert pid is not None
        self.watchdogs.append(pid)
        return pid

    def hold(self, operation: str, when: str) -> Any:
        with self.cloud.lock:
            return self.cloud.faults.add(operation, when, "hold")

    def release(self, rule: Any) -> None:
        with self.cloud.lock:
            rule.release(go_on=True)

    def rows(self, folder: RunFolder) -> list[dict[str, Any]]:
        rows = self.cloud.dump()["instances"]
        return [row for row in rows if row["tags"].get("sophia-run") == folder.run_id]

    def live(self, folder: RunFolder) -> list[dict[str, Any]]:
        return [row for row in self.rows(folder) if row["status"] in LIVE]

    def close(self) -> None:
        with self.cloud.lock:
            self.cloud.faults.clear()
        for process in self.started:
            process.kill()
            process.wait(10)
        for pid in self.watchdogs:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
        while opening._started:
            opening._started.pop().wait(10)
