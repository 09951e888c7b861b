"""Goes wrong on request: faults of calls and of pushes at the paper vendor, for tests and demos."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Tuple, TypeVar

from brokerbus.errors import BadRequest, BusError, Unavailable, UnknownOutcome
from brokerbus_paper.limits import FAULTS, MAX_FAULT_SECONDS

CALL_KINDS: Dict[str, str] = {
    "slow": "wait `seconds`, then act",
    "die_before": "kill -9 of this worker before acting",
    "lose_request": "do not act; the caller is told that nothing is known",
    "late": "the caller is told at once that nothing is known; act `seconds` later",
    "hide": "what is placed stays out of look-ups and lists for `seconds`",
    "slow_answer": "act, wait `seconds`, then answer",
    "die_after": "act durably, then kill -9 of this worker before the answer",
    "lose_answer": "act durably; the caller is told that nothing is known",
}
"""Faults of calls, in the order in which they strike when several meet one call."""

PUSH_KINDS: Dict[str, str] = {
    "lose_push": "do not push",
    "duplicate_push": "push twice",
    "delay_push": "push after `seconds`",
    "reorder_push": "push after the next one, or after `seconds` without one",
}
"""Faults of ``order`` and ``fill`` pushes."""

WRITES = ("place_order", "modify_order", "cancel_order")
METHODS = (*WRITES, "order_by_tag", "orders", "fills")
"""Where calls can fail. ``place_order`` unless told otherwise."""

PUSHES = ("order", "fill")
"""Which pushes can fail. Both unless told otherwise."""

ONLY_WRITES = frozenset(("late",))
ONLY_PLACING = frozenset(("hide",))

FIELDS = ("kind", "method", "times", "skip", "probability", "seconds")
DEFAULT_SECONDS = 0.2

T = TypeVar("T")


@dataclass
class Fault:
    """One kind of trouble. ``times`` None lasts until cleared; the first ``skip`` matches pass unharmed.

    ``method`` is a method of the bus, or for pushes ``order``, ``fill`` or empty for both.
    """

    kind: str
    method: str
    times: Optional[int] = 1
    skip: int = 0
    probability: float = 1.0
    seconds: float = DEFAULT_SECONDS
    id: int = 0
    hits: int = 0


class Faults:
    """The faults in force. The same ``seed`` draws the same probabilities."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311  chance, not secrecy
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._active: List[Fault] = []

    def add(self, fields: Mapping[str, Any], key: str = "fault") -> Dict[str, Any]:
        """Puts a fault in force; BadRequest names the field that does not fit."""
        fault = read_fault(fields, key)
        with self._lock:
            if len(self._active) >= FAULTS:
                raise BadRequest(f"{key}: {FAULTS} faults are in force already")
            fault.id = next(self._ids)
            self._active.append(fault)
            return asdict(fault)

    def facts(self) -> List[Dict[str, Any]]:
        """Those in force, with how often each has struck."""
        with self._lock:
            return [asdict(fault) for fault in self._active]

    def clear(self) -> int:
        """Forgets all; returns how many there were."""
        with self._lock:
            count = len(self._active)
            self._active = []
            return count

    def strike(self, method: str, kinds: Mapping[str, str]) -> Dict[str, Fault]:
        """The faults that hit this call or push, at most one of each kind; they count as used."""
        struck: Dict[str, Fault] = {}
        with self._lock:
            for fault in list(self._active):
                meant = fault.kind in kinds and fault.kind not in struck and fault.method in ("", method)
                if meant and self._hits(fault):
                    struck[fault.kind] = fault
        return struck

    def _hits(self, fault: Fault) -> bool:
        if self._random.random() >= fault.probability:
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        fault.hits += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._active.remove(fault)
        return True


class Trouble:
    """Lets calls through, or does to them what the faults want."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._hidden: Dict[str, float] = {}

    def call(self, method: str, act: Callable[[], T], tag: str = "") -> T:
        """What ``act`` returns, or the trouble; ``tag`` is that of an order being placed."""
        struck = self.faults.strike(method, CALL_KINDS)
        if not struck:
            return act()
        self._before(method, act, struck, tag)
        answer = act()
        if "slow_answer" in struck:
            time.sleep(struck["slow_answer"].seconds)
        if "die_after" in struck:
            die()
        if "lose_answer" in struck:
            raise lost(method, "the answer")
        return answer

    def _before(self, method: str, act: Callable[[], Any], struck: Mapping[str, Fault], tag: str) -> None:
        if "slow" in struck:
            time.sleep(struck["slow"].seconds)
        if "die_before" in struck:
            die()
        if "lose_request" in struck:
            raise lost(method, "the request")
        if "hide" in struck:
            # Before it exists, so that nobody sees it come, go and come again.
            self._hidden[tag] = time.monotonic() + struck["hide"].seconds
        if "late" in struck:
            later(struck["late"].seconds, lambda: _quietly(act))
            raise lost(method, "the answer")

    def shows(self, tag: str) -> bool:
        """False while an order with this tag is hidden."""
        return not self._hidden or self._hidden.get(tag, 0.0) <= time.monotonic()


Pushed = Tuple[str, str, Mapping[str, Any]]


class TroubledPushes:
    """Passes pushes on to ``push``, or does to orders and fills among them what the faults want."""

    def __init__(self, faults: Faults, push: Callable[[str, str, Mapping[str, Any]], None]) -> None:
        self._faults, self._push = faults, push
        self._lock = threading.Lock()
        self._held: List[Pushed] = []

    def __call__(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        if kind not in PUSHES:
            self._push(kind, subject, data)
            return
        struck = self._faults.strike(kind, PUSH_KINDS)
        pushed = (kind, subject, data)
        if "reorder_push" in struck and "lose_push" not in struck:
            self._hold(pushed, struck["reorder_push"].seconds)
            return
        if "delay_push" in struck and "lose_push" not in struck:
            later(struck["delay_push"].seconds, lambda: self._push(*pushed))
        elif "lose_push" not in struck:
            self._push(*pushed)
        if "duplicate_push" in struck:
            self._push(*pushed)
        self.release()

    def _hold(self, pushed: Pushed, seconds: float) -> None:
        with self._lock:
            self._held.append(pushed)
        later(seconds, self.release)

    def release(self) -> None:
        """Pushes what was held back."""
        with self._lock:
            held, self._held = self._held, []
        for pushed in held:
            self._push(*pushed)


def read_fault(fields: Mapping[str, Any], key: str) -> Fault:
    """A fault as a map means it; BadRequest names the field that does not fit."""
    if not isinstance(fields, Mapping):
        raise BadRequest(f"{key}: expected a table with {', '.join(FIELDS)}, found {fields!r:.40}")
    unknown = sorted(str(name) for name in set(fields) - set(FIELDS))
    if unknown:
        raise BadRequest(f"{key}.{unknown[0]}: unknown; expected {', '.join(FIELDS)}")
    kind = fields.get("kind")
    if not isinstance(kind, str) or (kind not in CALL_KINDS and kind not in PUSH_KINDS):
        known = ", ".join((*CALL_KINDS, *PUSH_KINDS))
        raise BadRequest(f"{key}.kind: expected one of {known}, found {kind!r:.40}")
    times = fields.get("times", 1)
    return Fault(
        kind=kind,
        method=_method(key, kind, fields.get("method")),
        times=None if times is None else _count(f"{key}.times", times, 1),
        skip=_count(f"{key}.skip", fields.get("skip", 0), 0),
        probability=_amount(f"{key}.probability", fields.get("probability", 1.0), 1.0),
        seconds=_amount(f"{key}.seconds", fields.get("seconds", DEFAULT_SECONDS), MAX_FAULT_SECONDS),
    )


def _method(key: str, kind: str, value: Any) -> str:
    known: FrozenSet[str] = frozenset(METHODS)
    if kind in PUSH_KINDS:
        known = frozenset((*PUSHES, ""))
    elif kind in ONLY_WRITES:
        known = frozenset(WRITES)
    elif kind in ONLY_PLACING:
        known = frozenset(("place_order",))
    if value is None:
        return "" if kind in PUSH_KINDS else "place_order"
    if not isinstance(value, str) or value not in known:
        raise BadRequest(f"{key}.method: {kind} is for {', '.join(sorted(known))}; found {value!r:.40}")
    return value


def _count(key: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadRequest(f"{key}: expected a whole number from {least}, found {value!r:.40}")
    return value


def _amount(key: str, value: Any, most: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadRequest(f"{key}: expected a number from 0 to {most:g}, found {value!r:.40}")
    return float(value)


def lost(method: str, what: str) -> BusError:
    """What the caller knows when ``what`` was lost on the way."""
    if method in WRITES:
        return UnknownOutcome(f"{method}: {what} was lost (a fault that was asked for); it may have arrived")
    return Unavailable(f"{method}: {what} was lost (a fault that was asked for)", retry_after=1.0)


def later(seconds: float, act: Callable[[], None]) -> None:
    """Has ``act`` called after some seconds, in a thread that does not outlive the process."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def die() -> None:
    """kill -9 of this process: nothing is closed, nothing is told."""
    os.kill(os.getpid(), signal.SIGKILL)


def _quietly(act: Callable[[], Any]) -> None:
    try:
        act()
    except BusError:
        pass  # a late request is refused like any other, with nobody left to be told
