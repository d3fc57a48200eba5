"""Runs on a machine of a training run, on its own: no package but Python's own is there.

Usage: python3 self-terminate.py SETTINGS.json. Exit code 0: this machine is ending, or the API knows none
with its tags. Anything else: it is tried again.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

AGENT = "sophia-infra-self-terminate/1"  # the service's edge refuses Python's own name
TIMEOUT_S = 60
LIVE = ("booting", "active", "unhealthy")


def call(settings: dict[str, Any], path: str, body: dict[str, Any] | None = None) -> Any:
    """`data` of the answer to a GET, or to a POST of `body`."""
    request = urllib.request.Request(  # noqa: S310 (the address is in root's own file)
        f"{settings['base_url']}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {settings['api_key']}",
            "Content-Type": "application/json",
            "User-Agent": AGENT,
        },
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer)["data"]


def main(file: str) -> int:
    settings = json.loads(Path(file).read_text(encoding="utf-8"))
    wanted = settings["tags"].items()
    for machine in call(settings, "/instances"):
        tags = {tag["key"]: tag["value"] for tag in machine.get("tags") or ()}
        if machine["status"] in LIVE and wanted <= tags.items():
            call(settings, "/instance-operations/terminate", {"instance_ids": [machine["id"]]})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
