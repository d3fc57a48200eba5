"""Every variable that a script reads without a default is set by the container that runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.unit.manifests.sites import pod_templates, sites
from tests.unit.manifests.store_scripts import SCRIPTS


def needed(script: Path) -> set[str]:
    """Capital names that the script, and the one it reads, take from the environment."""
    text = script.read_text(encoding="utf-8")
    common = re.search(r"^\. /sophia/(\S+)", text, re.MULTILINE)
    if common:
        text += (SCRIPTS / common[1]).read_text(encoding="utf-8")
    defaulted = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*):-", text))
    assigned = set(re.findall(r"\b([A-Z][A-Z0-9_]*)=", text))
    arithmetic = set(re.findall(r"< ([A-Z][A-Z0-9_]*);", text))
    return (set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", text)) | arithmetic) - defaulted - assigned


def runs(container: dict[str, Any]) -> list[Path]:
    words = [*container.get("command", []), *container.get("args", [])]
    probe = container.get("readinessProbe", {}).get("exec", {}).get("command", [])
    return [SCRIPTS / Path(word).name for word in (*words, *probe) if word.startswith("/sophia/")]


def test_scripts_get_what_they_read() -> None:
    seen = set()
    for _kind, _namespace, template in pod_templates(sites("local")[0]):
        for container in template["spec"]["containers"]:
            plain = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
            # A server alone never looks for its leader.
            there = {*plain, "SENTINEL_PORT"} if plain.get("GROUP") == "no" else {*plain}
            for script in runs(container):
                assert needed(script) <= there, f"{script.name} in {container['name']}"
                seen.add(script.name)
    main = {path.name for path in SCRIPTS.glob("*.sh") if not path.stem.endswith("common")}
    assert seen == main


def test_every_script_is_mounted_where_it_is_run() -> None:
    (site,) = sites("local")
    for name, _namespace, template in pod_templates(site):
        scripts = {script.name for row in template["spec"]["containers"] for script in runs(row)}
        maps = [
            volume["configMap"]["name"] for volume in template["spec"]["volumes"] if "configMap" in volume
        ]
        there = {key for one in maps for key in site.one("ConfigMap", one)["data"]}
        assert scripts <= there, name
