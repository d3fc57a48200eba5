"""Sizes and times are read from what docker writes, and nothing unmeasured passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.images import (
    BudgetsRefused,
    ImageBudget,
    Measured,
    MeasurementRefused,
    budget_report,
    check_budget,
    read_budgets,
    read_build_metadata,
    read_history_bytes,
    read_manifest_bytes,
)

START = "2026-11-24T08:26:28.651359794Z"
LIMIT = ImageBudget(unpacked_mb=800, warm_build_s=8)


def _times(start: str, end: str) -> dict[str, Any]:
    return {"buildType": "x", "metadata": {"buildStartedOn": start, "buildFinishedOn": end}}


def _write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as a finished build leaves it: 512.3 MB, 7.5 s."""
    metadata = {
        "buildx.build.warnings": [],
        "inference-gateway": {
            "buildx.build.provenance": _times(START, "2026-11-24T08:26:36.151359794Z"),
            "buildx.build.ref": "builder/builder0/0fjb6ubs52xx3vygf6fgdl611",
            "containerimage.digest": "sha256:" + "1" * 64,
        },
    }
    _write(tmp_path / "metadata.json", metadata)
    _write(tmp_path / "budgets.json", {
        "stages": {"production": {"unpacked_mb": 800, "warm_build_s": 8}},
        "targets": {"inference-gateway": "production"},
    })  # fmt: skip
    lines = [{"CreatedBy": "COPY", "Size": "512300000"}, {"CreatedBy": "ENV", "Size": "0"}]
    history = "\n".join(map(json.dumps, lines)) + "\n"
    (tmp_path / "inference-gateway.history.jsonl").write_text(history, "utf-8")
    _write(tmp_path / "inference-gateway.manifest.json", {
        "config": {"size": 2000}, "layers": [{"size": 100_000_000}, {"size": 50_998_000}],
    })  # fmt: skip
    return tmp_path


def _report(folder: Path) -> Any:
    return budget_report(folder / "budgets.json", metadata=folder / "metadata.json", sizes=folder)


def test_a_build_within_its_budget_is_kept(built: Path) -> None:
    report = _report(built)
    assert report.kept
    assert report.as_markdown().splitlines()[2:] == [
        "| inference-gateway | unpacked MB | 512.3 | 800 | kept |",
        "| inference-gateway | warm build s | 7.5 | 8 | kept |",
        "| inference-gateway | compressed MB | 151.0 | - | kept |",
    ]


def test_a_build_without_sizes_is_not_kept(built: Path) -> None:
    (built / "inference-gateway.history.jsonl").unlink()
    assert [row.verdict for row in _report(built).rows][:1] == ["not measured"]
    assert not _report(built).kept


def test_a_build_without_times_is_not_kept(built: Path) -> None:
    _write(built / "metadata.json", {"inference-gateway": {"buildx.build.provenance": {"buildType": "x"}}})
    assert [row.verdict for row in _report(built).rows][1] == "not measured"
    assert not _report(built).kept


def test_nothing_built_is_not_kept(built: Path) -> None:
    _write(built / "metadata.json", {})
    assert not _report(built).kept


def test_an_image_without_limits_is_not_kept() -> None:
    assert not check_budget({"new": Measured(1, 1.0)}, {}).kept


@given(unpacked=st.integers(0, 2_000_000_000), seconds=st.floats(0, 100))
def test_a_limit_holds_up_to_itself(unpacked: int, seconds: float) -> None:
    report = check_budget({"a": Measured(unpacked, seconds)}, {"a": LIMIT})
    assert report.kept == (unpacked <= 800_000_000 and seconds <= 8)


def test_the_time_of_several_platforms_is_from_the_first_start_to_the_last_end(tmp_path: Path) -> None:
    metadata = {
        "a": {
            "buildx.build.provenance/linux/amd64": _times("2026-11-24T08:00:01Z", "2026-11-24T08:00:05Z"),
            "buildx.build.provenance/linux/arm64": _times("2026-11-24T08:00:02Z", "2026-11-24T08:00:09Z"),
        }
    }
    record = read_build_metadata(_write(tmp_path / "m.json", metadata))["a"]
    assert (record.build_s, record.digest) == (8.0, None)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "not an object"),
        ({"containerimage.digest": "sha256:1"}, "of `buildx build`"),
        ({"a": "x"}, "a: is not an object"),
        ({"a": {"buildx.build.provenance": _times("yesterday", START)}}, "no times of the known form"),
        ({"a": {"buildx.build.provenance": {"metadata": {"buildStartedOn": START}}}}, "no times"),
        ({"a": {"buildx.build.provenance": _times(START, "2026-11-24T08:00:00Z")}}, "ends before it starts"),
    ],
)
def test_metadata_of_another_form_is_refused(tmp_path: Path, document: Any, says: str) -> None:
    with pytest.raises(MeasurementRefused, match=says):
        read_build_metadata(_write(tmp_path / "m.json", document))


@pytest.mark.parametrize("text", ["", "{}\n", '{"Size": "12.3MB"}\n', '{"Size": "-1"}\n', "x\n"])
def test_history_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(MeasurementRefused):
        read_history_bytes(path)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"manifests": []}, "inspect each platform"),
        ({"config": {"size": 1}}, "not an image manifest"),
        ({"config": {"size": "1"}, "layers": []}, "not an image manifest"),
        ([], "not an image manifest"),
    ],
)
def test_a_manifest_of_another_form_is_refused(tmp_path: Path, document: Any, says: str) -> None:
    with pytest.raises(MeasurementRefused, match=says):
        read_manifest_bytes(_write(tmp_path / "m.json", document))


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(MeasurementRefused, match=r"gone\.json: cannot be read"):
        read_build_metadata(tmp_path / "gone.json")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"stages": {"p": {"unpacked_mb": 0, "warm_build_s": 8}}, "targets": {}},
        {"stages": {"p": {"unpacked_mb": True, "warm_build_s": 8}}, "targets": {}},
        {"stages": {"p": {"unpacked_mb": 1.5, "warm_build_s": 8}}, "targets": {}},
        {"stages": {"p": {"unpacked_mb": 1}}, "targets": {}},
        {"stages": {}, "targets": {"a": "p"}},
        [],
    ],
)
def test_budgets_of_another_form_are_refused(tmp_path: Path, document: Any) -> None:
    with pytest.raises(BudgetsRefused):
        read_budgets(_write(tmp_path / "b.json", document))
