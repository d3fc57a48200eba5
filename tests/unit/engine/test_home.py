from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from sophia_infra.engine.home import (
    Home,
    engine_environment,
    ensure_passphrase,
    file_backend,
    open_home,
    write_private_file,
)

USER = {
    "HOME": "/home/someone",
    "PATH": "/usr/bin",
    "LAMBDA_API_KEY": "secret",
    "PULUMI_HOME": "/home/someone/.pulumi",
    "PULUMI_CREDENTIALS_PATH": "/home/someone/.pulumi",
    "PULUMI_BACKEND_URL": "https://api.pulumi.com",
    "PULUMI_ACCESS_TOKEN": "pul-1",
    "PULUMI_CONFIG_PASSPHRASE": "theirs",
    "PULUMI_STACK": "production",
    "PULUMI_PARALLEL": "7",
}


def environment_of(stack: str, home: Home, environ: dict[str, str], ambient: bool = False) -> dict[str, str]:
    return engine_environment(
        stack, home, engine_directory=Path("/engine"), ambient_plugins=ambient, environ=environ
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_home_lies_in_the_checkout_and_is_closed_to_others(home: Home, checkout: Path) -> None:
    assert home.root == checkout / ".sophia"
    folders = [home.root, home.state, home.pulumi, home.stacks, home.launches]
    folders += [home.pacing, home.logs, home.emulator]
    assert {mode(folder) for folder in folders} == {0o700}


def test_sophia_home_moves_it(checkout: Path, tmp_path: Path) -> None:
    assert (
        open_home(checkout=checkout, environ={"SOPHIA_HOME": str(tmp_path / "own")}).root == tmp_path / "own"
    )


def test_a_home_that_was_open_to_others_is_closed(home: Home, checkout: Path) -> None:
    home.root.chmod(0o755)
    open_home(checkout=checkout, environ={})
    assert mode(home.root) == 0o700


def test_the_passphrase_is_made_once_and_only_for_the_owner(home: Home) -> None:
    text = ensure_passphrase(home).read_text()
    assert len(text) >= 43
    assert mode(home.passphrase_file) == 0o600
    assert ensure_passphrase(home).read_text() == text


def test_starts_at_the_same_time_agree_on_one_passphrase(home: Home) -> None:
    barrier = threading.Barrier(8)
    seen: list[str] = []

    def start() -> None:
        barrier.wait()
        seen.append(ensure_passphrase(home).read_text())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert [file.name for file in home.root.glob("*passphrase*")] == ["passphrase"]


def test_a_failed_write_leaves_the_old_file_and_no_other(home: Home) -> None:
    file = home.root / "file"
    write_private_file(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private_file(file, "\udcff")
    assert file.read_text() == "old"
    assert [path.name for path in home.root.glob("*file*")] == ["file"]


def test_stack_local_takes_nothing_of_the_users_pulumi(home: Home) -> None:
    environment = environment_of("local", home, USER)
    assert {name: value for name, value in environment.items() if name.startswith("PULUMI_")} == {
        "PULUMI_BACKEND_URL": f"file://{home.state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(home.passphrase_file),
        "PULUMI_HOME": str(home.pulumi),
        "PULUMI_PARALLEL": "7",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_CREDENTIAL_STORE": "plaintext",
    }
    assert environment["PATH"] == "/engine:/usr/bin"
    assert environment["LAMBDA_API_KEY"] == "secret"


def test_another_stack_keeps_the_users_backend_token_and_passphrase_but_not_the_home(home: Home) -> None:
    environment = environment_of("production", home, USER)
    assert environment["PULUMI_BACKEND_URL"] == "https://api.pulumi.com"
    assert environment["PULUMI_ACCESS_TOKEN"] == "pul-1"
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == "theirs"
    assert environment["PULUMI_HOME"] == str(home.pulumi)
    assert "PULUMI_CREDENTIALS_PATH" not in environment
    assert "PULUMI_STACK" not in environment
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment


def test_another_stack_without_a_backend_of_the_user_lives_in_our_folder(home: Home) -> None:
    environment = environment_of("staging", home, {"PATH": "/usr/bin"})
    assert file_backend(environment) == home.state
    assert not home.passphrase_file.exists()


def test_a_token_alone_means_the_users_cloud(home: Home) -> None:
    environment = environment_of("staging", home, {"PULUMI_ACCESS_TOKEN": "pul-1"})
    assert "PULUMI_BACKEND_URL" not in environment
    assert file_backend(environment) is None


def test_an_official_engine_may_use_plugins_on_path(home: Home) -> None:
    assert "PULUMI_IGNORE_AMBIENT_PLUGINS" not in environment_of("local", home, USER, ambient=True)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"no_proxy": "a.example"}, "a.example,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "b.example"}, "b.example,localhost,127.0.0.1,::1"),
    ],
)
def test_engine_and_providers_ask_no_proxy_for_each_other(
    home: Home, theirs: dict[str, str], ours: str
) -> None:
    """The gRPC of Python goes through `http_proxy` even to 127.0.0.1, and the update dies of it."""
    environment = environment_of("staging", home, {"http_proxy": "http://proxy.example:3128", **theirs})
    assert environment["http_proxy"] == "http://proxy.example:3128"
    assert (environment["no_proxy"], environment["NO_PROXY"]) == (ours, ours)
