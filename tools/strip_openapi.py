"""Make the packaged Lambda Cloud API document from the vendor's: the facts stay, the prose goes.

    python tools/strip_openapi.py path/to/lambda-openapi.json > sophia_infra/emulator/data/lambda-openapi.json

Kept: paths, operationIds, parameters, schemas, patterns, enums, limits, required, default error codes
and messages. Dropped: descriptions, summaries, titles, examples, tags and `x-` keys. A *property* that
happens to be called `description` or `title` is a fact and stays. What OpenAPI 3.1 itself requires
(`info.title`, a response's `description`) stays in its shortest form.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PROSE_KEYS = frozenset({"description", "summary", "title", "example", "examples", "tags", "externalDocs"})
NAME_MAPS = frozenset({"properties", "schemas", "paths", "responses", "patternProperties", "securitySchemes"})
"""Under these keys stand names that somebody chose, not keywords: none of them is prose."""
LITERALS = frozenset({"enum", "const", "default", "required"})


def strip(node: Any) -> Any:
    """`node` without prose keys, at every depth; names, literals and order are kept."""
    if isinstance(node, list):
        return [strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key in PROSE_KEYS or key.startswith("x-"):
            continue
        if key in LITERALS:
            kept[key] = value
        elif key in NAME_MAPS and isinstance(value, dict):
            kept[key] = {name: strip(inner) for name, inner in value.items()}
        else:
            kept[key] = strip(value)
    return kept


def strip_document(document: dict[str, Any]) -> dict[str, Any]:
    """The whole OpenAPI document without prose; still a valid OpenAPI 3.1 document."""
    stripped: dict[str, Any] = strip(document)
    stripped["info"] = {"title": document["info"]["title"], "version": document["info"]["version"]}
    for operations in stripped["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                for response in operation.get("responses", {}).values():
                    response["description"] = ""
    return stripped


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python tools/strip_openapi.py SOURCE > TARGET", file=sys.stderr)
        return 2
    document = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    print(json.dumps(strip_document(document), separators=(",", ":"), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
