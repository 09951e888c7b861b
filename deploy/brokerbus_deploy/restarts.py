"""Counts restarts in supervisord's own log: it keeps no count, and a poller would miss some."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from brokerbus_deploy.layout import Layout

_LINE = re.compile(rb"INFO (?:spawned: '([^']+)' with pid|(supervisord started with pid))")

BACKUPS = 3
"""Older logs that the generated supervisord.conf keeps."""


def count_restarts(layout: Layout) -> dict[str, int]:
    """Starts after the first of each program, since supervisord itself started."""
    starts: Counter[str] = Counter()
    for path in _oldest_first(layout.log("supervisord")):
        for program, anew in _LINE.findall(_content(path)):
            if anew:
                starts.clear()
            else:
                starts[program.decode()] += 1
    return {program: count - 1 for program, count in starts.items()}


def _oldest_first(log: Path) -> list[Path]:
    return [*(log.with_name(f"{log.name}.{number}") for number in range(BACKUPS, 0, -1)), log]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
