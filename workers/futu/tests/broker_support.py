"""Runs the broker in this process, on the real SDK against a simulated OpenD, and keeps what it tells its host."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Tuple

from worker_support import eventually

from brokerbus.broker import Context, OrderRequest
from brokerbus.contract import parse
from brokerbus.model import Number


def now() -> int:
    """Unix ms."""
    return round(time.time() * 1000)


class Host(Context):
    """What a worker would publish."""

    def __init__(self, home: str) -> None:
        self.instance, self.broker, self.home = "FutuInProcess001", "futu", home
        self.pushes: List[Tuple[str, str, Mapping[str, Any]]] = []
        self.sessions: List[str] = []
        self.failures: List[str] = []

    def push(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        self.pushes.append((kind, subject, data))

    def session(self, state: str, reason: str = "") -> None:
        self.sessions.append(state)

    def fail(self, reason: str) -> None:
        self.failures.append(reason)


class InProcess:
    """A broker and its host; ``restart`` makes a new one in the same home, as a restarted worker would."""

    def __init__(self, port: int, home: str, **settings: Any) -> None:
        self.settings = {"host": "127.0.0.1", "port": port, "trade_env": "SIMULATE", "pace": 1000, **settings}
        if self.settings["trade_env"] == "REAL":
            del self.settings["pace"]
        self.host = Host(home)
        self.start()

    def start(self) -> None:
        from brokerbus_futu.broker import FutuBroker

        self.broker = FutuBroker(self.settings, self.host)
        self.broker.connect()

    def restart(self) -> None:
        self.broker.close()
        self.start()

    def up(self) -> None:
        """Waits until the session is back."""
        eventually(lambda: self.broker._session.up, 10)

    def place(self, tag: str, code: str = "US.AAPL", qty: Number = 1, price: float = 1.0, **more: Any) -> str:
        fields: Dict[str, Any] = {"direction": "BUY", "time_in_force": "DAY", "lifecycle": "RTH", **more}
        kind = fields.pop("order_type", "Limit")
        request = OrderRequest(
            contract=parse(code), order_type=kind, qty=qty, price=price, client_order_id=tag,
            deadline=time.monotonic() + 30, **fields,
        )  # fmt: skip
        return self.broker.place_order(request)

    def pushed(self, kind: str, order_id: str = "") -> List[Mapping[str, Any]]:
        return [data for name, subject, data in list(self.host.pushes) if name == kind and order_id in ("", subject)]

    def journal(self, since: int = 0) -> Dict[str, Mapping[str, Any]]:
        """Fills as the bus keeps them: the first of each id, from pushes and then from the list since some time."""
        kept: Dict[str, Mapping[str, Any]] = {}
        told = [*self.pushed("fill"), *(fill.to_map() for fill in self.broker.fills(since))]
        for fill in told:
            kept.setdefault(fill["fillId"], fill)
        return kept
