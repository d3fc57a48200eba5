// lambda-cloud-node-api, over fetch.
const { LambdaCloudAPI } = require("lambda-cloud-node-api");

async function walk() {
  const client = new LambdaCloudAPI({ apiKey: "a-key", basePath: `${process.argv[2]}/api/v1` });
  const types = await client.listInstanceTypes();
  const key = await client.addSSHKey({ name: "node" });
  const { instance_ids: launched } = await client.launchInstance({
    region_name: "us-west-1",
    instance_type_name: "gpu_1x_a10",
    ssh_key_names: ["node"],
    file_system_names: ["walk"],
    name: "node",
  });
  const shown = await client.getRunningInstance(launched[0]);
  const seen = {
    price: types["gpu_1x_a10"].instance_type.price_cents_per_hour,
    filesystems: (await client.listFileSystems()).map((row) => row.name),
    launched,
    listed: Object.values(await client.listRunningInstances()).map((row) => row.id),
    shown: [shown.name, shown.status],
    restarted: (await client.restartInstances(launched)).restarted_instances.map((row) => row.id),
    ended: (await client.terminateInstances(launched)).terminated_instances.map((row) => row.id),
  };
  await client.deleteSSHKey(key.id);
  seen.keysAfter = await client.listSSHKeys();
  try {
    await client.getRunningInstance("0".repeat(32));
  } catch (error) {
    seen.missing = error.error.code;
  }
  console.log(JSON.stringify(seen));
}

walk();
