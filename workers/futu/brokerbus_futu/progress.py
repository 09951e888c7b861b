"""Tells executions by how far orders have come, for accounts whose deals the vendor does not tell (SIMULATE)."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import Dict, Iterable, List, Optional, Tuple

from brokerbus.errors import Unavailable
from brokerbus.model import Fill, Order, quantity

VERSION = 1

KEPT_DAYS = 120
"""Longer than any order lives at the vendor (90 days)."""

QTY_PLACES, PRICE_PLACES = 8, 6
"""Decimal places to which sums of floating-point numbers are meant."""

BUSY_SECONDS = 5.0

_SCHEMA = f"""
BEGIN;
CREATE TABLE steps (
    order_id TEXT NOT NULL, total REAL NOT NULL, qty REAL NOT NULL, price REAL, timestamp INTEGER,
    noted INTEGER NOT NULL, PRIMARY KEY (order_id, total)) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""

Step = Tuple[float, float, Optional[float], Optional[int]]
"""Total filled quantity after it, quantity and price of it, Unix ms."""


class Progress:
    """Steps of orders, kept in a file: what was told once keeps its id, its quantity and its price for ever.

    An order that is seen at 100 and then at 300 shares has two executions, ``<order>-100`` and ``<order>-300``
    of 200 shares at the price that the average implies; the same whether pushes, a list or a restart showed it.
    A state that is older than what was seen adds nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: Optional[sqlite3.Connection] = None

    def note(self, orders: Iterable[Order]) -> List[Fill]:
        """The executions that these states add to what was seen, durable when this returns."""
        furthest: Dict[str, Order] = {}
        for order in orders:
            known = furthest.get(order.order_id)
            if order.contract is not None and order.filled_qty > (known.filled_qty if known else 0):
                furthest[order.order_id] = order
        if not furthest:
            return []
        with self._lock:
            try:
                return self._note(self._opened(), list(furthest.values()))
            except (sqlite3.Error, OSError) as error:
                self._roll_back()
                raise Unavailable(f"{self._path}: executions cannot be kept: {error}", retry_after=1.0) from error

    def fills(self, orders: Iterable[Order]) -> List[Fill]:
        """All executions of these orders that were ever seen, oldest first."""
        found: List[Fill] = []
        orders = [order for order in orders if order.filled_qty > 0]
        if not orders:
            return found
        with self._lock:
            try:
                file = self._opened()
                for order in orders:
                    found += [fill for step in _steps(file, order.order_id) for fill in _fill(order, step)]
            except (sqlite3.Error, OSError) as error:
                self._roll_back()
                raise Unavailable(f"{self._path}: executions cannot be read: {error}", retry_after=1.0) from error
        return sorted(found, key=lambda fill: fill.timestamp or 0)

    def close(self) -> None:
        """Closes the file; a later call opens it again."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _note(self, file: sqlite3.Connection, orders: List[Order]) -> List[Fill]:
        new = [(order, step) for order in orders for step in _next(order, _steps(file, order.order_id))]
        if not new:
            return []
        file.execute("BEGIN IMMEDIATE")
        now = round(time.time() * 1000)
        for order, step in new:
            file.execute("INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?, ?, ?)", (order.order_id, *step, now))
        file.execute("COMMIT")
        return [fill for order, step in new for fill in _fill(order, step)]

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            # Opened late and again after a failure, so that a full disk holds up no session.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._file = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(self._file)
            except BaseException:
                self._roll_back()
                raise
        return self._file

    def _prepare(self, file: sqlite3.Connection) -> None:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=FULL")
        version = file.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            file.executescript(_SCHEMA)
        elif version != VERSION:
            raise Unavailable(f"{self._path}: expected version {VERSION}, found {version}")
        oldest = round(time.time() * 1000) - KEPT_DAYS * 86_400_000
        file.execute("DELETE FROM steps WHERE noted < ?", (oldest,))

    def _roll_back(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()  # which rolls back; the next call starts afresh


def _steps(file: sqlite3.Connection, order_id: str) -> List[Step]:
    text = "SELECT total, qty, price, timestamp FROM steps WHERE order_id = ? ORDER BY total"
    return file.execute(text, (order_id,)).fetchall()


def _next(order: Order, seen: List[Step]) -> List[Step]:
    """The step from what was seen to this state; none when it is no further."""
    total = round(float(order.filled_qty), QTY_PLACES)
    before = seen[-1][0] if seen else 0.0
    qty = round(total - before, QTY_PLACES)
    if qty <= 0:
        return []
    return [(total, qty, _price(order, seen, total, qty), order.updated_at)]


def _price(order: Order, seen: List[Step], total: float, qty: float) -> Optional[float]:
    """The price of a step, such that all of them have the vendor's average; that average when they cannot."""
    average = float(order.avg_price)
    if average <= 0:
        return None
    paid = sum(step[1] * (average if step[2] is None else step[2]) for step in seen)
    implied = round((total * average - paid) / qty, PRICE_PLACES)
    return implied if implied > 0 else average


def _fill(order: Order, step: Step) -> List[Fill]:
    total, qty, price, timestamp = step
    if order.contract is None:
        return []
    return [
        Fill(
            fill_id=f"{order.order_id}-{quantity(total)}",
            order_id=order.order_id,
            contract=order.contract,
            direction=order.direction,
            qty=quantity(qty),
            price=price,
            timestamp=timestamp,
            client_order_id=order.client_order_id,
        )
    ]
