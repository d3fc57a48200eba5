"""JSON schema of stack files, for editors: `python -m sophia_infra.model.schema > stack.schema.json`.

Made from the models alone, so it never says anything else than they do. What the parser checks across
keys (references, regions, architectures) is not in it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sophia_infra.model.stack_config import API_KEY, NAMESPACE, StackConfig
from sophia_infra.model.workload_table import FILE_KEY

__all__ = ["build_schema", "main"]


def build_schema() -> dict[str, Any]:
    """Schema (draft 2020-12) of a whole `Pulumi.<stack>.yaml`; the same on every call."""
    stack = StackConfig.model_json_schema()
    definitions = stack.pop("$defs")
    _allow_single_fields(definitions)
    properties: dict[str, Any] = {NAMESPACE + name: field for name, field in stack["properties"].items()}
    properties[NAMESPACE + API_KEY] = {
        "description": "Key of the Lambda Cloud account, encrypted: `pulumi config set --secret`. Default: "
        "the environment variable LAMBDA_API_KEY.",
        "type": "object",
        "required": ["secure"],
        "properties": {"secure": {"type": "string"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of sophia-infra",
        "$defs": definitions,
        "type": "object",
        "required": ["config"],
        "additionalProperties": False,
        "properties": {
            "config": {
                "type": "object",
                "required": [NAMESPACE + name for name in stack["required"]],
                "properties": properties,
                "patternProperties": {
                    f"^(?!{NAMESPACE})[^:]+:": {"description": "Other namespaces are ignored."}
                },
                "additionalProperties": False,
            },
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "environment": {},
        },
    }


def _allow_single_fields(definitions: dict[str, Any]) -> None:
    """Beside a `workloads_file` a row of the stack file may hold single fields of a row there."""
    rows = {"workloads": definitions["WorkloadConfig"], "databases": definitions["DatabaseConfig"]}
    whole = {name: {"additionalProperties": {"required": row.pop("required")}} for name, row in rows.items()}
    alone = {"not": {"required": [FILE_KEY]}}
    definitions["KubernetesConfig"]["allOf"] = [{"if": alone, "then": {"properties": whole}}]


def main() -> None:
    """Print it, keys sorted."""
    json.dump(build_schema(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
