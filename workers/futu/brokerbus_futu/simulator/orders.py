"""Describes an order and a fill, and what became of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .codes import OPEN, PRICELESS, STOPS, TOUCHES, TRAILING, OrderType, Side, Status


@dataclass
class Order:
    """One order as OpenD knows it; times in epoch seconds, ``remark`` None when the client sent none."""

    order_id: int
    order_id_ex: str
    acc_id: int
    env: int
    trd_market: int
    code: str
    name: str
    side: int
    order_type: int
    qty: float
    price: float
    currency: str
    aux_price: float | None = None
    remark: str | None = None
    time_in_force: int = 0
    outside_rth: bool = False
    session: int | None = None
    expire_time: str | None = None
    origin: str = "api"
    packet: tuple[int, int] | None = None
    status: int = Status.SUBMITTING
    filled: float = 0.0
    turnover: float = 0.0
    error: str = ""
    today: bool = True
    triggered: bool = False
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    visible_from: float = 0.0

    @property
    def remaining(self) -> float:
        """Quantity not yet filled."""
        return round(self.qty - self.filled, 8)

    @property
    def average(self) -> float:
        """Average fill price, 0 before the first fill."""
        return self.turnover / self.filled if self.filled else 0.0

    @property
    def open(self) -> bool:
        """Whether it may still fill or be cancelled."""
        return self.status in OPEN

    @property
    def buys(self) -> bool:
        """Buy or buy back."""
        return self.side in (Side.BUY, Side.BUY_BACK)

    def marketable(self, last: float) -> bool:
        """Whether it trades at this last price: a market order always, a limit if no worse, a stop once touched."""
        if self.order_type in TRAILING:
            return False
        if self.order_type in STOPS | TOUCHES and not self._touched(last):
            return False
        if self.order_type in PRICELESS and self.order_type != OrderType.AUCTION:
            return True
        return self.price >= last if self.buys else self.price <= last

    def _touched(self, last: float) -> bool:
        rising = self.buys if self.order_type in STOPS else not self.buys
        trigger = self.aux_price or 0.0
        self.triggered = self.triggered or (last >= trigger if rising else last <= trigger)
        return self.triggered

    def facts(self) -> dict[str, Any]:
        """As evidence: plain values, status by name."""
        return {
            "order_id": str(self.order_id),
            "order_id_ex": self.order_id_ex,
            "acc_id": str(self.acc_id),
            "env": "REAL" if self.env else "SIMULATE",
            "code": self.code,
            "side": Side(self.side).name,
            "order_type": self.order_type,
            "qty": self.qty,
            "price": self.price,
            "remark": self.remark,
            "status": Status(self.status).name,
            "filled": self.filled,
            "average": self.average,
            "error": self.error,
            "origin": self.origin,
            "today": self.today,
            "created": self.created,
            "updated": self.updated,
            "packet": list(self.packet) if self.packet else None,
        }


@dataclass
class Fill:
    """One execution of an order; ``cancelled`` fills stay listed with status 1."""

    fill_id: int
    order: Order
    qty: float
    price: float
    created: float = field(default_factory=time.time)
    status: int = 0

    @property
    def fill_id_ex(self) -> str:
        """Distinct text id, as the vendor's."""
        return f"D{self.fill_id:X}"

    def facts(self) -> dict[str, Any]:
        """As evidence: plain values."""
        return {
            "fill_id": str(self.fill_id),
            "order_id_ex": self.order.order_id_ex,
            "code": self.order.code,
            "side": Side(self.order.side).name,
            "qty": self.qty,
            "price": self.price,
            "created": self.created,
            "status": self.status,
        }
