"""The strict schemas of Kubernetes 1.36 out of kubernetes-validate, compiled once for each kind.

The package reads its 3 MB of definitions anew for every object: seconds for one generated section.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate  # type: ignore[import-untyped]

FOLDER = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.36.0-local-strict"


def schema_problems(body: Mapping[str, Any]) -> list[str]:
    """What the schema of the object's kind says; a kind that is not in it is a KeyError's sentence."""
    api_version = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", body["apiVersion"])
    validator = _validator(f"{body['kind'].lower()}-{api_version}")
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(body)]


@cache
def _validator(name: str) -> Any:
    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema_rs.Draft202012Validator(
        schema, base_uri=f"{FOLDER.as_uri()}/{name}.json", retriever=lambda _uri: _definitions()
    )


@cache
def _definitions() -> Any:
    return json.loads((FOLDER / "_definitions.json").read_text(encoding="utf-8"))
