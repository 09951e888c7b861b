"""The vendor's side: takes orders, matches them, keeps the account; what it acknowledges survives kill -9."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from brokerbus.broker import OrderRequest
from brokerbus.contract import Contract
from brokerbus.errors import BadRequest, NotFound
from brokerbus.model import Number
from brokerbus_paper.account import Reservations, rate
from brokerbus_paper.calendars import close_after
from brokerbus_paper.ledger import Ledger
from brokerbus_paper.limits import LISTED, LISTED_SINCE, MAX_OPEN_ORDERS, RECENT_ORDERS
from brokerbus_paper.market import Market, Security
from brokerbus_paper.matching import CANCELED, EXPIRED, Execution, Ticket, collar, execute
from brokerbus_paper.rules import checked_price, checked_qty, refuse

Change = Tuple[Optional[Ticket], Ticket]
"""An order before and after; None before for a new one."""


@dataclass(frozen=True)
class AccountView:
    """The account at one moment: cash and what of it is free, in ``currency``; shares by contract."""

    currency: str
    cash: Decimal
    available: Decimal
    shares: Mapping[Contract, Decimal]


@dataclass(frozen=True)
class News:
    """What one change of the books brought: orders, executions with their ids, the account after it."""

    orders: Sequence[Ticket]
    fills: Sequence[Tuple[str, Execution]]
    account: AccountView


class Vendor:
    """One account at the paper vendor. Writers take turns; readers never wait for one.

    ``clock`` gives Unix ms. ``listener`` hears every change after it is durable, in its order, and must not block.
    """

    def __init__(
        self, ledger: Ledger, market: Market, clock: Callable[[], int], listener: Callable[[News], Any]
    ) -> None:
        self.ledger, self.market, self._clock, self._listener = ledger, market, clock, listener
        self._lock = threading.Lock()
        self._open: Dict[str, Ticket] = {}
        self._recent: OrderedDict[str, Ticket] = OrderedDict()

    def open_account(self, currency: str, cash: Decimal) -> None:
        """Opens the account of the ledger, or a new one with this cash."""
        kept, self._holdings = self.ledger.open_account(currency, cash)
        if kept != currency:
            raise BadRequest(f"settings.currency: this account was opened in {kept} and stays so, found {currency}")
        self._open = {ticket.order_id: ticket for ticket in self.ledger.open_orders()}
        self._reserved = Reservations(currency, self._open.values())
        self._last = self.ledger.last_number()
        self.account = self._view()

    # -- trading -----------------------------------------------------------------------------------
    def place(self, request: OrderRequest) -> str:
        """Takes an order, durably, and trades at once what the book offers; returns its id."""
        security = self.market.find(request.contract)
        if security is None:
            raise refuse("UNKNOWN_SYMBOL", f"unknown symbol {request.contract.code}")
        with self._lock:
            if len(self._open) >= MAX_OPEN_ORDERS:
                raise refuse("TOO_MANY_OPEN_ORDERS", f"more than {MAX_OPEN_ORDERS} open orders")
            ticket = self._new_ticket(request, security)
            self._reserved.check(ticket, self._holdings)
            traded, trades = execute(ticket, security.book, ticket.created)
            self._commit([(None, traded)], trades)
        return ticket.order_id

    def modify(self, order_id: str, qty: Optional[Number], price: Optional[Number]) -> None:
        """Gives an open order another total quantity or price; it trades at once if that allows."""
        if qty is None and price is None:
            raise BadRequest("qty: expected a new qty or price, found neither")
        with self._lock:
            old = self._open_ticket(order_id)
            changed = self._changed(old, qty, price)
            self._check_again(old, changed)
            security = self.market.find(old.contract)
            traded, trades = execute(changed, security.book, changed.updated) if security else (changed, [])
            self._commit([(old, traded)], trades)

    def cancel(self, order_id: str) -> None:
        """Ends an open order; what it traded stays."""
        with self._lock:
            old = self._open_ticket(order_id)
            self._commit([(old, old.closed(CANCELED, self._clock()))], [])

    def step(self, now: int) -> None:
        """Ends orders whose day is over, and trades the others with the books of this moment."""
        changes: List[Change] = []
        trades: List[Execution] = []
        with self._lock:
            for old in self._open.values():
                new, traded = self._stepped(old, now)
                if new is not old:
                    changes.append((old, new))
                    trades += traded
            if changes:
                self._commit(changes, trades)

    # -- reading -----------------------------------------------------------------------------------
    def order(self, order_id: str) -> Ticket:
        """One order, however old; NotFound without one of that id."""
        found = self._open.get(order_id) or self._recent.get(order_id) or self.ledger.order(order_id)
        if found is None:
            raise NotFound(f"no order {order_id!r:.40}")
        return found

    def orders(self, open_only: bool, since: Optional[int]) -> List[Ticket]:
        """Orders changed at or after ``since`` (Unix ms), oldest first; None: the newest 1,000."""
        most = LISTED if since is None else LISTED_SINCE
        if not open_only:
            return self.ledger.orders(since or 0, most)
        with self._lock:
            tickets = list(self._open.values())
        return [ticket for ticket in tickets if ticket.updated >= (since or 0)][-most:]

    def tagged(self, tag: str) -> List[Ticket]:
        """The orders placed with this tag: more than one if it was placed more than once.

        Waits for an order that is being written: what is not found was not placed, and is not being placed.
        """
        with self._lock:
            return self.ledger.tagged(tag)

    def fills(self, since: Optional[int]) -> List[Tuple[str, Execution]]:
        """Executions at or after ``since`` (Unix ms), oldest first; None: the newest 1,000."""
        return self.ledger.fills(since or 0, LISTED if since is None else LISTED_SINCE)

    def net_assets(self) -> Decimal:
        """Cash and holdings at their latest prices, in the account's currency."""
        account, worth = self.account, Decimal(0)
        for contract, qty in account.shares.items():
            security = self.market.find(contract)
            if security is not None:
                worth += qty * security.price * rate(security.instrument.currency, account.currency)
        return account.cash + worth

    # -- inside the lock ---------------------------------------------------------------------------
    def _new_ticket(self, request: OrderRequest, security: Security) -> Ticket:
        now = self._clock()
        qty = checked_qty(security.instrument, request.direction, request.qty)
        price = checked_price(request.order_type, request.price)
        return Ticket(
            # By the clock, so that a number is never given twice, not even after the file was deleted.
            order_id=str(max(self._last + 1, now * 1000)),
            tag=request.client_order_id,
            contract=security.contract,
            currency=security.instrument.currency,
            direction=request.direction,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            lifecycle=request.lifecycle,
            qty=qty,
            price=price,
            limit=collar(security.book, request.direction) if price is None else price,
            created=now,
            updated=now,
            expires=self._expiry(request, security, now),
        )

    def _expiry(self, request: OrderRequest, security: Security, now: int) -> Optional[int]:
        if request.time_in_force == "GTC":
            return None
        return close_after(security.contract.region, request.lifecycle, now)

    def _open_ticket(self, order_id: str) -> Ticket:
        ticket = self.order(order_id)
        if not ticket.is_open:
            raise refuse("ORDER_CLOSED", f"order {order_id} is {ticket.status}")
        return ticket

    def _changed(self, old: Ticket, qty: Optional[Number], price: Optional[Number]) -> Ticket:
        if price is not None and old.price is None:
            raise refuse("INVALID_PRICE", "a market order has no price to change")
        security = self.market.find(old.contract)
        if security is None:
            raise refuse("UNKNOWN_SYMBOL", f"unknown symbol {old.contract.code}")
        new_qty = old.qty if qty is None else checked_qty(security.instrument, old.direction, qty)
        if new_qty <= old.filled:
            raise refuse("INVALID_QTY", f"qty must be above the {old.filled:f} already filled; cancel the rest instead")
        new_price = old.price if price is None else checked_price(old.order_type, price)
        limit = old.limit if new_price is None else new_price
        return replace(old, qty=new_qty, price=new_price, limit=limit, updated=self._clock())

    def _check_again(self, old: Ticket, changed: Ticket) -> None:
        self._reserved.add(old, -1)
        try:
            self._reserved.check(changed, self._holdings)
        finally:
            self._reserved.add(old)

    def _stepped(self, old: Ticket, now: int) -> Tuple[Ticket, List[Execution]]:
        if old.expires is not None and now >= old.expires:
            return old.closed(EXPIRED, now), []
        security = self.market.find(old.contract)
        return execute(old, security.book, now) if security else (old, [])

    def _commit(self, changes: Sequence[Change], trades: Sequence[Execution]) -> None:
        holdings = self._holdings.after(trades, self._reserved.base)
        tickets = [new for _, new in changes]
        ids = self.ledger.write(tickets, trades, holdings if trades else None)
        self._holdings = holdings
        for old, new in changes:
            self._replace(old, new)
        self.account = self._view()
        self._listener(News(tickets, list(zip(ids, trades)), self.account))

    def _replace(self, old: Optional[Ticket], new: Ticket) -> None:
        if old is not None:
            self._reserved.add(old, -1)
        self._reserved.add(new)
        self._last = max(self._last, int(new.order_id))
        if new.is_open:
            self._open[new.order_id] = new
            return
        self._recent[new.order_id] = new
        self._open.pop(new.order_id, None)
        if len(self._recent) > RECENT_ORDERS:
            self._recent.popitem(last=False)

    def _view(self) -> AccountView:
        held = self._holdings
        return AccountView(self._reserved.base, held.cash, held.cash - self._reserved.cash, held.shares)
