"""A plain HTTP client for these tests, and the smallest good request of every write."""

from __future__ import annotations

from typing import Any

import requests

from sophia_infra.emulator import CloudSettings, EmulatorServer

API_KEY = "secret_test_00000000000000000000000000000000.not-a-real-secret"
KEY_NAME = "ops"
REGION = "us-east-3"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBB8pO9Jt2dG5r2fZ3rJt1v9xkqkQ0mJ0000000000AA ops"
RULE = {
    "protocol": "tcp",
    "port_range": [22, 22],
    "source_network": "203.0.113.0/24",
    "description": "office",
}


class Api:
    """Speaks to one emulator; answers are `requests.Response`."""

    def __init__(self, emulator: EmulatorServer) -> None:
        self.emulator = emulator
        self.cloud = emulator.cloud
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {API_KEY}"

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = f"{self.emulator.url}/api/v1{path}"
        return self.session.request(method, url, json=body, timeout=10, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        return self.call("POST", path, body, **more)

    def control(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = f"{self.emulator.url}/_emulator{path}"
        return requests.request(method, url, json=body, timeout=10, **more)

    def data(self, method: str, path: str, body: Any = None) -> Any:
        """`data` of a success; fails the test otherwise."""
        answer = self.call(method, path, body)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()["data"]

    def add_key(self, name: str = KEY_NAME) -> dict[str, Any]:
        key: dict[str, Any] = self.data("POST", "/ssh-keys", {"name": name, "public_key": PUBLIC_KEY})
        return key

    def launch(self, **fields: Any) -> str:
        """Launch one instance (adding the key when it is missing) and give its id."""
        if not self.cloud.ssh_keys.all():
            self.add_key()
        answer = self.data("POST", "/instance-operations/launch", launch_body(**fields))
        return str(answer["instance_ids"][0])

    def instance(self, instance_id: str) -> dict[str, Any]:
        record: dict[str, Any] = self.data("GET", f"/instances/{instance_id}")
        return record

    def terminate(self, instance_id: str) -> None:
        self.data("POST", "/instance-operations/terminate", {"instance_ids": [instance_id]})


def launch_body(**fields: Any) -> dict[str, Any]:
    return {
        "region_name": REGION,
        "instance_type_name": "gpu_1x_gh200",
        "ssh_key_names": [KEY_NAME],
        **fields,
    }


def strict_settings(**changes: Any) -> CloudSettings:
    """Settings of most tests: one API key, and every answer checked against the document."""
    return CloudSettings(**{"api_keys": (API_KEY,), "validate_answers": True, **changes})
