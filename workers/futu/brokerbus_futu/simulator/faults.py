"""Keeps the faults that were asked for and says which one hits a request, a push or a connection."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Deque

REQUEST_KINDS = {
    "drop_before": "cut the connection, request not applied",
    "drop_after": "apply, then cut the connection without an answer",
    "swallow": "ignore the request",
    "no_answer": "apply, never answer",
    "delay": "apply at once, answer after `seconds`",
    "delay_apply": "apply and answer only after `seconds`",
    "error": "do not apply, answer retType -1 with `message`",
    "error_after": "apply, yet answer retType -1 with `message`",
    "garbage": "apply, answer with `count` random bytes",
    "half_frame": "apply, send the first half of the answer, cut",
    "bad_sha1": "apply, answer with a wrong digest",
    "split": "apply, send the answer byte by byte",
    "die_before": "kill -9 of the simulator's process, request not applied",
    "die_after": "apply, then kill -9 of the simulator's process",
}
"""Faults of a request, by what they do."""

PUSH_KINDS = {
    "suppress_push": "do not send the push",
    "duplicate_push": "send the push twice",
    "reorder_push": "send the push after the next one (after `seconds` when none follows)",
    "delay_push": "send the push after `seconds`",
}
"""Faults of a push, by what they do."""

CONNECTION_KINDS = {"mute": "accept the connection and never say a word"}
"""Faults of a new connection."""

KINDS = {**REQUEST_KINDS, **PUSH_KINDS, **CONNECTION_KINDS}
KEPT = 10_000
"""Faults that struck, kept as evidence."""

LINK_PROTOCOLS = frozenset({1001, 1004})
"""InitConnect and KeepAlive are hit only when named: a fault for "any request" is not meant for them."""


@dataclass
class Fault:
    """One kind of trouble; ``times`` None lasts until cleared, the first ``skip`` matches pass unharmed."""

    kind: str
    proto: int | None = None
    conn: int | None = None
    times: int | None = 1
    skip: int = 0
    seconds: float = 1.0
    message: str = "simulated failure"
    count: int = 200
    id: int = 0
    hits: int = 0

    def matches(self, proto: int, conn: int) -> bool:
        """Whether it is meant for this protocol id on this connection."""
        if self.proto is None:
            return proto not in LINK_PROTOCOLS and self.conn in (None, conn)
        return self.proto == proto and self.conn in (None, conn)


class Faults:
    """The faults in force, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.struck: Deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._added = 0

    def add(self, kind: str, **details: Any) -> Fault:
        """Raises ValueError for an unknown kind or a wrong value, and TypeError for an unknown detail."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; known: {', '.join(sorted(KINDS))}")
        for name in ("proto", "conn", "times", "skip", "count"):
            if not isinstance(details.get(name), (int, type(None))):
                raise ValueError(f"{name} of a fault wants a number, got {details[name]!r}")
        self._added += 1
        fault = Fault(kind=kind, id=self._added, **details)
        self.active.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> int:
        """Forget all faults, or those of one kind; returns how many."""
        kept = [fault for fault in self.active if kind is not None and fault.kind != kind]
        gone = len(self.active) - len(kept)
        self.active = kept
        return gone

    def for_request(self, proto: int, conn: int) -> Fault | None:
        """The fault that hits this request; it counts as used."""
        return self._take(REQUEST_KINDS, proto, conn)

    def for_push(self, proto: int, conn: int) -> Fault | None:
        """The fault that hits this push; it counts as used."""
        return self._take(PUSH_KINDS, proto, conn)

    def for_connection(self, conn: int) -> Fault | None:
        """The fault that hits this new connection; it counts as used."""
        return self._take(CONNECTION_KINDS, 0, conn)

    def _take(self, kinds: dict[str, str], proto: int, conn: int) -> Fault | None:
        for fault in self.active:
            if fault.kind in kinds and fault.matches(proto, conn):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                self.struck.append(
                    {"id": fault.id, "kind": fault.kind, "proto": proto, "conn": conn, "time": time.time()}
                )
                return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Fault:
        fault.hits += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.active.remove(fault)
        return fault

    def facts(self) -> list[dict[str, Any]]:
        """Those in force, as plain values."""
        return [asdict(fault) for fault in self.active]
