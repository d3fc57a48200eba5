"""Whether the Python, YAML and JSON of a document is what the program would take."""

from __future__ import annotations

import ast
import copy
import functools
import importlib
import json
import re
from typing import Any

import jsonschema_rs
import yaml

from sophia_infra.model.schema import build_schema

__all__ = ["complaint_about_json", "complaint_about_python", "complaint_about_yaml"]


def complaint_about_python(text: str) -> str | None:
    """It compiles, `await` at the top included, and what it imports from us is there."""
    try:
        tree = compile(text, "document", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sophia_infra"):
            try:
                module = importlib.import_module(node.module or "")
            except ImportError as error:
                return str(error)
            if missing := [name.name for name in node.names if not hasattr(module, name.name)]:
                return f"{node.module} has no {missing[0]!r}"
    return None


def complaint_about_yaml(text: str) -> str | None:
    """It is YAML; and a part of a stack file has only keys and values of a stack file, though not all."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return str(error)
    if not isinstance(document, dict):
        return None
    if any(str(key).startswith("sophia:") for key in document):
        document = {"config": document}
    if not isinstance(document.get("config"), dict):
        return None
    refused = next(iter(_partial_stack_file().iter_errors(document)), None)
    return None if refused is None else f"{'.'.join(map(str, refused.instance_path))}: {refused.message}"


def complaint_about_json(text: str) -> str | None:
    """It is JSON once `...` stands for nothing."""
    try:
        json.loads(re.sub(r",?\s*\.\.\.", "", text))
    except ValueError as error:
        return str(error)
    return None


@functools.cache
def _partial_stack_file() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(_without_required(build_schema()))


def _without_required(node: Any) -> Any:
    """A document shows what it speaks of; the rest of a stack file is taken for given."""
    if isinstance(node, list):
        return [_without_required(item) for item in node]
    if not isinstance(node, dict):
        return copy.copy(node)
    return {
        key: _without_required(value)
        for key, value in node.items()
        if not (key == "required" and isinstance(value, list)) and key not in ("allOf", "if", "then")
    }
