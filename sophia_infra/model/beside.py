"""Files that a stack file names: text inside its folder and nowhere else."""

from __future__ import annotations

from pathlib import Path

from sophia_infra.model.errors import Refused
from sophia_infra.model.text_file import read_text_file

__all__ = ["read_beside"]


def read_beside(name: str, folder: Path) -> str:
    """The text of `folder`/`name`, without a byte order mark.

    Raises Refused when the name leads out of `folder`, also by a link, or the file cannot be read as UTF-8.
    """
    path = (folder / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise Refused("leads out of the folder of the stack file", allowed="a path relative to it, inside it")
    try:
        return read_text_file(path)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused("is not UTF-8 text") from None
