"""The shared table beside the stack file: what overrides what, and which file a mistake is laid at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.model.stack_config import ConfigError, StackConfig, load_stack_config, parse_stack_config
from tests.unit.model.kubernetes.kubernetes_stacks import REMOVED, SECTION, Change, changed, section_of

FILE = (SECTION, "workloads_file")
NO_ROWS: tuple[Change, ...] = (((SECTION, "workloads"), REMOVED), ((SECTION, "databases"), REMOVED))
TABLE = """\
workloads:
  api:
    image: sophia/api:1.0.0
    replicas: 2
    ports: {http: 8000}
    cpu: "1..2"
    memory: 2Gi..4Gi
    env: {A: "1", B: "2"}
  worker:
    image: sophia/worker:1.0.0
    ports: {http: 9000}
    cpu: 1
    memory: 1Gi
databases:
  store: {kind: redis, image: "redis:7.4", storage: 1Gi, cpu: 1, memory: 1Gi}
"""


def write(folder: Path, table: str, *changes: Change) -> Path:
    stack = changed(*NO_ROWS, (FILE, "table.yaml"), *changes)
    (folder / "table.yaml").write_text(table, encoding="utf-8")
    path = folder / "Pulumi.test.yaml"
    path.write_text(yaml.safe_dump({"config": stack}, sort_keys=False), encoding="utf-8")
    return path


def read(folder: Path, table: str, *changes: Change) -> StackConfig:
    return load_stack_config(write(folder, table, *changes))


def problems_of(folder: Path, table: str, *changes: Change) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, table, *changes)
    return str(caught.value).splitlines()


def test_rows_of_the_table_come_first_and_are_overridden_field_by_field(tmp_path: Path) -> None:
    mine = {
        "own": {"image": "a/own:1", "ports": {"http": 9001}, "cpu": 1, "memory": "1Gi"},
        "api": {"replicas": 3, "env": {"B": "3"}},
        "worker": {"enabled": False},
    }
    kube = section_of(read(tmp_path, TABLE, ((SECTION, "workloads"), mine)))
    assert list(kube.workloads) == ["api", "worker", "own"]
    api = kube.workloads["api"]
    assert (api.replicas, api.image, api.ports) == (3, "sophia/api:1.0.0", {"http": 8000})
    assert api.env == {"B": "3"}, "a field is replaced as a whole"
    assert list(kube.enabled_workloads()) == ["api", "own"]
    assert list(kube.enabled_databases()) == ["store"]
    assert kube.workloads_file is None, "what was read is inside"


def test_a_field_of_the_table_can_be_taken_back(tmp_path: Path) -> None:
    table = TABLE.replace("replicas: 2", "replicas: 2\n    ingress: {host: api}")
    kube = section_of(read(tmp_path, table, ((SECTION, "workloads"), {"api": {"ingress": None}})))
    assert kube.workloads["api"].ingress is None


def test_the_engine_hands_over_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE, ((SECTION, "workloads"), {"api": {"replicas": 3}}))
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    handed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    assert parse_stack_config(handed, path.name, directory=tmp_path) == load_stack_config(path)
    with pytest.raises(ConfigError, match=r'workloads_file: "table.yaml" cannot be read'):
        parse_stack_config(handed, path.name, directory=tmp_path / "elsewhere")


def test_a_mistake_is_laid_at_the_file_in_which_it_stands(tmp_path: Path) -> None:
    table = TABLE.replace("2Gi..4Gi", "2GB").replace("9000", "90000")
    mine = {"api": {"replicas": 0}, "worker": {"cpuu": 1}}
    lines = problems_of(tmp_path, table, ((SECTION, "workloads"), mine))
    stack = (tmp_path / "Pulumi.test.yaml").read_text(encoding="utf-8").splitlines()
    at = [next(n for n, line in enumerate(stack, 1) if word in line) for word in ("replicas: 0", "cpuu")]
    assert [line.split(";")[0] for line in lines] == [
        f"Pulumi.test.yaml:{at[0]} sophia:kubernetes.workloads.api.replicas: 0 is out of range",
        f"Pulumi.test.yaml:{at[1]} sophia:kubernetes.workloads.worker.cpuu: is not a known key, "
        "did you mean cpu?",
        'table.yaml:7 workloads.api.memory: "2GB" is not an amount of memory or storage, and the unit is '
        "missing or not a binary one",
        "table.yaml:11 workloads.worker.ports.http: 90000 is out of range",
    ]
    assert all("allowed: " in line for line in lines)


def test_conflicts_between_rows_and_with_the_fleet_are_laid_there_too(tmp_path: Path) -> None:
    table = TABLE.replace("9000", "6379")
    table = table.replace("    replicas: 2", "    replicas: 2\n    talks_to: [workr]\n    gpu: {model: H100}")
    shown = [line.split(";")[0] for line in problems_of(tmp_path, table)]
    assert shown == [
        "table.yaml:2 workloads.api: asks for 2 pods of 1 H100, 1 CPU and 2Gi each, and no machine that "
        "joins a cluster has H100: add one to sophia:fleet, or choose another gpu.model",
        'table.yaml:5 workloads.api.talks_to[0]: "workr" is neither a workload nor a database, did you mean '
        "worker?",
        "table.yaml:17 databases.store.port: 6379 is the port of worker in sophia-ai-prod already",
    ]


def test_readable_rows_are_judged_though_others_cannot_be_read(tmp_path: Path) -> None:
    table = TABLE.replace('cpu: "1..2"', "cpu: lots").replace(
        "cpu: 1\n", "cpu: 1\n    talks_to: [api, stor]\n"
    )
    shown = [line.split(";")[0] for line in problems_of(tmp_path, table)]
    assert shown == [
        'table.yaml:6 workloads.api.cpu: "lots" is not an amount of CPU',
        'table.yaml:13 workloads.worker.talks_to[1]: "stor" is neither a workload nor a database, did you '
        "mean store?",
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("workloads: [\n", "table.yaml:2: is not YAML"),
        ("- api\n", "table.yaml: is not a mapping; allowed: workloads, databases"),
        ("", "table.yaml: is not a mapping; allowed: workloads, databases"),
        (
            "workload: {}\n",
            "table.yaml:1 workload: is not a key of a workload table, did you mean workloads?",
        ),
        ("workloads: []\n", "table.yaml:1 workloads: is not a mapping"),
        (TABLE + "  store: {}\n", "table.yaml:16 databases.store: is given twice, first in line 15"),
        ("workloads: {api: }\n", "table.yaml:1 workloads.api: is empty, and a mapping is expected here"),
    ],
)
def test_a_text_that_is_no_table_is_told_so(tmp_path: Path, table: str, message: str) -> None:
    assert problems_of(tmp_path, table)[0].startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../table.yaml", '"../table.yaml" leads out of the folder of the stack file'),
        ("/etc/passwd", '"/etc/passwd" leads out of the folder of the stack file'),
        ("link.yaml", '"link.yaml" leads out of the folder of the stack file'),
        ("none.yaml", '"none.yaml" cannot be read: No such file or directory'),
        ("binary.yaml", '"binary.yaml" is not UTF-8 text'),
        (7, "7 is not text; put it in quotes"),
    ],
)
def test_only_a_text_inside_the_folder_is_read(tmp_path: Path, name: object, message: str) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    (tmp_path / "table.yaml").write_text(TABLE, encoding="utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "table.yaml")
    (folder / "binary.yaml").write_bytes(b"\xff")
    (line, *_) = problems_of(folder, TABLE, (FILE, name))
    assert f"sophia:kubernetes.workloads_file: {message}" in line


def test_entries_that_are_no_mapping_are_laid_at_the_stack_file(tmp_path: Path) -> None:
    (line, *_) = problems_of(tmp_path, TABLE, ((SECTION, "workloads"), {"api": "off"}))
    assert "Pulumi.test.yaml:" in line
    assert "sophia:kubernetes.workloads.api:" in line
    (line, *_) = problems_of(tmp_path, TABLE, ((SECTION, "workloads"), ["api"]))
    assert "sophia:kubernetes.workloads: is not a mapping" in line


def test_a_secret_in_the_table_is_not_repeated(tmp_path: Path) -> None:
    secret = "sk-" + "proj-" + "A1b2" * 8
    (line,) = problems_of(tmp_path, TABLE.replace('"1"', secret))
    assert line.startswith("table.yaml:8 workloads.api.env.A: (hidden) has the shape of a secret")
    assert secret not in line
