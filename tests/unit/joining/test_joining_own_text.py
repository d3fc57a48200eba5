"""The user's own boot text beside ours: both run, as cloud-init's own code says."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from sophia_infra.joining import (
    merge_user_data,
)
from tests.unit.joining.boot_texts import CLOUD_INIT, need_cloud_init, text_of
from tests.unit.joining.stack import node, server

OWN_CONFIG = "#cloud-config\nwrite_files:\n- path: /etc/own\n  content: own\nruncmd:\n- [own-command]\n"


def test_no_own_text_leaves_the_boot_text_alone() -> None:
    assert merge_user_data("#cloud-config\n{}\n", None) == "#cloud-config\n{}\n"
    assert merge_user_data("#cloud-config\n{}\n", " \n") == "#cloud-config\n{}\n"


MERGING = """
import json, sys
sys.path.insert(0, sys.argv[1])
from cloudinit.user_data import UserDataProcessor
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.helpers import Paths
paths = Paths({"cloud_dir": "/nonexistent", "run_dir": "/nonexistent"})
message = UserDataProcessor(paths).process(sys.stdin.buffer.read())
handler, kinds = CloudConfigPartHandler(paths), []
handler.cloud_buf = {}  # as at its own start
for part in message.walk():
    if part.get_content_maintype() == "multipart":
        continue
    kinds.append(part.get_content_type())
    if part.get_content_type() == "text/cloud-config":
        handler._merge_part(part.get_payload(decode=True), dict(part.items()))
json.dump([kinds, handler.cloud_buf], sys.stdout)
"""


def taken_apart(text: str) -> tuple[list[str], dict[str, Any]]:
    """What cloud-init makes of it: the kinds of its parts, and all cloud-config merged."""
    need_cloud_init()
    run = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", MERGING, str(CLOUD_INIT)],
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    kinds, merged = json.loads(run.stdout)
    return kinds, merged


def test_cloud_init_runs_both_the_users_commands_and_ours() -> None:
    join = text_of(server())
    kinds, merged = taken_apart(merge_user_data(join, OWN_CONFIG))
    assert kinds == ["text/cloud-config", "text/cloud-config"]
    ours = yaml.safe_load(join)
    assert merged["runcmd"] == [["own-command"], *ours["runcmd"]]
    assert merged["write_files"] == [{"path": "/etc/own", "content": "own"}, *ours["write_files"]]


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        ("#!/bin/sh\necho ready\n", "text/x-shellscript"),
        ("#cloud-boothook\n#!/bin/sh\ntrue\n", "text/cloud-boothook"),
        ("#!/bin/sh\necho grün\n", "text/x-shellscript"),
    ],
)
def test_a_script_of_the_user_stays_a_script(own: str, kind: str) -> None:
    kinds, merged = taken_apart(merge_user_data(text_of(node()), own))
    assert kinds == [kind, "text/cloud-config"]
    assert merged["runcmd"][-1][-1] == "sophia-join.service"


def test_a_mime_message_of_the_user_is_opened_and_its_parts_kept() -> None:
    own = merge_user_data(OWN_CONFIG, "#!/bin/sh\ntrue\n")
    kinds, merged = taken_apart(merge_user_data(text_of(node()), own))
    assert kinds == ["text/x-shellscript", "text/cloud-config", "text/cloud-config"]
    assert merged["runcmd"][0] == ["own-command"]


def test_the_same_two_texts_always_make_the_same_message() -> None:
    assert merge_user_data(text_of(node()), OWN_CONFIG) == merge_user_data(text_of(node()), OWN_CONFIG)
    assert merge_user_data(text_of(node()), OWN_CONFIG) != merge_user_data(
        text_of(node()), OWN_CONFIG + "#\n"
    )
