"""Kills processes of a running deployment at random, and remembers whom."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from processes import Deployment


def pids(made: Deployment, *words: str) -> list[int]:
    """The processes whose command line has all of these words, and names the deployment's run directory."""
    found = []
    wanted = [str(made.run_dir), *words]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if all(word in text for word in wanted):
                found.append(int(path.parent.name))
    return found


def kill_all(made: Deployment, *words: str) -> bool:
    """kill -9 of what ``pids`` finds; whether there was any."""
    found = pids(made, *words)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


class Killer:
    """Kills one victim after the other while it is entered, but not after ``until`` (CLOCK_MONOTONIC).

    ``victims`` are by name; a kill says whether it struck. At most one kill of a victim in ``rest`` seconds,
    so that its supervisor never counts it as crashing by itself.
    """

    def __init__(
        self,
        chance: random.Random,
        victims: dict[str, Callable[[], bool]],
        pause: tuple[float, float],
        rest: float,
        until: float,
    ) -> None:
        self._chance, self._victims, self._between, self._rest, self._until = chance, victims, pause, rest, until
        self._stop = threading.Event()
        self.ended = threading.Event()
        self._last: dict[str, float] = {}
        self._error: BaseException | None = None
        self.kills: Counter[str] = Counter()
        self.last_kill = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._chance.uniform(*self._between)) and time.monotonic() < self._until:
                self._strike()
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    def _strike(self) -> None:
        now = time.monotonic()
        ready = [name for name in self._victims if now - self._last.get(name, 0.0) >= self._rest]
        if not ready:
            return
        name = self._chance.choice(ready)
        self._last[name] = now
        if self._victims[name]():
            self.kills[name] += 1
            self.last_kill = time.monotonic()

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)
        if kind is None and self._error is not None:
            raise self._error
