"""The commands inside docker/Dockerfile, run here with a stand-in for uv and another root folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.unit.images.dockerfile_graph import Instruction, read_graph

ROOT = Path(__file__).parents[3]
GRAPH = read_graph(ROOT / "docker" / "Dockerfile")


def _runs(stage: str) -> list[str]:
    return [found.text for found in GRAPH.stage(stage).instructions if found.cmd == "RUN"]


def _shell(text: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As the stage's SHELL runs it."""
    path = f"{cwd}/bin:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-eu", "-c", text],
        cwd=cwd,
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    uv = tmp_path / "bin" / "uv"
    uv.write_text('#!/bin/sh\necho "$@"\nexit "${UV_EXIT:-0}"\n', "utf-8")
    uv.chmod(0o755)
    return tmp_path


SYNC = "sync --frozen --no-dev --no-install-project --no-install-workspace"
INSTALL = "pip install --require-hashes -r"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (["pyproject.toml", "uv.lock"], SYNC),
        (["pyproject.toml", "uv.lock", "requirements.txt"], SYNC),
        (["requirements.lock", "requirements.txt"], f"{INSTALL} requirements.lock"),
        (["requirements.txt"], f"{INSTALL} requirements.txt"),
    ],
)
def test_the_best_lock_at_hand_is_installed(manifests: Path, files: list[str], command: str) -> None:
    for name in files:
        (manifests / name).touch()
    (install,) = _runs("dependencies")
    done = _shell(install, manifests)
    assert (done.stdout.strip(), done.returncode) == (command, 0)
    assert _shell(install, manifests, UV_EXIT="2").returncode == 2


def test_a_service_that_pins_nothing_is_refused(manifests: Path) -> None:
    (manifests / "pyproject.toml").touch()
    done = _shell(_runs("dependencies")[0], manifests)
    assert done.returncode == 1
    assert "Nothing pins the dependencies" in done.stderr


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    source = app / "src" / "mcp_gong"
    source.mkdir(parents=True)
    (source / "__main__.py").write_text("import sys\nprint(sys.argv[1:])\n", "utf-8")
    (app / "src" / ".env").write_text("KEY=1\n", "utf-8")
    (app / "src" / ".git").mkdir()
    (app / ".venv" / "bin").mkdir(parents=True)
    (app / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return app


def test_the_image_starts_the_module_with_the_arguments_of_the_container(app: Path) -> None:
    for run in _runs("application"):
        done = _shell(run.replace("/app/", f"{app}/"), app, MODULE="mcp_gong")
        assert (done.stderr, done.returncode) == ("", 0)
    assert sorted(path.name for path in (app / "src").iterdir()) == ["mcp_gong"]
    assert list((app / "src" / "mcp_gong" / "__pycache__").iterdir())
    started = _shell(f"{app}/bin/start --port '90 00'", app / "src")
    assert started.stdout == "['--port', '90 00']\n"


def test_an_image_without_module_is_refused(app: Path) -> None:
    done = _shell(_runs("application")[-1].replace("/app/", f"{app}/"), app, MODULE="")
    assert done.returncode == 1
    assert "Give the build argument MODULE" in done.stderr


def test_the_interpreter_loses_pip_and_keeps_the_rest(tmp_path: Path) -> None:
    python = tmp_path / "python" / "cpython-3.12.16-linux-x86_64-gnu"
    library = python / "lib" / "python3.12"
    packages = library / "site-packages"
    kept = {python / "bin" / "python3.12", library / "os.py", packages / "README.txt"}
    gone = {
        python / "bin" / "pip3.12",
        python / "include" / "python.h",
        packages / "pip" / "__main__.py",
        packages / "pip-26.dist-info" / "RECORD",
        library / "ensurepip" / "_bundled.py",
        library / "idlelib" / "run.py",
    }
    for path in kept | gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    prune = next(run for run in _runs("tools") if "find" in run)
    prune = prune[prune.index("find") : prune.rindex("uv venv")].replace(
        "/opt/python", str(tmp_path / "python")
    )
    assert _shell(prune, tmp_path).returncode == 0
    assert {path for path in python.rglob("*") if path.is_file()} == kept


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/health": 200, "/cold": 503}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), _Health)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.mark.parametrize("stage", ["production", "gpu-runtime"])
@pytest.mark.parametrize(("path", "healthy"), [("/health", True), ("/cold", False), ("/other", False)])
def test_the_health_check_tells_a_healthy_server(server: str, stage: str, path: str, healthy: bool) -> None:
    check: Instruction = next(
        found for found in GRAPH.stage(stage).instructions if found.cmd == "HEALTHCHECK"
    )
    command = [sys.executable, *check.value[2:]]
    # A proxy in the environment is not asked about the loopback address.
    environment = {"SOPHIA_HEALTH_URL": server + path, "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) is healthy


def test_the_health_check_tells_a_server_that_is_gone() -> None:
    check = next(found for found in GRAPH.stage("production").instructions if found.cmd == "HEALTHCHECK")
    environment = {"SOPHIA_HEALTH_URL": "http://127.0.0.1:9/health"}
    command = [sys.executable, *check.value[2:]]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode != 0


def test_the_recipe_runs_its_commands_in_the_shell_of_these_tests() -> None:
    shell = next(found for found in GRAPH.stage("tools").instructions if found.cmd == "SHELL")
    assert shell.value == ("/bin/sh", "-eu", "-c")
