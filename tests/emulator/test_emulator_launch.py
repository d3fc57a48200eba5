"""What a launch needs, refuses and makes; capacity, quota, images, keys, filesystems, rulesets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sophia_infra.emulator import Cloud
from sophia_infra.model.catalogue import CATALOGUE, REGIONS
from tests.emulator.emulator_client import KEY_NAME, PUBLIC_KEY, REGION, RULE, Api, launch_body

MakeApi = Callable[..., Api]


def refused(api: Api, **fields: Any) -> tuple[int, str]:
    answer = api.post("/instance-operations/launch", launch_body(**fields))
    assert answer.status_code != 200, answer.text
    assert api.cloud.instances.ever() == []
    return answer.status_code, answer.json()["error"]["code"]


INVALID = (400, "global/invalid-parameters")
MISSING = (400, "global/object-does-not-exist")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instance_type_name": "gpu_1x_unobtainium"}, MISSING),
        ({"region_name": "moon-1"}, MISSING),
        ({"ssh_key_names": ["nobody"]}, MISSING),
        ({"ssh_key_names": []}, INVALID),
        ({"ssh_key_names": [KEY_NAME, KEY_NAME]}, INVALID),
        ({"image": {"family": "windows"}}, MISSING),
        ({"image": {"id": "43336648-096d-4cba-9aa2-f9bb7727639d"}}, MISSING),
        ({"image": {"family": "ubuntu-24-04"}}, INVALID),  # x86_64 only, the type is arm64
        ({"image": {"family": "lambda-stack-24-04", "id": "x"}}, INVALID),
        ({"image": {}}, INVALID),
        ({"file_system_names": ["nothing"]}, MISSING),
        ({"file_system_mounts": [{"mount_point": "/data", "file_system_id": "x"}]}, MISSING),
        ({"file_system_mounts": [{"mount_point": "/etc", "file_system_id": "x"}]}, INVALID),
        ({"firewall_rulesets": [{"id": "x"}]}, MISSING),
        ({"hostname": "-a"}, INVALID),
        ({"name": "n" * 65}, INVALID),
        ({"tags": [{"key": "A", "value": "v"}]}, INVALID),
        ({"tags": [{"key": "a", "value": "v"}]}, INVALID),  # one character is too short
        ({"tags": [{"key": "ab", "value": "v" * 129}]}, INVALID),
        ({"user_data": "x" * 1_000_001}, INVALID),
        ({"quantity": 2}, INVALID),
        ({"quantity": 0}, INVALID),
        ({"count": 1}, INVALID),
    ],
)
def test_a_launch_that_cannot_be_meant_launches_nothing(
    api: Api, fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    api.add_key()
    assert refused(api, **fields) == expected


def test_quantity_one_is_tolerated(api: Api) -> None:
    assert api.launch(quantity=1)


def test_names_are_not_unique(api: Api) -> None:
    first, second = api.launch(name="sana"), api.launch(name="sana")
    assert first != second
    assert [one["name"] for one in api.data("GET", "/instances")] == ["sana", "sana"]


def test_the_image_must_be_of_the_region_and_the_architecture(api: Api) -> None:
    api.add_key()
    images = api.data("GET", "/images")
    (fitting,) = [
        one
        for one in images
        if (one["family"], one["architecture"], one["region"]["name"])
        == ("lambda-stack-22-04", "arm64", REGION)
    ]
    elsewhere = next(one for one in images if one["region"]["name"] != REGION)
    assert refused(api, image={"id": elsewhere["id"]}) == INVALID
    api.launch(image={"id": fitting["id"]})
    (dumped,) = api.cloud.dump()["instances"]
    assert dumped["image_id"] == fitting["id"]


def test_a_mount_wins_over_the_default_path(api: Api) -> None:
    ids = {
        name: api.data("POST", "/filesystems", {"name": name, "region": REGION})["id"]
        for name in ("models", "logs")
    }
    instance = api.instance(
        api.launch(
            file_system_names=["models", "logs"],
            file_system_mounts=[{"mount_point": "/data/x", "file_system_id": ids["models"]}],
        )
    )
    assert instance["file_system_names"] == ["models", "logs"]
    assert instance["file_system_mounts"] == [
        {"mount_point": "/data/x", "file_system_id": ids["models"]},
        {"mount_point": "/lambda/nfs/logs", "file_system_id": ids["logs"]},
    ]


def test_two_filesystems_cannot_share_a_path(api: Api) -> None:
    api.add_key()
    mounts = [
        {
            "mount_point": "/data",
            "file_system_id": api.data("POST", "/filesystems", {"name": name, "region": REGION})["id"],
        }
        for name in ("models", "logs")
    ]
    assert refused(api, file_system_mounts=mounts) == INVALID


def test_a_ruleset_of_another_region_is_refused(api: Api) -> None:
    api.add_key()
    body = {"name": "web", "region": "us-west-1", "rules": [RULE]}
    ruleset = api.data("POST", "/firewall-rulesets", body)
    assert refused(api, firewall_rulesets=[{"id": ruleset["id"]}]) == INVALID


def test_a_single_address_becomes_a_network_of_one(api: Api) -> None:
    rule = RULE | {"source_network": "198.51.100.7"}
    (stored,) = api.data("PUT", "/firewall-rules", {"data": [rule]})
    assert stored["source_network"] == "198.51.100.7/32"


def test_capacity_counts_live_instances_and_the_list_follows(api: Api) -> None:
    def listed() -> list[str]:
        row = api.data("GET", "/instance-types")["gpu_1x_gh200"]
        return [one["name"] for one in row["regions_with_capacity_available"]]

    assert listed() == list(REGIONS)
    api.control("POST", "/capacity", {"instance_type": "gpu_1x_gh200", "region": REGION, "count": 1})
    instance_id = api.launch()
    assert REGION not in listed()
    answer = api.post("/instance-operations/launch", launch_body())
    assert answer.json()["error"]["code"] == "instance-operations/launch/insufficient-capacity"
    api.terminate(instance_id)
    assert REGION not in listed()
    api.cloud.advance(31)
    assert REGION in listed()
    api.launch()


def test_a_stale_list_shows_room_that_is_not_there(make_api: MakeApi) -> None:
    api = make_api(stale_capacity=True)
    api.add_key()
    api.cloud.set_capacity("gpu_1x_gh200", REGION, 0)
    row = api.data("GET", "/instance-types")["gpu_1x_gh200"]
    assert REGION in [one["name"] for one in row["regions_with_capacity_available"]]
    assert refused(api)[1] == "instance-operations/launch/insufficient-capacity"


def test_one_pair_can_be_hidden_from_the_list_though_there_is_room(api: Api) -> None:
    api.cloud.set_capacity("gpu_1x_gh200", REGION, None, listed=False)
    row = api.data("GET", "/instance-types")["gpu_1x_gh200"]
    assert REGION not in [one["name"] for one in row["regions_with_capacity_available"]]
    api.launch()


def test_quotas_of_filesystems_and_rulesets(make_api: MakeApi) -> None:
    api = make_api(quota_filesystems=0, quota_rulesets=0)
    for path, body in (
        ("/filesystems", {"name": "models", "region": REGION}),
        ("/firewall-rulesets", {"name": "web", "region": REGION, "rules": []}),
    ):
        assert api.post(path, body).json()["error"]["code"] == "global/quota-exceeded"


def test_the_catalogue_and_prices_are_those_of_the_model(make_api: MakeApi) -> None:
    api = make_api(price_overrides_cents_per_hour={"gpu_1x_a10": 999})
    types = api.data("GET", "/instance-types")
    assert set(types) == set(CATALOGUE)
    assert types["gpu_1x_gh200"]["instance_type"]["price_cents_per_hour"] == 229
    assert types["gpu_1x_gh200"]["instance_type"]["gpu_description"] == "GH200 (96 GB)"
    assert types["gpu_1x_a10"]["instance_type"]["price_cents_per_hour"] == 999
    assert types["cpu_4x_general"]["instance_type"]["gpu_description"] == "N/A"


def test_a_generated_key_pair_fits_together_and_is_shown_once(api: Api) -> None:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_ssh_private_key,
    )

    made = api.data("POST", "/ssh-keys", {"name": "generated"})
    private = load_ssh_private_key(made["private_key"].encode(), password=None)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    assert public.decode() == made["public_key"]
    (listed,) = api.data("GET", "/ssh-keys")
    assert "private_key" not in listed


def test_two_keys_of_one_name_are_accepted(api: Api) -> None:
    assert api.add_key("twice")["id"] != api.add_key("twice")["id"]
    assert api.data("GET", "/ssh-keys")[0]["public_key"] == PUBLIC_KEY


def test_the_same_seed_gives_the_same_account(make_api: MakeApi) -> None:
    def ids(seed: int) -> list[str]:
        api = make_api(seed=seed)
        return [api.launch(), api.launch(), api.data("POST", "/ssh-keys", {"name": "g"})["public_key"]]

    assert ids(7) == ids(7)
    assert ids(7) != ids(8)


def test_addresses_come_from_documentation_ranges_and_differ(make_api: MakeApi) -> None:
    api = make_api(transitions="immediate")
    addresses = [api.instance(api.launch())["ip"] for _ in range(300)]
    assert len(set(addresses)) == 300
    assert {address.rpartition(".")[0] for address in addresses} == {"192.0.2", "198.51.100"}


def test_an_address_in_use_is_not_given_again() -> None:
    core = Cloud().core
    first, _ = core.new_addresses(set())
    core.state.address_sequence = 762
    again, _ = core.new_addresses({first})
    assert again == "192.0.2.2"
    everyone = {core.new_addresses(set())[0] for _ in range(762)}
    assert len(everyone) == 762
    assert core.new_addresses(everyone)[0] in everyone
