"""The process gives up, before it reads the first byte of a file, all that it will not need.

After `confine` it can open no file and no socket (its three descriptors are all that it may have), write no
file, start no process, take no more processor time and memory than it was given, and it is nobody. All that
it imports must be imported before. macOS knows no bound on the address space: time and the size of the file
bound its memory there.
"""

from __future__ import annotations

import contextlib
import os
import resource

_NOBODY = 65534
_DESCRIPTORS = 3  # standard input, output and error


def confine(seconds: int, memory: int) -> None:
    """Bounds this process, for good, to `seconds` of processor and `memory` bytes of addresses."""
    if os.geteuid() == 0:
        # the count of processes does not bind root
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
    for what, soft, hard in (
        # first the signal that says what it is, then the one that nothing survives
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS, _DESCRIPTORS),
    ):
        # what a platform does not know, it refuses: the bounds kept by the parent stay
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (soft, hard))
