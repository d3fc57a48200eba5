"""Variables by which the command tells the program where the clusters of an emulator stack are."""

from __future__ import annotations

from typing import Final

__all__ = ["KUBECONFIG_FOLDER_VARIABLE", "MANIFESTS_FOLDER_VARIABLE"]

KUBECONFIG_FOLDER_VARIABLE: Final = "SOPHIA_KUBECONFIG_FOLDER"
"""Folder with `<cluster>.yaml`, kubeconfigs of control planes on this machine."""
MANIFESTS_FOLDER_VARIABLE: Final = "SOPHIA_MANIFESTS_FOLDER"
"""Where manifests are written when there is no control plane."""
