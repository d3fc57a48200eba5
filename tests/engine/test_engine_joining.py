"""Credentials and boot data in the state of the real engine: encrypted, and the same after every command."""

from __future__ import annotations

import json

import pytest

from tests.engine.project import A10, Project

PROGRAM = """\
import hashlib
import pulumi
from sophia_infra.provider.resources import ClusterCredentials, Instance, SshKey

STACK = "sophia-infra/local"
made = ClusterCredentials("made", {"stack": STACK, "cluster": "sophia-us-west-1"})
key = SshKey("key", {"name": "key", "public_key": %r})
text = made.credentials.apply(lambda known: "#cloud-config\\nruncmd:\\n- [" + known["agent_token"] + "]\\n")
props = {"stack": STACK, "logical_name": "a", "name": "a", "instance_type": "gpu_1x_a10",
         "region": "us-west-1", "ssh_key_name": key.name, "boot_data": text}
Instance("a", props)
digest = made.credentials.apply(lambda known: hashlib.sha256(known["server_token"].encode()).hexdigest())
pulumi.export("digest", pulumi.Output.unsecret(digest))
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn sophia-local"


@pytest.mark.parametrize("provider", ["dynamic", "native"])
def test_what_a_cluster_is_founded_on_is_secret_and_stays(project: Project, provider: str) -> None:
    """New secrets: a dynamic provider cannot mark them itself, the resource must; the native one does."""
    project.variables["SOPHIA_PROVIDER"] = provider
    project.write({"a": A10})
    (project.root / "__main__.py").write_text(PROGRAM % KEY)
    project.up()
    digest, machines = project.outputs()["digest"], project.ids_in_state()
    assert len(digest) == 64
    for run in (project.up, project.refresh, project.up):
        text = json.dumps(project.state())
        assert not [word for word in ("PRIVATE KEY", "BEGIN CERTIFICATE", "runcmd") if word in text]
        rows = {row["urn"].rsplit("::", 1)[-1]: row for row in project.state()["resources"]}
        assert "boot_data" in rows["a"]["inputs"]
        assert "boot_data" not in rows["a"]["outputs"], "the encrypted input alone holds it"
        result = run()
        assert set(result.changes) <= {"same"}, result.changes
        assert project.outputs()["digest"] == digest
        assert project.ids_in_state() == machines
