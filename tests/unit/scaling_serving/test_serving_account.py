"""A pod's way to the API server: by the token of its account, as it is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig
from sophia_infra.scaling.serving.errors import NotInCluster
from sophia_infra.scaling.serving.service_account import ServiceAccountApi

ENVIRON = {"KUBERNETES_SERVICE_HOST": "10.43.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class Opened:
    """Connections, each with the kubeconfig that it was opened by."""

    def __init__(self) -> None:
        self.by: list[Kubeconfig] = []

    def __call__(self, kubeconfig: Kubeconfig) -> Any:
        self.by.append(kubeconfig)
        number = len(self.by)

        class One:
            def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
                return {"by": number, "asked": f"{method} {path}"}

        return One()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_bytes(b"authority")
    return tmp_path


def test_one_connection_serves_until_the_token_is_another(folder: Path) -> None:
    opened = Opened()
    api = ServiceAccountApi(folder, ENVIRON, opened)
    assert [api.request("GET", "/a")["by"], api.request("GET", "/b")["by"]] == [1, 1]
    (folder / "token").write_text("second\n")
    assert api.request("GET", "/c") == {"by": 2, "asked": "GET /c"}
    assert [one.token for one in opened.by] == ["first", "second"]
    assert {(one.server, one.ca) for one in opened.by} == {("https://10.43.0.1:443", b"authority")}
    assert "first" not in repr(opened.by[0])


def test_an_address_of_ipv6_stands_in_brackets(folder: Path) -> None:
    opened = Opened()
    ServiceAccountApi(folder, {**ENVIRON, "KUBERNETES_SERVICE_HOST": "fd00::1"}, opened)
    assert opened.by[0].server == "https://[fd00::1]:443"


@pytest.mark.parametrize("missing", [*ENVIRON, "token", "ca.crt"])
def test_outside_of_a_pod_it_says_what_is_missing(folder: Path, missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != missing}
    if missing not in ENVIRON:
        (folder / missing).unlink()
    with pytest.raises(NotInCluster, match=r"Next: (run it in a pod|give the pod the token)"):
        ServiceAccountApi(folder, environ, Opened())
