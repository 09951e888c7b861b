"""Calls functions at their times from one thread, however many there are."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable, List, Tuple


class Alarms:
    """One thread, started with the first alarm. The functions must return at once and raise nothing."""

    def __init__(self) -> None:
        self._due: List[Tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: List[threading.Thread] = []

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Has ``call`` called at ``when`` (CLOCK_MONOTONIC)."""
        with self._changed:
            heapq.heappush(self._due, (when, next(self._numbers), call))
            if not self._thread:
                self._thread.append(threading.Thread(target=self._run, name="alarms", daemon=True))
                self._thread[0].start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            self._next()()

    def _next(self) -> Callable[[], None]:
        """Waits for the next alarm."""
        with self._changed:
            while True:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
