"""The page of the scaler: its example is accepted, and it leaves no rule, limit or metric out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml
from prometheus_client import generate_latest

from sophia_infra.model.kubernetes import NodeScalerConfig
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.scaling.nodes.deciding import Word
from sophia_infra.scaling.nodes.metrics import ScalerMetrics

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "node-scaler.md").read_text(encoding="utf-8")


def test_the_examples_are_accepted() -> None:
    [pools, in_cluster] = (yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    config = ScalerConfig.model_validate(pools["sophia:scaler"])
    assert config.pools["inference"].schedule[0].begin == 9 * 60
    assert NodeScalerConfig.model_validate(in_cluster["scaler"]).enabled


def test_every_rule_but_the_words_of_none_is_explained() -> None:
    missing = [word for word in get_args(Word) if word != "booting" and f"`{word}`" not in PAGE]
    assert missing == []


def test_every_metric_is_named() -> None:
    text = generate_latest(ScalerMetrics().registry).decode()
    names = set(re.findall(r"# TYPE sophia_scaler(\w+) (?:gauge|counter)", text))
    missing = [name for name in names if not name.endswith("_created") and f"{name}" not in PAGE]
    assert missing == []
