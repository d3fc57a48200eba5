"""Starts a command that gets a signal when the process that asked for it dies, even by SIGKILL.

Run as a file: `python -I -S tether.py SIGNAL PARENT_PID COMMAND ...`. The command replaces this process and
keeps its pid. Only Linux has the death signal; elsewhere the command simply runs. Imports nothing of the
project, so that it costs milliseconds.
"""

from __future__ import annotations

import os
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; the setting survives exec."""


def main(arguments: list[str]) -> None:
    signal_number, parent_pid, *command = arguments
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != int(parent_pid):
            sys.exit("the process that asked for this command is gone")
    os.execv(command[0], command)  # noqa: S606 - the caller gives the full path, no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
