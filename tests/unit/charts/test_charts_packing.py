"""The packaged data are what the tool makes of the facts, and the tool keeps what the checks need."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.charts.packaged_keys import DATA

REPOSITORY = Path(__file__).parents[3]
FACTS = REPOSITORY.parent / "shared" / "facts"


@pytest.fixture(scope="module")
def pack_charts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pack_charts", REPOSITORY / "tools" / "pack_charts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not (FACTS / "crds.json").is_file(), reason=f"the collected facts are not at {FACTS}")
def test_the_packaged_data_are_what_the_tool_makes(pack_charts: ModuleType) -> None:
    packed = pack_charts.pack(FACTS)
    assert set(packed) == {file.name for file in DATA.iterdir()}
    for name, text in packed.items():
        assert (DATA / name).read_text(encoding="utf-8") == text, name


def test_the_packaged_data_stay_small() -> None:
    assert sum(file.stat().st_size for file in DATA.iterdir()) < 300_000


def test_paths_become_a_tree(pack_charts: ModuleType) -> None:
    assert pack_charts.key_tree(
        {
            "chart": "example",
            "dependencies": [
                {"name": "inner", "alias": None, "condition": "inner.enabled"},
                {"name": "unlisted", "alias": "other", "condition": "features.other"},
            ],
            "subcharts": {"inner": {"keys": [["size", "integer"]], "templateOnly": []}},
            "keys": [
                ["driver", "object"],
                ["driver.enabled", "boolean"],
                ["driver.version", "string"],
                ["driver.args", "array"],
                ["driver.any", "object-empty"],
                ["labels", "object"],
                ["labels.a\\.b/c", "string"],
                ["perPart", "object"],
                ["perPart.left", "object-empty"],
            ],
            "templateOnly": [
                ["extra", "template-only"],
                ["driver.any.hint", "under-empty-default"],
                ["deep", "template-only"],
                ["deep.size", "template-only"],
            ],
        }
    ) == {
        "driver": {"enabled": "b", "version": "s", "args": "*", "any": "*"},
        "labels": "*",
        "perPart": {"left": "*"},
        "extra": "*",
        "deep": {"size": "*"},
        "inner": {"size": "s", "enabled": "b"},
        "other": "*",
        "features": {"other": "b"},
    }


@pytest.mark.parametrize(
    ("path", "keys"),
    [("a", ["a"]), ("a.b", ["a", "b"]), ("a\\.b.c", ["a.b", "c"]), ("a\\\\.b", ["a\\", "b"])],
)
def test_a_backslash_keeps_the_dot_after_it(pack_charts: ModuleType, path: str, keys: list[str]) -> None:
    assert pack_charts.split_path(path) == keys


def test_a_kubernetes_type_gets_its_other_fields(pack_charts: ModuleType) -> None:
    probe = pack_charts.widen("livenessProbe", {"periodSeconds": "s"}, frozenset())
    assert probe["periodSeconds"] == "s"
    assert probe["httpGet"] == "*"
    parts = pack_charts.widen("securityContext", {"operator": {"runAsUser": "s"}}, frozenset())
    assert set(parts) == {"operator"}
    assert parts["operator"]["runAsGroup"] == "*"
    spec = pack_charts.widen("livenessProbe", {"enabled": "b", "spec": {"periodSeconds": "s"}}, frozenset())
    assert set(spec) == {"enabled", "spec"}
    assert spec["spec"]["httpGet"] == "*"


def test_definitions_of_other_projects_are_left_out(pack_charts: ModuleType) -> None:
    row = {"group": "g", "kind": "K", "plural": "ks", "shortNames": [], "scope": "Cluster", "versions": []}
    found = pack_charts.custom_resources(
        {"crds": [{**row, "from": "kyverno v1"}, {**row, "from": "keda v2"}]}
    )
    assert [resource["source"] for resource in found] == ["keda v2"]


def test_the_tool_wants_facts_and_a_folder(
    pack_charts: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack_charts.main([]) == 2
    assert "FACTS TARGET_FOLDER" in capsys.readouterr().err
