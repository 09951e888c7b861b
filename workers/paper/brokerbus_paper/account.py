"""The account's money: cash, holdings, what open orders reserve of both, and fixed conversion rates."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Dict, Iterable, Mapping

from brokerbus.contract import Contract
from brokerbus.errors import Rejected
from brokerbus_paper.matching import Execution, Ticket

_IN_USD = {"USD": Decimal(1), "HKD": Decimal("0.128"), "CNY": Decimal("0.14")}
_RATE_PLACES = Decimal("0.000001")


def rate(currency: str, base: str) -> Decimal:
    """How much of ``base`` one unit of ``currency`` is; fixed, so that value is conserved."""
    return (_IN_USD[currency] / _IN_USD[base]).quantize(_RATE_PLACES)


@dataclass(frozen=True)
class Holdings:
    """Cash in the account's currency, and shares by contract; none of them below zero."""

    cash: Decimal
    shares: Mapping[Contract, Decimal]

    def after(self, trades: Iterable[Execution], base: str) -> Holdings:
        """The holdings once these executions are settled, which is at once."""
        cash, shares = self.cash, dict(self.shares)
        for trade in trades:
            sign = 1 if trade.direction == "BUY" else -1
            cash -= sign * trade.qty * trade.price * rate(trade.currency, base)
            shares[trade.contract] = shares.get(trade.contract, Decimal(0)) + sign * trade.qty
        return Holdings(cash, {contract: qty for contract, qty in shares.items() if qty})


class Reservations:
    """What open orders hold back: cash for buys at their limit, shares for sells."""

    def __init__(self, base: str, tickets: Iterable[Ticket] = ()) -> None:
        self.base = base
        self.cash = Decimal(0)
        self.shares: Dict[Contract, Decimal] = {}
        for ticket in tickets:
            self.add(ticket)

    def add(self, ticket: Ticket, sign: int = 1) -> None:
        """Holds back what the ticket may still trade; ``sign`` -1 gives it back."""
        if ticket.direction == "BUY":
            self.cash += sign * self.cost(ticket)
        else:
            left = self.shares.get(ticket.contract, Decimal(0)) + sign * ticket.remaining
            self.shares[ticket.contract] = left

    def cost(self, ticket: Ticket) -> Decimal:
        """The most that the rest of a buy can cost, in the account's currency."""
        return ticket.remaining * ticket.limit * rate(ticket.currency, self.base)

    def check(self, ticket: Ticket, holdings: Holdings) -> None:
        """Rejects an order that the free cash or the free shares do not cover."""
        if ticket.direction == "BUY":
            free, cost = holdings.cash - self.cash, self.cost(ticket)
            if cost > free:
                message = f"insufficient buying power: {cost:.2f} {self.base} needed, {free:.2f} available"
                raise Rejected(message, detail={"code": "INSUFFICIENT_CASH"})
            return
        held = holdings.shares.get(ticket.contract, Decimal(0)) - self.shares.get(ticket.contract, Decimal(0))
        if ticket.remaining > held:
            message = f"insufficient position: {ticket.remaining:f} {ticket.contract.code} to sell, {held:f} available"
            raise Rejected(message, detail={"code": "INSUFFICIENT_POSITION"})
