"""Orders of the paper vendor and how they trade with a book: pure functions over frozen values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import List, Optional, Sequence, Tuple

from brokerbus.contract import Contract
from brokerbus_paper.market import Book

SUBMITTED, PARTIALLY_FILLED, FILLED = "SUBMITTED", "PARTIALLY_FILLED", "FILLED"
CANCELED, EXPIRED = "CANCELED", "EXPIRED"
OPEN = (SUBMITTED, PARTIALLY_FILLED)

COLLAR = Decimal("0.05")
"""A market order trades at most this far beyond the best price it met on arrival."""


@dataclass(frozen=True)
class Ticket:
    """One order as the vendor keeps it.

    ``limit`` is the worst price it trades at: its price, or a market order's collar. ``cost`` is the sum
    of fill prices times quantities, in ``currency``. Times are Unix ms; ``expires`` is None for GTC.
    """

    order_id: str
    tag: str
    contract: Contract
    currency: str
    direction: str
    order_type: str
    time_in_force: str
    lifecycle: str
    qty: Decimal
    price: Optional[Decimal]
    limit: Decimal
    created: int
    updated: int
    expires: Optional[int] = None
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    status: str = SUBMITTED

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def remaining(self) -> Decimal:
        """What may still trade; 0 once the order is closed."""
        return self.qty - self.filled if self.is_open else Decimal(0)

    def accepts(self, price: Decimal) -> bool:
        """True when the order may trade at this price."""
        return price <= self.limit if self.direction == "BUY" else price >= self.limit

    def closed(self, status: str, now: int) -> Ticket:
        """The same order, ended with this status."""
        return replace(self, status=status, updated=now)


@dataclass(frozen=True)
class Execution:
    """One trade of an order; ``qty`` in shares, ``price`` in the order's currency, ``timestamp`` Unix ms."""

    order_id: str
    tag: str
    contract: Contract
    currency: str
    direction: str
    qty: Decimal
    price: Decimal
    timestamp: int


def collar(book: Book, direction: str) -> Decimal:
    """The limit of a market order that meets this book."""
    best = book.against(direction)[0].price
    return best * (1 + COLLAR) if direction == "BUY" else best * (1 - COLLAR)


def execute(ticket: Ticket, book: Book, now: int) -> Tuple[Ticket, List[Execution]]:
    """Trades an order with what the book offers at or within its limit; what is left stays open."""
    trades = [_trade(ticket, qty, price, now) for qty, price in _matched(ticket, book)]
    if not trades:
        return ticket, []
    filled = ticket.filled + sum((trade.qty for trade in trades), Decimal(0))
    cost = ticket.cost + sum((trade.qty * trade.price for trade in trades), Decimal(0))
    status = FILLED if filled >= ticket.qty else PARTIALLY_FILLED
    return replace(ticket, filled=filled, cost=cost, status=status, updated=now), trades


def _matched(ticket: Ticket, book: Book) -> Sequence[Tuple[Decimal, Decimal]]:
    left, matched = ticket.remaining, []
    for level in book.against(ticket.direction):
        if left <= 0 or not ticket.accepts(level.price):
            break
        qty = min(left, Decimal(level.qty))
        matched.append((qty, level.price))
        left -= qty
    return matched


def _trade(ticket: Ticket, qty: Decimal, price: Decimal, now: int) -> Execution:
    return Execution(ticket.order_id, ticket.tag, ticket.contract, ticket.currency, ticket.direction, qty, price, now)
