"""Prints the provider plugins that the installed Pulumi packages ask for, as a JSON list.

Reads `pulumi-plugin.json` of each importable package; this costs milliseconds where reading the file lists of
all distributions would cost a second.
"""

import importlib.metadata
import json
import pathlib
import sys


def package_version(folder):
    try:
        return importlib.metadata.version(folder.name.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return None


packages = []
seen = set()
for root in sys.path[1:]:
    for file in sorted(pathlib.Path(root).glob("*/pulumi-plugin.json")):
        plugin = json.loads(file.read_text(encoding="utf-8"))
        if not plugin.get("resource") or file.parent.name in seen:
            continue
        seen.add(file.parent.name)
        version = plugin.get("version") or package_version(file.parent)
        package = {
            "name": plugin.get("name") or file.parent.name.removeprefix("pulumi_").replace("_", "-"),
            "kind": "resource",
            "version": f"v{version.removeprefix('v')}" if version else "",
            "server": plugin.get("server") or "",
        }
        if "parameterization" in plugin:
            package["parameterization"] = plugin["parameterization"]
        packages.append(package)
print(json.dumps(packages))
