"""The SDK below `lai`, generated from a document of 2025: what the command itself does not offer.

Audit events are left out: its document wraps them in `events`, ours (1.10.0) lists them in `data`.
"""

import json
import sys

from lambda_ai_cloud_api_client import AuthenticatedClient
from lambda_ai_cloud_api_client.api.filesystems import (
    create_filesystem,
    filesystem_delete,
    list_filesystems,
)
from lambda_ai_cloud_api_client.api.firewalls import (
    create_firewall_ruleset,
    delete_firewall_ruleset,
    firewall_rulesets_list,
)
from lambda_ai_cloud_api_client.api.ssh_keys import add_ssh_key, delete_ssh_key, list_ssh_keys
from lambda_ai_cloud_api_client.models import (
    AddSSHKeyRequest,
    FilesystemCreateRequest,
    FirewallRule,
    FirewallRulesetCreateRequest,
    NetworkProtocol,
    PublicRegionCode,
)

PLACE = PublicRegionCode.US_WEST_1
RULE = FirewallRule(
    protocol=NetworkProtocol.TCP,
    source_network="203.0.113.0/24",
    description="x",
    port_range=[22, 22],
)

client = AuthenticatedClient(base_url=sys.argv[1], token="a-key")
key = add_ssh_key.sync(client=client, body=AddSSHKeyRequest(name="current")).data
files = create_filesystem.sync(client=client, body=FilesystemCreateRequest(name="current", region=PLACE)).data
order = FirewallRulesetCreateRequest(name="current", region=PLACE, rules=[RULE])
rules = create_firewall_ruleset.sync(client=client, body=order).data
seen = {
    "keys": [row.name for row in list_ssh_keys.sync(client=client).data],
    "filesystems": [[row.name, row.is_in_use] for row in list_filesystems.sync(client=client).data],
    "rulesets": [[row.name, len(row.rules)] for row in firewall_rulesets_list.sync(client=client).data],
    "deleted": filesystem_delete.sync(files.id, client=client).data.deleted_ids == [files.id],
}
delete_firewall_ruleset.sync(rules.id, client=client)
delete_ssh_key.sync(key.id, client=client)
seen["left"] = [
    len(answer.data)
    for answer in (
        list_ssh_keys.sync(client=client),
        list_filesystems.sync(client=client),
        firewall_rulesets_list.sync(client=client),
    )
]
missing = filesystem_delete.sync_detailed("0" * 32, client=client)
seen["missing"] = [missing.status_code, missing.parsed.error.code]
print(json.dumps(seen))
