"""`sophia secrets` as its users see it: sentences, exit codes, JSON, and never a value."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.local_esc import ensure_esc_emulator, find_esc_emulator, seed, stop_esc_emulator
from sophia_infra.engine.home import Home, open_home
from sophia_infra.esc import EnvironmentName, EscAccess, EscClient, SecretText
from sophia_infra.esc.catalogue import DEFINITION_FILE, parse_catalogue
from sophia_infra.esc.emulator.server import EscEmulatorServer
from sophia_infra.esc.emulator.state import Store
from sophia_infra.operations.audit_log import AuditLog
from tests.unit.cli.sophia_command import A10, CHECKOUT, Finished, Sophia

TOKEN = "pul-cli-test-token-0815"
VALUE = "given-by-a-person-4711"
DEFINITION = """# The secrets of this test.
values:
  db:
    password: {fn::secret: ""}  # owner=platform generate=password:40 then="ALTER ROLE"
  ai:
    key: {fn::secret: ""}  # owner=ai from="their console"
"""
API = {
    "image": "example.test/api:1.2.3",
    "ports": {"http": 8000},
    "cpu": "0.1..1",
    "memory": "128Mi..1Gi",
    "secret_env": {"PASSWORD": "db.password"},
}


class Desk:
    """A project with secrets, an ESC emulator whose clock can be set back, and the command."""

    def __init__(self, folder: Path, emulator: EscEmulatorServer, clock: list[datetime]) -> None:
        self.sophia = Sophia(folder / "project", folder / "home")
        self.clock = clock
        self.emulator = emulator
        self.shown: list[str] = []
        self.write()
        file = self.sophia.project / DEFINITION_FILE
        file.parent.mkdir(parents=True)
        file.write_text(DEFINITION, encoding="utf-8")
        access = EscAccess(emulator.url, SecretText(TOKEN), "ESC_TOKEN")
        self.client = EscClient(access, EnvironmentName("sophia", "platform", "test"))
        self.audit = AuditLog(self.sophia.home / "audit" / "secrets.jsonl")

    def write(self, **secrets: Any) -> None:
        names = {
            "organization": "sophia",
            "project": "platform",
            "environment": "test",
            "token_env": "ESC_TOKEN",
        }
        kubernetes = {"secrets": {**names, **secrets}, "workloads": {"api": API}}
        self.sophia.write_config({"a": A10}, kubernetes=kubernetes)

    def run(self, *arguments: str, **environment: str) -> Finished:
        access = {"SOPHIA_ESC_URL": self.emulator.url, "ESC_TOKEN": TOKEN}
        done = self.sophia.run("secrets", *arguments, **{**access, **environment})
        self.shown.append(done.out + done.err)
        return done

    def values(self) -> set[str]:
        """Every secret there ever was, and the token."""
        store = self.emulator.store
        texts = [one.text for env in store.environments.values() for one in env.revisions]
        found = {TOKEN, VALUE}
        for text in texts:
            opened = store.check("sophia", "platform/test", text).values
            found |= {str(value.content) for group in opened.values() for value in group.content.values()}  # type: ignore[union-attr]
        return {value for value in found if value}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = [datetime.now(UTC)]
    with EscEmulatorServer(Store(now=lambda: clock[0]), SecretText(TOKEN)) as emulator:
        made = Desk(tmp_path, emulator, clock)
        yield made
        said = "".join(made.shown) + (made.audit.path.read_text() if made.audit.path.exists() else "")
        assert not [value for value in made.values() if value in said]


def test_from_an_empty_service_to_a_rotated_secret(desk: Desk) -> None:
    """The whole way, in one test because each step needs the one before."""
    desk.clock[0] = datetime.now(UTC) - timedelta(days=40)
    missing = desk.run("check")
    assert (missing.code, missing.out) == (64, "")
    assert "make it by `sophia secrets init`" in missing.err
    assert "2 secrets by name" in desk.run("init").out
    assert "was left as it is" in desk.run("init").out

    empty = desk.run("check", "--json")
    assert empty.code == 6
    assert [(one["kind"], one["subject"]) for one in empty.json()["findings"]] == [
        ("empty", "db.password"),
        ("empty", "ai.key"),
    ]

    dry = desk.run("rotate", "--all-due", "--dry-run")
    assert "would get a new value: db.password" in dry.out
    assert "needs a person: ai.key (their console)" in dry.out
    assert desk.client.open().secret("db.password").is_empty
    filled = desk.run("rotate", "--all-due")
    assert filled.code == 6
    assert "db.password has a new value" in filled.out
    assert "then, for db.password: ALTER ROLE" in filled.out
    given = desk.run("rotate", "ai.key", "--value-from-env", "NEW", "--json", NEW=VALUE)
    assert (given.code, given.json()["rotated"]) == (0, ["ai.key"])
    assert desk.client.open().secret("ai.key").reveal() == VALUE

    late = desk.run("check")
    assert late.code == 6
    assert late.out.count("overdue:") == 2
    desk.clock[0] = datetime.now(UTC)
    old = desk.client.open().secret("db.password")
    assert desk.run("rotate", "db.password").code == 0
    assert desk.run("rotate", "ai.key", "--value-from-env", "NEW", NEW=VALUE + "-2").code == 0
    assert desk.client.open().secret("db.password") != old
    assert desk.client.definition().text.startswith("# The secrets of this test.\n")
    assert '# owner=platform generate=password:40 then="ALTER ROLE"' in desk.client.definition().text

    fine = desk.run("check")
    assert (fine.code, fine.out.count("\n")) == (0, 1)
    assert "2 secrets, 1 consumers, 0 findings. The cluster was not asked" in fine.out

    log = desk.run("audit")
    assert log.code == 0
    assert "rotate sophia/platform/test revision 3 ok: db.password" in log.out
    assert "check sophia/platform/test EnvironmentMissing" in log.out
    desk.audit.path.write_text(desk.audit.path.read_text().replace("EnvironmentMissing", "ok"))
    assert desk.run("audit", "--json").code == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rotate"], "Give either the path of one secret"),
        (["rotate", "db.password", "--all-due"], "Give either the path of one secret"),
        (["rotate", "db.pasword"], "did you mean db.password?"),
        (["rotate", "ai.key"], "can only be made elsewhere (their console)"),
        (["rotate", "ai.key", "--value-from-env", "NOT_SET"], "'NOT_SET' is not set"),
        (["rotate", "ai.key", "--value-from-env", "EMPTY"], "is empty"),
        (["rotate", "ai.key", "--value-from-env", "BAD"], "holds ${"),
        (["sync"], "Set KUBECONFIG, or give --kubeconfig"),
        (["sync", "--kubeconfig", "nowhere"], "nowhere"),
        (["check", "--stack", "none"], "none"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_nothing_is_written(
    desk: Desk, arguments: list[str], said: str
) -> None:
    desk.client.create()
    desk.client.update(DEFINITION, desk.client.definition().etag)
    done = desk.run(*arguments, EMPTY="", BAD="${x}" + VALUE)
    assert done.code == 64
    assert said in done.said
    assert done.out == ""
    assert desk.client.definition().revision == 2


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({"ESC_TOKEN": ""}, 64, "ESC_TOKEN is not set"),
        ({"ESC_TOKEN": "wrong"}, 64, "does not accept the token in ESC_TOKEN"),
        ({"SOPHIA_ESC_URL": "http://127.0.0.1:1"}, 5, "does not answer"),
        ({"SOPHIA_ESC_URL": "http://esc.example"}, 64, "must be https"),
    ],
)
def test_a_service_that_cannot_be_asked(
    desk: Desk, environment: dict[str, str], code: int, said: str
) -> None:
    done = desk.run("check", **environment)
    assert done.code == code
    assert said in done.said


def test_a_stack_without_secrets_and_one_whose_emulator_is_stopped(desk: Desk) -> None:
    stopped = desk.run("check", SOPHIA_ESC_URL="")
    assert (stopped.code, "`sophia up` starts it" in stopped.out) == (0, True)
    assert desk.run("check", "--json", SOPHIA_ESC_URL="").json() == {"esc_emulator": "stopped"}
    desk.sophia.write_config({"a": A10})
    assert "has no secrets" in desk.run("check").err


class TestTheLocalEmulatorInTheBackground:
    """One process for the project folder, seeded from the real checked-in definition."""

    class Settings:
        organization, project, environment = "sophia", "platform", "local"
        api_url: str | None = None
        token_env = "SOPHIA_ESC_TOKEN"
        rotate_days = 30

    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
        project = tmp_path / "project"
        (project / DEFINITION_FILE).parent.mkdir(parents=True)
        shutil.copy(CHECKOUT / DEFINITION_FILE, project / DEFINITION_FILE)
        home = open_home(checkout=project, environ={"SOPHIA_HOME": str(tmp_path / "home")})
        yield home
        stop_esc_emulator(home)

    def client(self, home: Home) -> EscClient:
        endpoint = find_esc_emulator(home)
        assert endpoint is not None
        return EscClient(
            EscAccess(endpoint.url, endpoint.token, "T"), EnvironmentName("sophia", "platform", "local")
        )

    def test_it_is_started_once_seeded_once_and_keeps_its_values(self, home: Home) -> None:
        first = ensure_esc_emulator(home, self.Settings())
        opened = self.client(home).open()
        secrets = {path: one for path, one in opened.values.items() if isinstance(one, SecretText)}
        assert not [path for path, one in secrets.items() if one.is_empty]
        assert first.variables(self.Settings()).keys() == {"SOPHIA_ESC_URL", "SOPHIA_ESC_TOKEN"}
        assert first.token.reveal() not in repr(first)
        assert ensure_esc_emulator(home, self.Settings()).pid == first.pid
        assert self.client(home).open().revision == opened.revision == 2
        assert stop_esc_emulator(home)
        assert not stop_esc_emulator(home)
        assert find_esc_emulator(home) is None
        ensure_esc_emulator(home, self.Settings())
        assert dict(self.client(home).open().values) == dict(opened.values)
        for file in [*(home.root / "esc").iterdir(), home.logs / "esc.log"]:
            text = file.read_text(encoding="latin-1")
            assert not [path for path, one in secrets.items() if one.reveal() in text], file
            assert file.name == "token" or first.token.reveal() not in text, file

    def test_a_name_that_is_new_in_the_definition_gets_a_value_and_the_others_stay(self, home: Home) -> None:
        endpoint = ensure_esc_emulator(home, self.Settings())
        before = self.client(home).open()
        file = home.checkout / DEFINITION_FILE
        text = file.read_text() + '\n  more: {fn::secret: ""}  # owner=platform generate=uuid\n'
        seed(endpoint, self.Settings(), parse_catalogue(text, source="t"))
        after = self.client(home).open()
        assert not after.secret("more").is_empty
        assert {path: after.values[path] for path in before.values} == dict(before.values)


def test_the_audit_log_of_nothing_is_whole(tmp_path: Path) -> None:
    sophia = Sophia(tmp_path / "project", tmp_path / "home")
    assert sophia.run("secrets", "audit", "--json").json() == {"entries": [], "broken": []}
