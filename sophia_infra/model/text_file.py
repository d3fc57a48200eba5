"""A text file that a person wrote, read whole and never more than that."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["MAX_BYTES", "read_text_file"]

MAX_BYTES = 1024 * 1024
"""A stack file of a thousand machines has a tenth of it; a device, or the wrong file, has no end."""


def read_text_file(path: Path) -> str:
    """The text of `path`, without a byte order mark.

    Raises:
        OSError: it cannot be read; EFBIG when it is longer than MAX_BYTES.
        UnicodeDecodeError: it is not UTF-8.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content.decode("utf-8-sig")
