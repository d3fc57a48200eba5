"""The whole migration as a user runs it, on a real API server; then a canary that fails, and a lost state.

The tests of this file tell one story on one cluster, in order. The first costs some minutes; that buys every
gate, backup, update, report and drill of the three phases, with the real engine.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from tests.cluster.gateway_api import install_gateway_api
from tests.cluster.leftovers import list_everything, settled_leftovers
from tests.cluster.whole_stack import NAMESPACE, WholeStack, whole_stack

pytestmark = pytest.mark.engine

ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
ROLLOUT = "  sophia:rollout: {weights: [50, 100], bake_minutes: 0.02}\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    """Stack `local` with short steps for a canary; nothing is up."""
    with whole_stack(tmp_path_factory.mktemp("migration")) as made:
        file = made.project / "Pulumi.local.yaml"
        file.write_text(file.read_text(encoding="utf-8") + ROLLOUT, encoding="utf-8")
        install_gateway_api(made.plane)
        made.before = list_everything(made.plane)
        yield made


def machines(stack: WholeStack) -> dict[str, str]:
    """Name -> id of all that the account has."""
    rows = stack.sophia("instances", "--json").json()
    return {row["name"]: row["id"] for row in rows if row["status"] != "terminated"}


def test_the_whole_migration_runs_with_every_gate_green(stack: WholeStack) -> None:
    done = stack.sophia("migrate", "complete", "--cluster", "--yes", "--json")
    assert done.code == 0, done.said[-3000:]
    status = stack.sophia("migrate", "status", "--json").json()
    steps = [step for phase in status["phases"] for step in phase["steps"]]
    assert len(steps) > 20
    assert {step["status"] for step in steps} == {"done"}
    assert len(machines(stack)) == 5


def test_its_report_has_every_criterion_of_the_plan(stack: WholeStack) -> None:
    (report,) = stack.plane.home.root.glob("migration/local/validation.md")
    text = report.read_text(encoding="utf-8")
    assert "| M4.1 |" in text
    validated = stack.sophia("validate", "--json")
    assert validated.code == 0, validated.said[-2000:]
    verdicts = [row["verdict"] for row in validated.json()["criteria"]]
    assert len(verdicts) > 170
    print(f"\nvalidate: {', '.join(f'{verdicts.count(one)} {one}' for one in sorted(set(verdicts)))}")


class _Probe(BaseHTTPRequestHandler):
    """Answers well until it was asked often enough for the first step, then like a broken candidate."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200 if self.asked <= 3 else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_canary_that_breaks_goes_back_by_itself(stack: WholeStack) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Probe)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    probe = ("--probe-url", f"http://127.0.0.1:{server.server_port}/", "--interval", "0.2")
    try:
        done = stack.sophia(
            "canary", "run", "sophia-frontend", "--image", "sophia/frontend:1.1.0", *probe, "--yes"
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert done.code == ExitCode.FINDINGS, done.said[-2000:]
    assert _Probe.asked > 3, "it was never measured"
    left = stack.plane.request("GET", ROUTES)["items"]
    assert [side["weight"] for route in left for side in route["spec"]["rules"][0]["backendRefs"]] in (
        [],
        [100, 0],
    )
    assert len(stack.pods_of("sophia-frontend")) >= 1
    assert stack.sophia("preview", "--expect-no-changes").code == 0


def test_a_lost_state_is_adopted_and_nothing_is_launched(stack: WholeStack) -> None:
    before = machines(stack)
    state = stack.plane.home.root / "state"
    assert state.is_dir()
    shutil.rmtree(state)
    assert stack.sophia("adopt", "--all", "--dry-run", "--new-credentials").code in (0, ExitCode.FINDINGS)
    adopted = stack.sophia("adopt", "--all", "--yes", "--new-credentials")
    assert adopted.code == 0, adopted.said[-3000:]
    assert machines(stack) == before
    unchanged = stack.sophia("preview", "--expect-no-changes")
    assert unchanged.code == 0, unchanged.said[-2000:]


def test_every_change_is_in_the_audit_log_and_the_chain_is_whole(stack: WholeStack) -> None:
    entries: list[dict[str, Any]] = stack.sophia("audit", "list", "--json").json()["entries"]
    actions = {entry["action"] for entry in entries}
    assert {"up", "backup create", "adopt"} <= actions
    assert any("canary" in action for action in actions)
    assert stack.sophia("audit", "verify").code == 0


def test_down_leaves_nothing(stack: WholeStack) -> None:
    assert stack.sophia("down", "--yes", "--keep-emulator").code == 0
    assert machines(stack) == {}
    assert settled_leftovers(stack.plane, stack.before) == set()
