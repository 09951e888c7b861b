"""Prints the end of a log file, and follows it over its rotation."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from brokerbus_deploy.arguments import BadArgument

FOLLOW_SECONDS = 0.2
"""Pause between two looks at a log that is followed."""

Write = Callable[[str], object]


def show(path: Path, lines: int, follow: bool, write: Write = sys.stdout.write) -> None:
    """Writes the last lines of a log; with ``follow`` goes on until Ctrl-C."""
    if not path.exists():
        raise BadArgument(f"{path}: no log yet; start with: brokerbus up")
    inode, position = _last(path, lines, write)
    try:
        while follow:
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)
            inode, position = _more(path, inode, position, write)
    except KeyboardInterrupt:
        return


def _last(path: Path, lines: int, write: Write) -> tuple[int, int]:
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            write(line)
        return os.fstat(file.fileno()).st_ino, file.tell()


def _more(path: Path, inode: int, position: int, write: Write) -> tuple[int, int]:
    """What was written since; from the start when the file is another one now."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = os.fstat(file.fileno())
            if found.st_ino == inode and found.st_size >= position:
                file.seek(position)
            for line in file:
                write(line)
            return found.st_ino, file.tell()
    except FileNotFoundError:
        return inode, position
