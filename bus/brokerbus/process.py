"""What keeps a worker single and mortal: its lock, its parent's death, its pace of crashes."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, List, Optional

from brokerbus import limits

LOCKED = 75
"""Exit code of a worker whose instance another one serves (EX_TEMPFAIL of sysexits.h)."""

PR_SET_PDEATHSIG = 1


class InstanceLocked(RuntimeError):
    """Another process serves this instance."""


def die_with_parent(run_dir: Optional[Path] = None) -> None:
    """Has the kernel kill this process when the one that started it dies (Linux; nothing elsewhere).

    supervisord does not take its children with it when it is killed, and the one that follows it
    would start a second worker beside the first. ``run_dir`` holds supervisord's pid file: with it, a
    parent that died while this process was still starting is noticed too.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = _supervisor(run_dir) or os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(LOCKED)  # the parent died before the kernel knew of our wish


def _supervisor(run_dir: Optional[Path]) -> Optional[int]:
    """The pid of the supervisord that started this process; None when it was started otherwise."""
    if run_dir is None or "SUPERVISOR_ENABLED" not in os.environ:
        return None
    try:
        return int((run_dir / "supervisord.pid").read_text("ascii"))
    except (OSError, ValueError):
        return None


class InstanceLock:
    """Exclusive ownership of an instance; held by file locks until this process ends.

    Taken before any socket is bound: binding an ipc path that another process serves takes it over
    without an error. A record lock: a process that the broker's SDK forks does not keep it.
    """

    def __init__(self, instance: str, *directories: Path) -> None:
        self._files: List[IO[str]] = []
        for directory in dict.fromkeys(str(path) for path in directories):
            path = Path(directory) / f"{instance}.lock"
            handle = open(path, "a", encoding="ascii")  # noqa: SIM115 - held until the process ends
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.close()
                self.release()
                raise InstanceLocked(f"{instance}: another worker holds {path}") from None
            self._files.append(handle)

    def release(self) -> None:
        """Gives the instance up; the end of the process does the same."""
        while self._files:
            self._files.pop().close()


def settle_garbage() -> None:
    """Spares what a start has made from every later garbage collection; requests leave no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pause_after_crashes(path: Path) -> float:
    """Seconds that this start has to wait, and the note of this start in ``path``.

    supervisord is told ``startsecs=0`` so that one crash costs no more than its 1 s tick; a worker that
    keeps crashing slows itself down here.
    """
    now = time.monotonic()
    try:
        starts = [float(at) for at in json.loads(path.read_text("ascii"))]
    except (OSError, ValueError, TypeError):
        starts = []
    starts = [at for at in starts if now - limits.CRASH_WINDOW_SECONDS < at <= now]
    starts.append(now)
    path.write_text(json.dumps(starts[-limits.CRASH_STARTS :]), "ascii")
    return limits.CRASH_PAUSE_SECONDS if len(starts) > limits.CRASH_STARTS else 0.0
