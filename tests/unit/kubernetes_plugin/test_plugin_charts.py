from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.kubernetes_plugin.charts import local_version, why_chart_is_refused
from sophia_infra.plugin_protocol.values import UNKNOWN


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    folder.mkdir()
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"name": "shop", "version": "1.2.3"}))
    return folder


@pytest.mark.parametrize(
    ("inputs", "property_", "sentence"),
    [
        ({}, "chart", "needs a chart"),
        ({"chart": "nowhere"}, "chart", "names no repository"),
        ({"chart": "shop", "repositoryOpts": {"repo": "https://x"}}, "version", "needs a version"),
        ({"chart": "oci://x/shop"}, "version", "needs a version"),
    ],
)
def test_charts_that_are_refused(inputs: dict[str, Any], property_: str, sentence: str) -> None:
    refused = why_chart_is_refused(inputs)
    assert refused is not None
    assert refused[0] == property_
    assert sentence in refused[1]


def test_local_charts_are_folders_or_archives_of_the_pinned_version(chart: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shop.tgz", "w:gz") as tar:
        tar.add(chart, "shop")
    assert local_version(str(tmp_path / "shop.tgz")) == local_version(str(chart)) == "1.2.3"
    assert why_chart_is_refused({"chart": str(chart), "version": "v1.2.3"}) is None
    assert why_chart_is_refused({"chart": UNKNOWN}) is None
    refused = why_chart_is_refused({"chart": str(chart), "version": "1.2.4"})
    assert refused == ("version", f"the chart in {chart} has version 1.2.3, not 1.2.4")
    (chart / "Chart.yaml").unlink()
    assert why_chart_is_refused({"chart": str(chart)}) is not None
