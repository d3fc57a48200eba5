"""One Kubernetes object as a Pulumi resource, from a plain dictionary.

The typed classes of pulumi-kubernetes register the same tokens and inputs, at 0.2 s of imports for the core
group alone (peers.md 4.1); our objects come whole and checked from pure functions, so they need no classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

__all__ = ["KubernetesObject", "token_of"]


def token_of(api_version: str, kind: str, *, is_patch: bool = False) -> str:
    """The Pulumi type of a kind: `v1`, `Secret` -> `kubernetes:core/v1:Secret`; a patch ends in Patch."""
    group = api_version if "/" in api_version else f"core/{api_version}"
    return f"kubernetes:{group}:{kind}{'Patch' if is_patch else ''}"


class KubernetesObject(pulumi.CustomResource):
    """An object, or with `is_patch` some fields of an object that others own.

    Args:
        name: logical name, unique in the stack.
        body: the object as Kubernetes takes it; values may be outputs.
        opts: must name the provider of the cluster, here or at a parent.
    """

    def __init__(
        self,
        name: str,
        body: Mapping[str, Any],
        *,
        is_patch: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = ["data", "stringData"] if body["kind"] == "Secret" else None
        options = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=secret))
        token = token_of(body["apiVersion"], body["kind"], is_patch=is_patch)
        super().__init__(token, name, dict(body), options)
