"""Many files through the reader that runs apart, without a start of the interpreter for each.

`python -m tests.hostile.forked` reads paths on its standard input, one a line. For each it forks a process
that does what `child.py` does, confinement included, and answers one line of JSON: how the process ended, its
report, its memory, its seconds of processor.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from sons_tracker.readers.apart import INSPECTION
from sons_tracker.readers.inside import child

ORDER = {
    "work": "inspect",
    "seconds": INSPECTION.processor,
    "memory": INSPECTION.memory,
    "unpacked": INSPECTION.unpacked,
}


def read(path: str) -> dict[str, object]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(path, os.O_RDONLY), 0)
        os.dup2(writing, 1)
        os.closerange(3, 64)
        child.main(ORDER)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        frames = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    report = json.loads(frames[5:]) if frames[:1] == b"R" else None
    code = os.waitstatus_to_exitcode(status)
    return {"ended": code, "report": report, "megabytes": usage.ru_maxrss / 1024, "seconds": usage.ru_utime}


if __name__ == "__main__":
    for modules in child._PREPARED.values():
        for name in modules:
            import_module(name)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(read(line.rstrip("\n"))) + "\n")
        sys.stdout.flush()
