"""Remembers what reached the simulator, for tests to judge by."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any, Deque

from .messages import Catalogue, plain

KEPT = 20_000
"""Requests kept in full; the counts go on."""


class Evidence:
    """Requests, connections and packet ids as received."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._number = 0
        self.clear()

    def clear(self) -> None:
        """Start afresh; request numbers go on."""
        self.counts: Counter[int] = Counter()
        self.packets: Counter[tuple[int, int]] = Counter()
        self.pushes: Counter[int] = Counter()
        self.connections: list[dict[str, Any]] = []
        self._requests: Deque[tuple[int, float, int, int, int, Any]] = deque(maxlen=KEPT)

    def request(self, proto: int, serial: int, conn: int, c2s: Any) -> None:
        """Note a request; it is turned into plain values only when asked for."""
        self._number += 1
        self.counts[proto] += 1
        self._requests.append((self._number, time.time(), proto, serial, conn, c2s))
        if proto in (2202, 2205) and c2s is not None:
            self.packets[(c2s.packetID.connID, c2s.packetID.serialNo)] += 1

    def connection(self, conn: int, event: str) -> None:
        """Note that a connection opened, was initialised or closed."""
        self.connections.append({"conn": conn, "event": event, "time": time.time()})

    def requests(self, since: int = 0, proto: int | None = None) -> list[dict[str, Any]]:
        """Those with a number above ``since``, optionally of one protocol."""
        return [
            {
                "n": number,
                "time": moment,
                "proto": kind,
                "name": self._catalogue.name(kind),
                "serial": serial,
                "conn": conn,
                "c2s": None if c2s is None else plain(c2s),
            }
            for number, moment, kind, serial, conn, c2s in self._requests
            if number > since and proto in (None, kind)
        ]

    def facts(self, since: int = 0, proto: int | None = None) -> dict[str, Any]:
        """All of it as plain values."""
        duplicates = [[str(conn), serial, seen] for (conn, serial), seen in self.packets.items() if seen > 1]
        return {
            "requests": self.requests(since, proto),
            "counts": {str(kind): seen for kind, seen in sorted(self.counts.items())},
            "pushes": {str(kind): seen for kind, seen in sorted(self.pushes.items())},
            "packets": len(self.packets),
            "duplicate_packets": duplicates,
            "connections": list(self.connections),
        }
