"""Settings are refused with the place and what is allowed, before anything listens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sophia_infra.inference.config_file import read_config
from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.inference.gateway.__main__ import main
from sophia_infra.inference.gateway.keys import parse_keys
from sophia_infra.inference.gateway.settings import GatewaySettings
from sophia_infra.model.gateway import BackendConfig, GatewayConfig

CONFIG = GatewayConfig(
    backends={"own": BackendConfig(base_url="http://127.0.0.1:1/v1", models={"qwen-3-32b": "qwen"})}
)


def write(folder: Path, text: str) -> Path:
    path = folder / "config.json"
    path.write_text(text)
    return path


def test_what_the_program_writes_is_what_the_gateway_reads(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(CONFIG.model_dump(mode="json")))
    assert read_config(path) == CONFIG


def test_each_wrong_key_is_named(tmp_path: Path) -> None:
    raw = CONFIG.model_dump(mode="json")
    raw["backends"]["own"]["max_in_flight"] = 0
    raw["limits"]["speed"] = 3
    with pytest.raises(SettingsRefused) as refused:
        read_config(write(tmp_path, json.dumps(raw)))
    assert "backends.own.max_in_flight" in str(refused.value)
    assert "limits.speed" in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[1"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsRefused, match="not JSON"):
        read_config(write(tmp_path, text))


def test_the_ledger_is_the_option_else_the_variable_else_a_file_beside(tmp_path: Path) -> None:
    settings = GatewaySettings(config_path=tmp_path / "config.json", keys_path=tmp_path / "keys")
    with_variable = CONFIG.model_copy(update={"ledger_url_env": "LEDGER_URL"})
    assert settings.resolved_ledger_url(with_variable, {"LEDGER_URL": "postgresql://x/y"}).endswith("x/y")
    assert settings.resolved_ledger_url(CONFIG, {}) == f"sqlite:///{tmp_path}/inference-ledger.sqlite"
    with pytest.raises(SettingsRefused, match="LEDGER_URL"):
        settings.resolved_ledger_url(with_variable, {})


def test_a_new_key_comes_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--new-key", "backend"]) == 0
    key_text, line_text = capsys.readouterr().out.splitlines()
    assert ": sk-sophia-backend-" in key_text
    assert list(parse_keys(line_text.partition(": ")[2], name="x")) == ["backend"]


def test_a_bad_setting_ends_with_2_and_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("")
    arguments = ["--config", str(tmp_path / "none"), "--keys", str(keys), "--log-level", "error"]
    assert main([*arguments, "--min-warm", "qwen"]) == 2
    assert "MODEL=N" in capsys.readouterr().err
