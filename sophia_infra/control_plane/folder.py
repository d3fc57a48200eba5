"""Where a control plane keeps what it writes: one folder per name, `<home>/kubernetes/<name>`, mode 0700."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.control_plane.errors import InvalidPlane
from sophia_infra.engine.home import Home

__all__ = ["DEFAULT_NAME", "PlaneFolder", "list_plane_folders", "plane_folder"]

DEFAULT_NAME = "local"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PlaneFolder:
    """The paths of one control plane. Nothing is made or read here."""

    root: Path
    name: str

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, complete with certificates; mode 0600."""
        return self.root / "kubeconfig"

    @property
    def certificates(self) -> Path:
        """Authorities, certificates and private keys."""
        return self.root / "certificates"

    @property
    def kubeconfigs(self) -> Path:
        """Kubeconfigs of the components."""
        return self.root / "kubeconfigs"

    @property
    def etcd(self) -> Path:
        """The data of etcd: every object of the cluster."""
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        """One log per component, `<component>.log`; the one of the start before ends with `.old`."""
        return self.root / "logs"

    @property
    def processes(self) -> Path:
        """One record per component that was started."""
        return self.root / "processes"

    @property
    def ports_file(self) -> Path:
        """The ports, kept so that a kubeconfig stays right when the plane is stopped and started."""
        return self.root / "ports.json"

    @property
    def lock_file(self) -> Path:
        """Held while the plane is started, stopped or wiped; lies beside the folder, which `wipe` removes."""
        return self.root.parent / f".{self.name}.lock"

    def log(self, component: str) -> Path:
        """The log of one component."""
        return self.logs / f"{component}.log"


def plane_folder(home: Home, name: str) -> PlaneFolder:
    """The folder of the control plane `name`.

    Raises:
        InvalidPlane: `name` is no DNS label (lower-case letters, digits and dashes, up to 63).
    """
    if not _NAME.fullmatch(name):
        raise InvalidPlane(
            f"{name!r} cannot be the name of a control plane.",
            next_step="Use lower-case letters, digits and dashes, at most 63 characters: `local`.",
        )
    return PlaneFolder(home.root / "kubernetes" / name, name)


def list_plane_folders(home: Home) -> tuple[PlaneFolder, ...]:
    """The folders of all control planes of this project folder, running or not, sorted by name."""
    folders = (home.root / "kubernetes").glob("*/ports.json")
    return tuple(PlaneFolder(file.parent, file.parent.name) for file in sorted(folders))
