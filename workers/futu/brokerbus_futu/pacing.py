"""Keeps the calls of each kind under the vendor's limits, without ever sleeping."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable, Deque, Dict, Tuple

from brokerbus.errors import RateLimited

WINDOW_SECONDS = 30.0
"""The vendor counts calls over this time."""

CALLS: Dict[str, int] = {
    "market_state": 30,
    "snapshot": 60,
    "funds": 10,
    "positions": 10,
    "place": 15,
    "cancel": 15,
    "orders": 10,
    "history": 10,
    "fills": 10,
    "fill_history": 10,
}
"""Calls per window and account, all of which may come at once.

They are httptrading 1.0.8's numbers a minute, halved for 30 s; market state, which 1.0.8 paced to one in
6 s without a known limit, is allowed once a second on average. The vendor's own numbers are not in the SDK.
"""


class Pace:
    """At most ``CALLS[kind]`` calls in any window; the next is refused with the time after which it fits.

    ``times`` multiplies what is allowed, for a simulator.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, times: int = 1) -> None:
        self._clock, self._times = clock, times
        self._lock = threading.Lock()
        self._starts: Dict[Tuple[str, int], Deque[float]] = {}

    def wait(self, kind: str, account: int = 0) -> float:
        """Takes a place and returns 0, or returns the seconds after which there is one."""
        now = self._clock()
        with self._lock:
            starts = self._starts.setdefault((kind, account), deque())
            while starts and now - starts[0] >= WINDOW_SECONDS:
                starts.popleft()
            if len(starts) >= CALLS[kind] * self._times:
                return starts[0] + WINDOW_SECONDS - now
            starts.append(now)
            return 0.0

    def free(self, kind: str, account: int = 0, keep: int = 0) -> bool:
        """Takes a place if there is one, and ``keep`` more."""
        return self.spare(kind, account, keep) and self.wait(kind, account) <= 0

    def spare(self, kind: str, account: int = 0, keep: int = 0) -> bool:
        """Whether more than ``keep`` places are free; takes none."""
        now = self._clock()
        with self._lock:
            recent = [start for start in self._starts.get((kind, account), ()) if now - start < WINDOW_SECONDS]
        return len(recent) + keep < CALLS[kind] * self._times

    def take(self, kind: str, account: int = 0) -> None:
        """Takes a place or raises RateLimited."""
        seconds = self.wait(kind, account)
        if seconds > 0:
            most = CALLS[kind] * self._times
            raise RateLimited(
                f"{kind}: {most} calls in {WINDOW_SECONDS:.0f} s are allowed, the next in {seconds:.1f} s",
                retry_after=round(seconds, 3),
            )
