"""One whole run with a value of its own in every secret input; nothing printed or written may hold one.

Seventy seconds, most of them two updates and a preview on the real engine. That buys the only proof that
covers state, engine logs, event logs, journals, manifests, reports and copies at once.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from sophia_infra.cli.background import read_endpoint
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.engine.locate import Engine
from sophia_infra.esc import EnvironmentName, EscAccess, EscClient, SecretText
from sophia_infra.esc.catalogue import load_catalogue
from sophia_infra.esc.emulator.server import EscEmulatorServer
from sophia_infra.esc.emulator.state import Store
from sophia_infra.esc.property_path import parse_path
from sophia_infra.esc.secret_editing import with_secret
from tests.engine.canaries import Canaries, core_limit, open_to_others, watched_command_lines
from tests.engine.project import CHECKOUT, make_project
from tests.unit.cli.sophia_command import A10, Finished, Sophia

pytestmark = pytest.mark.engine

COPIED = ("workloads.yaml", "Pulumi.local.yaml", "policies", "infrastructure")
DEAD = "127.0.0.1:1"
FAILED = (ExitCode.FAILED, ExitCode.CLOUD, ExitCode.USAGE, ExitCode.FINDINGS)


@pytest.fixture
def site(tmp_path: Path, engine: Engine) -> Iterator[Sophia]:
    """Stack local as it is checked in, with a home that did not exist, and every file open unless closed."""
    before = os.umask(0)
    made = Sophia(
        tmp_path / "project",
        tmp_path / "home",
        {
            "PATH": os.environ["PATH"],
            "SOPHIA_ENGINE_DIR": str(engine.directory.parent),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "HOME": str(tmp_path / "user"),
            "COLUMNS": "200",
        },
    )
    for name in COPIED:
        source = CHECKOUT / name
        shutil.copytree(source, made.project / name) if source.is_dir() else shutil.copy(source, made.project)
    program = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    program["runtime"]["options"]["virtualenv"] = sys.prefix
    (made.project / "Pulumi.yaml").write_text(yaml.safe_dump(program), encoding="utf-8")
    stack = made.project / "Pulumi.local.yaml"
    stack.write_text(stack.read_text(encoding="utf-8").replace("speed: 60", "speed: 600"), encoding="utf-8")
    yield made
    os.umask(before)
    for pid in background(made).values():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def esc(canaries: Canaries) -> Iterator[EscEmulatorServer]:
    """An ESC environment with a planted value for each secret of the checked-in definition."""
    token = canaries.plant("SOPHIA_ESC_TOKEN", "pul-{}")
    with EscEmulatorServer(Store(), SecretText(token)) as server:
        name = EnvironmentName("sophia", "sophia-ai", "lambda-labs-optimized")
        client = EscClient(EscAccess(server.url, SecretText(token), "SOPHIA_ESC_TOKEN"), name)
        client.create()
        catalogue = load_catalogue(CHECKOUT)
        text = catalogue.text
        for path in catalogue.entries:
            text = with_secret(text, parse_path(path), canaries.plant(f"ESC {path}"))
        client.update(text, client.definition().etag)
        yield server


def test_no_planted_secret_comes_out_of_a_whole_run(
    site: Sophia, esc: EscEmulatorServer, canaries: Canaries, engine: Engine, tmp_path: Path
) -> None:
    plant(site, esc, canaries)
    printed: list[Finished] = []
    unexpected: list[str] = []

    def sophia(line: str, *expected: ExitCode, **environment: str) -> None:
        done = site.run(*line.split(), **environment)
        printed.append(done)
        if done.code not in (expected or (ExitCode.OK,)):
            unexpected.append(f"{line}: {done.code}, {done.said[-400:]}")

    with watched_command_lines(canaries) as in_process_list:
        sophia("up --json")
        add_local_keys(site, canaries)
        talk(site, canaries)
        limits = {name: core_limit(pid) for name, pid in background(site).items()}
        look_at_everything(sophia, site)
        fail_in_every_way(sophia, site, canaries)
        use_the_key(tmp_path / "keyed", engine, canaries)
    for line in look_through(canaries.plant("address password"), site):
        sophia(line, *FAILED)  # not watched: whoever writes a password into a command line shows it

    said = "".join(done.out + done.err for done in printed).encode()
    allowed = {
        "passphrase": ["passphrase"],
        **{f"gateway key {user}": [f"inference/keys/{user}"] for user in local_users(site)},
    }
    allowed["gateway key local"] = ["inference/keys/local", "inference/curl"]
    assert len(limits) == 3
    assert {
        "unexpected ends": unexpected,
        "printed": canaries.found_in(said),
        "in the process list": in_process_list,
        "written": canaries.found_in_files([site.home, tmp_path / "keyed"], allowed),
        "written into the checkout": canaries.found_in_files([site.project], MISPLACED),
        "open to other users": open_to_others(site.home),
        "core dumps, bytes": set(limits.values()),
    } == {
        "unexpected ends": [],
        "printed": set(),
        "in the process list": set(),
        "written": [],
        "written into the checkout": [],
        "open to other users": [],
        "core dumps, bytes": {"0"},
    }


MISPLACED = {
    "misplaced key": ["Pulumi.plain.yaml"],
    "misplaced backend key": ["Pulumi.gateway.yaml"],
    "misplaced password": ["Pulumi.workload.yaml"],
}
"""What this test itself writes into a stack file, where no secret belongs."""


def plant(site: Sophia, esc: EscEmulatorServer, canaries: Canaries) -> None:
    """A value in every variable that holds a secret, and in the user's SSH key."""
    backup_key = base64.b64encode(secrets.token_bytes(32)).decode()
    canaries.add("SOPHIA_BACKUP_KEY", backup_key)
    site.environment |= {
        "SOPHIA_ESC_URL": esc.url,
        "SOPHIA_ESC_TOKEN": canaries.values["SOPHIA_ESC_TOKEN"],
        "SOPHIA_BACKUP_KEY": backup_key,
        "SOPHIA_LEDGER_URL": f"postgresql+psycopg://books:{canaries.plant('ledger password')}@{DEAD}/books",
        "PULUMI_ACCESS_TOKEN": canaries.plant("PULUMI_ACCESS_TOKEN", "pul-{}"),
        "SOPHIA_STAND_IN_JOB_S": "1",
    }
    for name in (
        "LAMBDA_API_KEY",
        "PULUMI_CONFIG_PASSPHRASE",
        "PROMETHEUS_TOKEN",
        "SOPHIA_VLLM_API_KEY",
        "SOPHIA_THIRD_PARTY_KEY",
        "SOPHIA_GATEWAY_KEYS",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ):
        site.environment[name] = canaries.plant(name)
    ssh = Path(site.environment["HOME"]) / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    (ssh / "id_ed25519").write_text(canaries.plant("SSH private key"), encoding="utf-8")
    (ssh / "id_ed25519").chmod(0o600)


def background(site: Sophia) -> dict[str, int]:
    """Ids of the processes that the stack left running."""
    found = {
        file: read_endpoint(site.home / file).get("pid")
        for file in ("emulator/endpoint.json", "inference/gateway.endpoint", "inference/backend.endpoint")
    }
    return {file: int(pid) for file, pid in found.items() if pid is not None}


def local_users(site: Sophia) -> list[str]:
    return [file.name for file in (site.home / "inference/keys").iterdir()]


def add_local_keys(site: Sophia, canaries: Canaries) -> None:
    """What the local stack made for itself is as secret as what a user brings."""
    canaries.add("passphrase", (site.home / "passphrase").read_text(encoding="utf-8").strip())
    for user in local_users(site):
        key = (site.home / "inference/keys" / user).read_text(encoding="utf-8").strip()
        canaries.add(f"gateway key {user}", key)


def talk(site: Sophia, canaries: Canaries) -> None:
    """A prompt through the gateway, well and badly."""
    url = read_endpoint(site.home / "inference/gateway.endpoint")["url"]
    prompt = {"role": "user", "content": canaries.plant("prompt")}
    body = {"model": "qwen-3-32b", "max_tokens": 4, "messages": [prompt]}
    key = canaries.values["gateway key local"]
    for token, sent, status in (
        (key, body, 200),
        (key, body | {"stream": True}, 200),
        (key, body | {"messages": prompt}, 400),
        (key, body | {"model": canaries.plant("model name")}, 404),
        (canaries.plant("refused gateway key", "sk-sophia-local-{}"), body, 401),
    ):
        answer = requests.post(
            f"{url}/v1/chat/completions",
            json=sent,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        assert answer.status_code == status, answer.text
        assert token not in answer.text


def look_at_everything(sophia: Any, site: Sophia) -> None:
    """Every command that reads, copies or plans, on the stack that is up."""
    outside = site.home.parent
    sophia("status")
    sophia("doctor")
    sophia("monitor --once")
    sophia(f"report --out {site.project / 'report.html'}")
    sophia("exporter --once")
    sophia("validate", ExitCode.OK, ExitCode.FINDINGS, ExitCode.CLOUD)
    sophia("secrets check --json", ExitCode.OK, ExitCode.FINDINGS)
    sophia("secrets rotate databases.redis_password")
    sophia("secrets audit")
    sophia("backup create")
    sophia("backup list")
    sophia(f"backup restore --to {outside / 'back'} --yes")
    sophia("audit list")
    sophia("inference usage")
    sophia(f"canary plan inference-gateway --image {IMAGE}", ExitCode.OK, ExitCode.USAGE)
    sophia("train run --workload large-model-training --nodes 1 --yes")
    sophia(f"preview --markdown --policy-pack {site.project}/policies", ExitCode.OK, ExitCode.FAILED)


IMAGE = f"ghcr.io/sophia/inference-gateway@sha256:{'a' * 64}"


def fail_in_every_way(sophia: Any, site: Sophia, canaries: Canaries) -> None:
    """Each room's failure with a secret at hand: refused, unreachable, misplaced, malformed."""
    sophia(f"monitor --once --prometheus http://{DEAD}", *FAILED, ExitCode.OK)
    sophia("inference usage --ledger-env SOPHIA_LEDGER_URL", *FAILED)
    sophia("secrets check", *FAILED, SOPHIA_ESC_TOKEN=canaries.plant("wrong ESC token", "pul-{}"))
    sophia("secrets check", *FAILED, SOPHIA_ESC_URL=f"http://{DEAD}")
    sophia("backup verify", *FAILED, SOPHIA_BACKUP_KEY=canaries.plant("malformed backup key"))
    other = base64.b64encode(secrets.token_bytes(32)).decode()
    canaries.add("other backup key", other)
    sophia("backup verify", *FAILED, SOPHIA_BACKUP_KEY=other)
    sophia("secrets rotate ai.openai_api_key --value-from-env", *FAILED)
    sophia("types", *FAILED, LAMBDA_API_URL=f"http://{DEAD}")
    sophia("up", *FAILED, LAMBDA_API_URL=f"http://{DEAD}")

    gateway = {
        "backends": {"own": {"api_key": canaries.plant("misplaced backend key"), "models": {"a": "a"}}}
    }
    workload = {"web": {"env": {"DB_PASSWORD": canaries.plant("misplaced password")}}}
    site.write_config({"a": A10}, stack="plain", lambda_api_key=canaries.plant("misplaced key"))
    site.write_config({"a": A10}, stack="gateway", gateway=gateway)
    site.write_config({"a": A10}, stack="workload", kubernetes={"workloads": workload})
    for stack in ("plain", "gateway", "workload"):
        sophia(f"preview --stack {stack}", *FAILED)


def look_through(password: str, site: Sophia) -> list[str]:
    """Commands with the address of a Prometheus that nobody answers at, and a password in it."""
    address = f"http://watcher:{password}@{DEAD}"
    return [
        f"monitor --once --prometheus {address}",
        f"report --prometheus {address} --out {site.home.parent / 'none.html'}",
        f"validate --prometheus {address}",
    ]


def use_the_key(folder: Path, engine: Engine, canaries: Canaries) -> None:
    """The engine with a key that its cloud really asks for; stack local never sends the user's own."""
    key = canaries.plant("Lambda key in use", "secret_{}")
    with make_project(folder, engine, api_keys=(key,)) as keyed:
        keyed.variables["LAMBDA_API_KEY"] = key
        keyed.write({"front": A10})
        keyed.up()
        assert len(keyed.live()) == 1
        keyed.destroy()
