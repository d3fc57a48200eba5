"""What docs/workloads.md says is what the models and the table do."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from sophia_infra.model.forms import ClosedModel
from sophia_infra.model.kubernetes.field_docs import BEGIN, DOCS_FILE, END, MODELS, build_fields_section
from sophia_infra.model.kubernetes.packing import GIB, RESERVE_CPU, RESERVE_MEMORY
from sophia_infra.model.kubernetes.swarm import SWARM_SERVICES, swarm_map
from sophia_infra.model.stack_config import load_stack_config
from tests.unit.model.kubernetes.kubernetes_stacks import SECTION, section_of, stack_of

TEXT = DOCS_FILE.read_text(encoding="utf-8")


def test_the_fields_are_those_of_the_models() -> None:
    """Written by `python -m sophia_infra.model.kubernetes.field_docs`."""
    assert TEXT[TEXT.index(BEGIN) : TEXT.index(END) + len(END)] == build_fields_section()


def test_every_model_of_the_section_has_a_table() -> None:
    mine = {model for model in ClosedModel.__subclasses__() if ".kubernetes." in model.__module__}
    assert mine == {model for _, model in MODELS}


def test_the_row_of_the_docs_is_accepted() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (row,) = [yaml.safe_load(block) for block in blocks if block.startswith("workloads:")]
    store = {"image": "store:1", "storage": "1Gi", "cpu": 1, "memory": "1Gi"}
    stores = {kind: {**store, "kind": kind} for kind in ("redis", "postgres")}
    stack = stack_of(
        ((SECTION, "workloads"), row["workloads"]),
        ((SECTION, "databases"), stores),
        ((SECTION, "gpu_sharing", "A6000"), {"time_slicing": 6}),
    )
    assert section_of(stack).workloads["summaries"].autoscale is not None


def test_the_stack_of_the_docs_overrides_rows_that_exist() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (example,) = [yaml.safe_load(block) for block in blocks if block.startswith("config:")]
    kube = section_of(load_stack_config(Path(DOCS_FILE).parents[1] / "Pulumi.local.yaml"))
    assert set(example["config"][SECTION]["workloads"]) <= set(kube.workloads)


def test_the_swarm_table_and_the_reserve_are_current() -> None:
    kube = section_of(load_stack_config(Path(DOCS_FILE).parents[1] / "Pulumi.local.yaml"))
    for peer in swarm_map(kube):
        assert f"| {peer.service.name} | {peer.name} | {peer.service.note} |" in TEXT
    assert len(swarm_map(kube)) == len(SWARM_SERVICES)
    assert f"{RESERVE_CPU // 1000} CPU and {RESERVE_MEMORY // GIB} GiB" in TEXT
