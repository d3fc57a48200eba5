"""The two processes: what they refuse before they ask anybody, when they hang, what joins a machine."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client import CollectorRegistry

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.joining import make_credentials
from sophia_infra.model.kubernetes import KubernetesConfig
from sophia_infra.model.scaler import CalendarConfig, ScalerConfig
from sophia_infra.model.scaling_site import ForecasterSite, JoinSite, NodeScalerSite, as_text
from sophia_infra.scaling.nodes.errors import BootTextMissing
from sophia_infra.scaling.serving.__main__ import FAILED, USAGE, main
from sophia_infra.scaling.serving.node_scaling import MountedBootText, scaler_settings
from sophia_infra.scaling.serving.process import Pulse, serving

KEY = "secret_test_00000000000000000000000000000000.not-a-real-secret"
REGION = "us-east-1"
POOL = {"type": "1xA10", "regions": [REGION], "max": 2, "min": 1, "demand": [{"source": "pending_pods"}]}
JOIN = JoinSite(cluster="sophia", region=REGION, kubernetes=KubernetesConfig.model_validate({}))


def scaler_site(**changes: Any) -> NodeScalerSite:
    fields: dict[str, Any] = {
        "stack": "sophia-infra/test",
        "endpoint": "lambda",
        "apply": False,
        "prometheus_url": None,
        "ssh_key": "ops",
        "budget_usd_per_hour": Decimal(5),
        "quota": None,
        "fleet": {"core": {"type": "gpu_1x_a10", "adopt_name": "old"}},
        "scaler": ScalerConfig.model_validate({"pools": {"gpu": POOL}}),
        "join": None,
        **changes,
    }
    return NodeScalerSite.model_validate(fields)


def forecaster_site(**changes: Any) -> ForecasterSite:
    fields = {"prometheus_url": "http://127.0.0.1:9", "query": None, "every_s": 60, "calendar": {}, **changes}
    return ForecasterSite.model_validate(fields)


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A main() of this process must not filter what other tests log, nor find anything of this machine."""
    monkeypatch.setattr("sophia_infra.scaling.serving.__main__.set_up_logs", lambda: None)
    for name in ("LAMBDA_API_KEY", "LAMBDA_API_URL", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "forecaster.json").write_text(as_text(forecaster_site()))
    (tmp_path / "scaler.json").write_text(as_text(scaler_site()))
    (tmp_path / "joined.json").write_text(as_text(scaler_site(join=JOIN)))
    nowhere = as_text(forecaster_site(calendar=CalendarConfig(zone="Nowhere/At_All")))
    (tmp_path / "zone.json").write_text(nowhere)
    short = ScalerConfig.model_validate({"pools": {"gpu": {**POOL, "lead_time_s": 120}}})
    (tmp_path / "short.json").write_text(as_text(scaler_site(scaler=short)))
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "key.json").write_text(json.dumps({"lambda_api_key": KEY}))
    return tmp_path


def wrong(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().err


FORECAST = ("forecast", "--config", "{folder}/forecaster.json")
SCALER = ("scaler", "--state", "{folder}/state", "--config")


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        ((), {}, USAGE, "required: program"),
        (("sing",), {}, USAGE, "invalid choice: 'sing'"),
        (("forecast",), {}, USAGE, "required: --config"),
        (("scaler", "--config", "x"), {}, USAGE, "required: --state"),
        (("forecast", "--config", "/nowhere/x"), {}, USAGE, "/nowhere/x: cannot be read: No such file"),
        (("forecast", "--config", "{folder}/list.json"), {}, USAGE, "list.json: is not an object"),
        (("forecast", "--config", "{folder}/key.json"), {}, USAGE, "lambda_api_key: is not a known key"),
        (("forecast", "--config", "{folder}/zone.json"), {}, USAGE, "is no IANA time zone"),
        ((*FORECAST, "--listen", "9106"), {}, USAGE, "'9106' is no address to listen on"),
        ((*FORECAST, "--listen", "192.0.2.1:9106"), {}, FAILED, "Nobody can listen on http://192.0.2.1:9106"),
        ((*SCALER, "{folder}/short.json"), {}, USAGE, "lead_time_s is 120"),
        ((*SCALER, "{folder}/joined.json"), {}, USAGE, "no --join names its file"),
        ((*SCALER, "{folder}/scaler.json"), {}, USAGE, "There is no Lambda Cloud API key"),
        (
            (*SCALER, "{folder}/scaler.json"),
            {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": "http://127.0.0.1:1"},
            USAGE,
            "LAMBDA_API_URL is set, but this stack is of the real Lambda Cloud",
        ),
        ((*SCALER, "{folder}/scaler.json"), {"LAMBDA_API_KEY": KEY}, USAGE, "KUBERNETES_SERVICE_HOST"),
        (
            (*SCALER, "{folder}/scaler.json", "--account", "{folder}/nobody"),
            {
                "LAMBDA_API_KEY": KEY,
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": "1",
            },
            USAGE,
            "nobody cannot be read: No such file",
        ),
    ],
)
def test_what_is_wrong_with_a_call_is_one_line_and_a_code(
    folder: Path,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found, text = wrong(capsys, *(argument.format(folder=folder) for argument in arguments))
    assert (found, said in text) == (code, True), text
    assert "Traceback" not in text
    assert KEY not in text


def test_its_exit_codes_are_those_of_the_command() -> None:
    assert (FAILED, USAGE) == (ExitCode.FAILED, ExitCode.USAGE)


def test_the_fleet_keeps_its_price_and_its_place_in_the_settings() -> None:
    settings = scaler_settings(scaler_site())
    (machine,) = settings.fleet
    assert (machine.name, machine.instance_type, machine.adopt_name) == ("core", "gpu_1x_a10", "old")
    assert (settings.limits.budget_usd_per_hour, settings.pools[0].ssh_key) == (Decimal(5), "ops")


def test_it_is_ready_after_a_first_look_and_hangs_when_no_look_ends() -> None:
    now_s = 0.0
    pulse = Pulse(60, now=lambda: now_s)
    with serving(CollectorRegistry(), ("127.0.0.1", 0), pulse) as url:

        def code(path: str) -> int:
            return requests.get(f"{url}{path}", timeout=10).status_code

        assert (code("/health"), code("/ready")) == (200, 503)
        pulse.beat()
        assert (code("/health"), code("/ready"), code("/metrics")) == (200, 200, 200)
        now_s = 1800.0
        assert code("/health") == 200, "a pass of many launches is no hang"
        now_s = 1861.0
        assert (code("/health"), code("/ready")) == (503, 200)


def files_of(text: str) -> str:
    """All files that a boot text writes, one after the other."""
    made = []
    for row in yaml.safe_load(text)["write_files"]:
        packed = row.get("encoding") == "gz+b64"
        made.append(gzip.decompress(base64.b64decode(row["content"])).decode() if packed else row["content"])
    return "\n".join(made)


def test_a_machine_joins_by_what_the_mounted_file_says_now(tmp_path: Path) -> None:
    whole = make_credentials("sophia", datetime(2026, 9, 1, tzinfo=UTC))
    parts = {part: whole[part] for part in ("agent_token", "server_ca_certificate")}
    file = tmp_path / "join.json"
    texts = MountedBootText(JOIN, file)
    for address in ("10.0.0.2", "10.0.0.3"):
        file.write_text(json.dumps({"address": address, **parts}))
        text = texts.text_for("gpu-scaled-1", "gpu", "gpu_1x_a10", REGION)
        assert text is not None
        written = files_of(text)
        assert f"https://{address}:6443" in written
        assert "sophia.internal/scaled=gpu" in written
    with pytest.raises(BootTextMissing, match="no cluster in us-west-1"):
        texts.text_for("gpu-scaled-1", "gpu", "gpu_1x_a10", "us-west-1")


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"address": "10.0.0.2"}'])
def test_without_a_whole_file_no_machine_is_launched(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "join.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BootTextMissing):
        MountedBootText(JOIN, file).text_for("gpu-scaled-1", "gpu", "gpu_1x_a10", REGION)
