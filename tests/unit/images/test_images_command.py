"""`python -m sophia_infra.images`, as CI calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sophia_infra.images.__main__ import main

ROOT = Path(__file__).parents[3]
DIGEST = "sha256:" + "7" * 64


def _lock(path: Path, digest: str | None) -> list[str]:
    document = json.loads((ROOT / "docker" / "images.lock.json").read_text("utf-8"))
    for image in document["images"].values():
        platforms = {"linux/amd64": digest, "linux/arm64": digest} if digest else {}
        image.update(digest=digest, platforms=platforms)
    path.write_text(json.dumps(document), "utf-8")
    return ["--lock", str(path)]


def test_references_of_a_full_lock_are_a_steps_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["references", *_lock(tmp_path / "lock.json", DIGEST)]) == 0
    assert f"cuda=nvidia/cuda:12.4.1-runtime-ubuntu22.04@{DIGEST}" in capsys.readouterr().out.splitlines()


def test_an_empty_lock_stops_a_release_and_not_a_trial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = _lock(tmp_path / "lock.json", None)
    assert main(["references", *lock]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert "sophia images lock" in said.err
    assert main(["references", "--allow-unlocked", *lock]) == 0
    assert "runtime=debian:12.13-slim" in capsys.readouterr().out.splitlines()


def test_a_build_without_bake_gets_its_bases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arguments", *_lock(tmp_path / "lock.json", DIGEST)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"--build-arg=PYTHON_IMAGE=python:3.12.13-slim-bookworm@{DIGEST}",
        f"--build-arg=RUNTIME_IMAGE=debian:12.13-slim@{DIGEST}",
        f"--build-arg=CUDA_IMAGE=nvidia/cuda:12.4.1-runtime-ubuntu22.04@{DIGEST}",
    ]
    assert main(["arguments", *_lock(tmp_path / "lock.json", None)]) == 64


def test_a_budget_that_is_not_kept_is_exit_code_6(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = tmp_path / "warm.json"
    times = {"buildStartedOn": "2026-11-24T08:00:00Z", "buildFinishedOn": "2026-11-24T08:00:08Z"}
    metadata.write_text(json.dumps({"mcp-gong": {"buildx.build.provenance": {"metadata": times}}}), "utf-8")
    history = tmp_path / "mcp-gong.history.jsonl"
    command = ["budget", "--metadata", str(metadata), "--sizes", str(tmp_path)]
    command += ["--budgets", str(ROOT / "docker" / "budgets.json")]
    for size, code in (("800000000", 0), ("800000001", 6)):
        history.write_text(json.dumps({"Size": size}), "utf-8")
        assert main(command) == code
        assert "| mcp-gong | warm build s | 8.0 | 8 | kept |" in capsys.readouterr().out
    history.unlink()
    assert main(command) == 6
    metadata.write_text("[]", "utf-8")
    assert main(command) == 64


def test_it_needs_nothing_but_python() -> None:
    command = [sys.executable, "-S", "-m", "sophia_infra.images", "references", "--allow-unlocked"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
