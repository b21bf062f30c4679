"""Reads register files in a process of its own: `python -m tests.hostile.reading DSN ROLE FOLDER`.

Prints one JSON object per file, in order of name: what the import said, its seconds, the greatest memory of
the process until then.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import date
from pathlib import Path

from sons_tracker.db import engine
from sons_tracker.errors import SonsError
from tests.factories_registers import importing

DAY = date(2026, 10, 2)


async def read_all(dsn: str, role: str | None, paths: list[Path]) -> None:
    await engine.start(dsn, role=role)
    try:
        for path in paths:
            started = time.monotonic()
            try:
                report = await importing(path, extracted_on=DAY, dry_run=True)
                said = "guard" if report.guard else "refused" if report.refused_count else "accepted"
                detail = report.guard or (report.refused[0][1] if report.refused else "")
            except SonsError as error:
                said, detail = error.kind.code, error.detail
            line = {
                "name": path.name,
                "said": said,
                "detail": detail[:300],
                "seconds": time.monotonic() - started,
                "megabytes": megabytes(),
            }
            sys.stdout.write(json.dumps(line) + "\n")
    finally:
        await engine.stop()


def megabytes() -> float:
    """The greatest memory of this process; `ru_maxrss` would start at that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    asyncio.run(read_all(sys.argv[1], sys.argv[2] or None, sorted(Path(sys.argv[3]).iterdir())))
