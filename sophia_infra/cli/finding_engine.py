"""The Pulumi engine for a command that needs it beside its own work."""

from __future__ import annotations

from sophia_infra.engine.home import Home
from sophia_infra.engine.locate import Engine, find_engine
from sophia_infra.engine.progress_line import ProgressLine

__all__ = ["find_engine_aloud"]


def find_engine_aloud(home: Home) -> Engine:
    """As `find_engine`; a build of five minutes, once, says on stderr what it does.

    Raises:
        EngineMissing, EngineTooOld, BuildFailed: see `find_engine`.
    """
    line = ProgressLine()
    try:
        return find_engine(home, progress=line.show)
    finally:
        line.end()
