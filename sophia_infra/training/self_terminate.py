"""Boot text by which a machine ends itself at its deadline, when nobody else is left to do it. Opt-in.

A shutdown inside the machine does not stop the bill (facts 1.6): only a terminate of the API does, and that
takes a key. Every key of Lambda has full access to the account, so whoever enters the machine has that too.
The machine is not told its own id (facts 4); it finds itself in the list by the tags of its run.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Final

import yaml

from sophia_infra.provider.run_tags import node_owner

__all__ = ["self_terminate_text"]

_FOLDER: Final = "/etc/sophia"
_UNIT: Final = "sophia-self-terminate"


def self_terminate_text(
    *, base_url: str, api_key: str, stack: str, run_id: str, number: int, deadline_s: int
) -> str:
    """A cloud-config with a timer of systemd for `deadline_s` (seconds since 1970), repeated until it worked.

    A secret: it holds `api_key`.
    """
    owner = node_owner(stack, run_id, number)
    settings = {
        "base_url": base_url,
        "api_key": api_key,
        "tags": {"sophia-stack": owner.stack, "sophia-name": owner.name, "sophia-run": run_id},
    }
    script = resources.files("sophia_infra.training").joinpath("self_terminate_here.py").read_text("utf-8")
    moment = datetime.fromtimestamp(deadline_s, tz=UTC)
    timer = (
        "[Unit]\nDescription=End this machine at the deadline of its training run\n"
        f"[Timer]\nOnCalendar={moment:%Y-%m-%d %H:%M:%S} UTC\nPersistent=true\nAccuracySec=1s\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    service = (
        "[Unit]\nDescription=End this machine by Lambda's API\nWants=network-online.target\n"
        f"[Service]\nType=simple\nExecStart=/usr/bin/python3 {_FOLDER}/self-terminate.py "
        f"{_FOLDER}/self-terminate.json\nRestart=on-failure\nRestartSec=30\n"
    )
    document = {
        "write_files": [
            _file(f"{_FOLDER}/self-terminate.json", json.dumps(settings), "0600"),
            _file(f"{_FOLDER}/self-terminate.py", script, "0700"),
            _file(f"/etc/systemd/system/{_UNIT}.service", service, "0644"),
            _file(f"/etc/systemd/system/{_UNIT}.timer", timer, "0644"),
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", f"{_UNIT}.timer"]],
    }
    return "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False)


def _file(path: str, content: str, mode: str) -> dict[str, str]:
    return {"path": path, "content": content, "permissions": mode, "owner": "root:root"}
