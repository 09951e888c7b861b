"""Places, changes and cancels orders, and tells exactly what is known when an answer is lost."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from brokerbus.broker import OrderRequest
from brokerbus.errors import MAYBE, BusError, NotFound, Rejected
from brokerbus.model import Number, Order
from brokerbus_futu import convert, outcomes, terms
from brokerbus_futu.accounts import Chosen
from brokerbus_futu.finding import Finder
from brokerbus_futu.listings import Row
from brokerbus_futu.outcomes import Trace
from brokerbus_futu.session import Links
from brokerbus_futu.terms import MODIFY, PLACE, of_account

CONFIRM_SECONDS = 3.0
"""How long a cancellation or change whose answer is lost is looked for in its order: time for a new link."""

CONFIRM_PAUSES = (0.05, 0.2, 0.5)
"""Pauses between two looks; the last one repeats."""


class Desk(Finder):
    """Trades in the accounts in use. ``locked`` says why the vendor does not unlock REAL trading."""

    locked = ""

    # -- trading -----------------------------------------------------------------------------------
    def place(self, request: OrderRequest) -> str:
        """Sends one order and returns its id; UnknownOutcome at once when it may have arrived."""
        links, accounts = self.using()
        terms.check(request)
        account = accounts.for_order(request.contract)
        self._check_unlocked()
        arguments = terms.to_place(request, account, links.trade.context.place_order)
        self._pace.take("place", account.number)
        self.sending(request.client_order_id)
        order_id, error = terms.placed(links.trade.call("place_order", PLACE, **arguments))
        if error is not None:
            self.sending(request.client_order_id)  # as long as it waited it may have been on its way
            raise error
        self.remember(order_id, account.number, request.client_order_id)
        return order_id

    def cancel(self, order_id: str) -> None:
        """Asks for the cancellation of an order of any account in use."""
        links, accounts = self.using()
        self._check_unlocked()
        account = self._account_of(order_id, accounts)
        self._write(links, account, terms.to_cancel(order_id), lambda row: _canceling(convert.order(row)))

    def modify(self, order_id: str, qty: Optional[Number], price: Optional[Number]) -> None:
        """Asks for another quantity or price of an order of any account in use."""
        links, accounts = self.using()
        self._check_unlocked()
        account, row = self._find(order_id, links, accounts)
        wanted = terms.to_modify(row, qty, price)
        fields = ("qty", "price")
        self._write(links, account, wanted, lambda now: all(now.get(name) == wanted[name] for name in fields))

    def _check_unlocked(self) -> None:
        if self.locked:
            raise Rejected(f"trading is locked: {self.locked}")

    def _write(self, links: Links, account: Chosen, arguments: Dict[str, Any], shown: Callable[[Row], bool]) -> None:
        """Sends one 2205; an answer that is lost counts as done once the order itself shows it."""
        self._pace.take("cancel", account.number)
        trace: Trace = links.trade.call("modify_order", MODIFY, **arguments, **of_account(account))
        step = trace.step(MODIFY)
        if step is not None and step.done:
            return
        error = outcomes.of_writing(trace, MODIFY)
        if isinstance(error, Rejected) and outcomes.unknown_object(error.message):
            raise NotFound(error.message, detail=error.detail)
        if error.outcome != MAYBE or not self._confirmed(arguments["order_id"], shown):
            raise error

    def _confirmed(self, order_id: str, shown: Callable[[Row], bool]) -> bool:
        until = time.monotonic() + CONFIRM_SECONDS
        for pause in _forever(CONFIRM_PAUSES):
            if not self._session.wait_up(until):
                return False
            try:
                if shown(self._find(order_id, *self.using())[1]):
                    return True
            except BusError:
                pass
            if time.monotonic() + pause >= until:
                return False
            time.sleep(pause)
        return False


def _canceling(order: Order) -> bool:
    return order.is_canceled or order.is_pending_cancel


def _forever(pauses: Tuple[float, ...]) -> Iterable[float]:
    yield from pauses
    while True:
        yield pauses[-1]
