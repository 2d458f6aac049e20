"""Becomes a child process of the supervisor: ``child_start.py PARENT_PID NICE COMMAND...``.

The kernel is asked to kill the process when its parent dies, so that not even ``kill -9`` of the
supervisor leaves an engine behind; then the command takes this process's place. That cannot be
done between fork and exec of the supervisor itself, which has threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, nice, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the kernel knew
        sys.exit(1)
    os.nice(int(nice))
    os.execv(command[0], command)  # noqa: S606 (the command is the supervisor's own)


if __name__ == "__main__":
    main()
