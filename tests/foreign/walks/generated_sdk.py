"""lambda-cloud-client, generated in 2023 from the vendor's document 1.4.0, which knows four statuses."""

import json
import sys

import lambda_cloud_client as sdk

configuration = sdk.Configuration(
    host=f"{sys.argv[1]}/api/v1", username="a-key", password="", access_token="a-key"
)
with sdk.ApiClient(configuration) as client:
    api = sdk.DefaultApi(client)
    types = api.instance_types().data
    key = api.add_ssh_key(sdk.AddSSHKeyRequest(name="walk")).data
    order = sdk.LaunchInstanceRequest(
        region_name="us-west-1",
        instance_type_name="gpu_1x_a10",
        ssh_key_names=["walk"],
        file_system_names=["walk"],
        quantity=1,
        name="generated",
    )
    launched = api.launch_instance(order).data.instance_ids
    shown = api.get_instance(launched[0]).data
    restarted = api.restart_instance(sdk.RestartInstanceRequest(instance_ids=launched)).data
    seen = {
        "types": len(types),
        "private_key": key.private_key.splitlines()[0],
        "filesystems": [row.name for row in api.list_file_systems().data],
        "launched": launched,
        "listed": [row.id for row in api.list_instances().data],
        "shown": [shown.name, str(shown.status), shown.instance_type.name, shown.region.name],
        "restarted": [row.id for row in restarted.restarted_instances],
    }
    try:
        api.terminate_instance(sdk.TerminateInstanceRequest(instance_ids=launched))
    except ValueError as error:
        seen["ended"] = str(error).splitlines()[-1].strip()
    seen["keys"] = [row.name for row in api.list_ssh_keys().data]
    api.delete_ssh_key(key.id)
    seen["keys_after"] = [row.name for row in api.list_ssh_keys().data]
    try:
        api.get_instance("0" * 32)
    except sdk.ApiException as error:
        seen["missing"] = [error.status, json.loads(error.body)["error"]["code"]]
print(json.dumps(seen))
