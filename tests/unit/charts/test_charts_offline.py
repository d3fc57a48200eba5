"""The stand-in of a chart: same bytes every time, written whole, named and versioned like the pinned one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sophia_infra.charts import CHARTS, UnknownChart, custom_resource_definitions, write_offline_chart
from sophia_infra.charts.files import write_if_changed
from sophia_infra.charts.offline import offline_chart_files

EVERY_CHART = pytest.mark.parametrize("name", CHARTS)


def texts(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


@EVERY_CHART
def test_it_has_the_name_and_version_of_the_pinned_chart(name: str, tmp_path: Path) -> None:
    root = write_offline_chart(name, tmp_path)
    assert root == tmp_path / f"{name}-{CHARTS[name].version}" / name
    chart = yaml.safe_load((root / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["name"], chart["version"], chart.get("appVersion")) == (
        name,
        CHARTS[name].version,
        CHARTS[name].app_version,
    )


@EVERY_CHART
def test_the_same_chart_has_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = (texts(write_offline_chart(name, tmp_path / folder)) for folder in ("a", "b"))
    assert first == second
    assert set(first) == set(offline_chart_files(CHARTS[name]))


@EVERY_CHART
def test_it_brings_the_definitions_of_its_chart(name: str, tmp_path: Path) -> None:
    file = write_offline_chart(name, tmp_path) / "templates" / "definitions.yaml"
    documents = file.read_text(encoding="utf-8").split("---\n") if file.exists() else []
    found = [json.loads(document) for document in documents]
    assert found == custom_resource_definitions(chart=name)
    # Templates: what Helm finds in `crds` it would never upgrade and never delete.
    assert not (file.parent.parent / "crds").exists()


def test_definitions_hold_nothing_that_a_template_engine_would_read(tmp_path: Path) -> None:
    for name in CHARTS:
        file = write_offline_chart(name, tmp_path) / "templates" / "definitions.yaml"
        assert not file.exists() or "{{" not in file.read_text(encoding="utf-8")


def test_a_chart_that_is_right_is_not_touched_and_one_that_is_not_is_mended(tmp_path: Path) -> None:
    root = write_offline_chart("keda", tmp_path)
    written = texts(root)
    (root / "values.yaml").write_text("spoiled: true\n", encoding="utf-8")
    kept = root / "Chart.yaml"
    inode = kept.stat().st_ino
    write_offline_chart("keda", tmp_path)
    assert texts(root) == written
    assert kept.stat().st_ino == inode


def test_a_file_that_cannot_be_replaced_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write_if_changed(tmp_path / "file", "text")
    assert not list(tmp_path.iterdir())


def test_an_unknown_chart_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownChart, match="did you mean kueue"):
        write_offline_chart("keue", tmp_path)
    assert not list(tmp_path.iterdir())
