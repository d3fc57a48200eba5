from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.errors import NotSupported
from sophia_infra.kubernetes_plugin.settings import compare_settings, read_settings, why_settings_are_refused
from sophia_infra.plugin_protocol.values import UNKNOWN
from tests.unit.kubernetes_plugin.certificates import kubeconfig_text

HERE = kubeconfig_text("https://10.0.0.1:6443")
THERE = kubeconfig_text("https://10.0.0.2:6443")
NEW_TOKEN = kubeconfig_text("https://10.0.0.1:6443", token="-".join(["new", "token"]))


def test_arguments_arrive_as_text() -> None:
    settings = read_settings(
        {
            "kubeconfig": HERE,
            "enableConfigMapMutable": "true",
            "deleteUnreachable": "false",
            "kubeClientSettings": '{"timeout": 5}',
            "renderYamlToDirectory": "out",
        },
        {"PULUMI_K8S_DELETE_UNREACHABLE": "true", "PULUMI_K8S_ENABLE_PATCH_FORCE": "true"},
    )
    assert settings.mutable_config_maps
    assert not settings.delete_unreachable  # the argument wins over the environment
    assert settings.force
    assert settings.request_timeout_s == 5
    assert settings.render_directory == Path("out").absolute()
    assert HERE not in repr(settings)


@pytest.mark.parametrize("args", [{"enableServerSideApply": "false"}, {"alwaysRender": "true"}])
def test_what_cannot_be_honoured_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(NotSupported):
        read_settings(args)
    refused = why_settings_are_refused(args)
    assert refused is not None
    assert refused[0] in args


def test_a_bad_kubeconfig_is_refused_at_its_property() -> None:
    refused = why_settings_are_refused({"kubeconfig": kubeconfig_text("http://10.0.0.1")})
    assert refused is not None
    assert refused[0] == "kubeconfig"
    assert why_settings_are_refused({"kubeconfig": HERE}) is None
    assert why_settings_are_refused({"kubeconfig": UNKNOWN}) is None
    assert why_settings_are_refused({}) is None


@pytest.mark.parametrize(
    ("old", "new", "changed", "moved"),
    [
        ({"kubeconfig": HERE}, {"kubeconfig": HERE}, [], False),
        ({"kubeconfig": HERE}, {"kubeconfig": THERE}, ["kubeconfig"], True),
        ({"kubeconfig": HERE}, {"kubeconfig": NEW_TOKEN}, ["kubeconfig"], False),
        ({"kubeconfig": HERE}, {"kubeconfig": UNKNOWN}, ["kubeconfig"], False),
        (
            {"kubeconfig": HERE, "clusterIdentifier": "a"},
            {"kubeconfig": THERE, "clusterIdentifier": "a"},
            ["kubeconfig"],
            False,
        ),
        (
            {"kubeconfig": HERE, "clusterIdentifier": "a"},
            {"kubeconfig": HERE, "clusterIdentifier": "b"},
            ["clusterIdentifier"],
            True,
        ),
        ({"kubeconfig": HERE}, {"kubeconfig": HERE, "clusterIdentifier": "a"}, ["clusterIdentifier"], False),
        ({"kubeconfig": HERE}, {"kubeconfig": HERE, "namespace": "n"}, ["namespace"], False),
        ({"renderYamlToDirectory": "a"}, {"renderYamlToDirectory": "b"}, ["renderYamlToDirectory"], True),
        ({"__internal": {}, "version": "1"}, {"version": "2"}, [], False),
    ],
)
def test_only_another_cluster_replaces_what_is_in_it(
    old: dict[str, Any], new: dict[str, Any], changed: list[str], moved: bool
) -> None:
    changes, replaced = compare_settings(old, new)
    assert ([route[0] for route in changes], replaced) == (changed, moved)
