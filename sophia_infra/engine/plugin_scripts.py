"""Plugins of ours in the engine's home: a script that runs a module of this package."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from sophia_infra.engine.home import Home, make_private_folder
from sophia_infra.model.resource_tokens import PLUGIN_VERSION

__all__ = ["ensure_native_plugin", "write_plugin_script"]


def ensure_native_plugin(home: Home) -> None:
    """Put the plugin for Lambda Cloud under PULUMI_HOME. A second call changes nothing.

    Raises:
        OSError: the folder of plugins cannot be written.
    """
    folder = home.pulumi / "plugins" / f"resource-lambda-v{PLUGIN_VERSION}"
    write_plugin_script(
        folder, "pulumi-resource-lambda", "sophia_infra.native_provider", mark="sophia-infra plugin"
    )


def write_plugin_script(folder: Path, executable: str, module: str, *, mark: str) -> None:
    """Write the executable as the CLI's own installation lays it out: a folder with it, and no .partial file.

    The package is found by its place, so that it does not matter where the engine starts the plugin.

    Args:
        module: run with `python -m`; gets the engine's arguments.
        mark: a comment that says whose the script is.
    """
    packages = Path(__file__).resolve().parents[2]
    script = (
        "#!/bin/sh\n"
        f"# {mark}\n"
        f"PYTHONPATH={shlex.quote(str(packages))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH\n"
        f'exec {shlex.quote(sys.executable)} -P -m {module} "$@"\n'
    )
    file = folder / executable
    try:
        if file.read_text(encoding="utf-8") == script:
            return
    except (OSError, UnicodeDecodeError):
        pass
    make_private_folder(folder)
    draft = folder / f".{executable}.{os.getpid()}"
    draft.write_text(script, encoding="utf-8")
    draft.chmod(0o700)
    draft.replace(file)
    folder.with_suffix(folder.suffix + ".partial").unlink(missing_ok=True)
