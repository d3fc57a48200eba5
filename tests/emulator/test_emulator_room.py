"""The packaged document, the tool that makes it, and what a start must not import."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sophia_infra.emulator
from sophia_infra.emulator.document import DOCUMENT_PATH, document, operations

REPOSITORY = Path(sophia_infra.emulator.__file__).parents[2]


@pytest.fixture(scope="module")
def strip_openapi() -> ModuleType:
    spec = importlib.util.spec_from_file_location("strip_openapi", REPOSITORY / "tools" / "strip_openapi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_packaged_document_is_what_the_tool_makes(strip_openapi: ModuleType) -> None:
    assert strip_openapi.strip_document(document()) == document()


def test_prose_goes_and_facts_stay(strip_openapi: ModuleType) -> None:
    schema = {
        "title": "T",
        "x-internal": 1,
        "properties": {
            "description": {"type": "string", "description": "prose", "maxLength": 5},
            "title": {"enum": ["a"], "example": "a", "default": "a"},
        },
        "required": ["description"],
    }
    source: dict[str, Any] = {
        "info": {"title": "API", "version": "1", "description": "prose"},
        "paths": {"/a": {"get": {"operationId": "a", "summary": "prose", "responses": {"200": {}}}}},
        "components": {"schemas": {"title": schema}},
    }
    assert strip_openapi.strip_document(source) == {
        "info": {"title": "API", "version": "1"},
        "paths": {"/a": {"get": {"operationId": "a", "responses": {"200": {"description": ""}}}}},
        "components": {
            "schemas": {
                "title": {
                    "properties": {
                        "description": {"type": "string", "maxLength": 5},
                        "title": {"enum": ["a"], "default": "a"},
                    },
                    "required": ["description"],
                }
            }
        },
    }


def test_the_tool_wants_one_source(strip_openapi: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert strip_openapi.main([]) == 2
    assert strip_openapi.main([str(DOCUMENT_PATH)]) == 0
    assert json.loads(capsys.readouterr().out) == document()


def test_the_document_is_1_10_0_with_26_paths_and_71_schemas() -> None:
    assert document()["info"]["version"] == "1.10.0"
    assert (len(document()["paths"]), len(operations()), len(document()["components"]["schemas"])) == (
        26,
        37,
        71,
    )


def test_a_start_imports_nothing_slow() -> None:
    """Costs a process; buys the 0.3 s start: pydantic, click and cryptography take as long again."""
    program = (
        "import sys, sophia_infra.emulator.__main__ as main\n"
        "main._leave_out_uvicorn_command_line()\n"
        "import sophia_infra.emulator.server\n"
        "print(*sorted({'pydantic', 'click', 'cryptography', 'requests', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_state_alone_needs_no_server() -> None:
    program = (
        "import sys, sophia_infra.emulator\n"
        "print(*sorted({'starlette', 'uvicorn', 'jsonschema_rs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_public_names_are_there_and_others_are_not() -> None:
    for name in sophia_infra.emulator.__all__:
        assert getattr(sophia_infra.emulator, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = sophia_infra.emulator.Nonsense
