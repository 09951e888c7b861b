"""Takes orders, fills them against current prices and tells every change."""

from __future__ import annotations

import time
from typing import Any, Callable

from . import checks
from .accounts import Account, Accounts
from .codes import CURRENCY_OF, IOC, PRICELESS, ModifyOp, Refused, Status
from .options import Options
from .orders import Fill, Order
from .securities import Securities, Security


class Desk:
    """The order desk of the whole simulated house.

    ``order_changed`` and ``filled`` are called at every change; what they get goes on changing, so read it at once.
    """

    def __init__(self, options: Options, accounts: Accounts, securities: Securities) -> None:
        self.options, self.accounts, self.securities = options, accounts, securities
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.order_changed: Callable[[Order], None] = lambda order: None
        self.filled: Callable[[Fill], None] = lambda fill: None
        started = int(time.time()) if options.seed is None else 1_700_000_000 + options.seed
        self._next_id = started * 1_000_000_000 + 7
        self._refusals: list[tuple[str, str]] = []

    def restore(self, order: Order, fills: list[Fill]) -> None:
        """Take back an order and its fills as they were before this process; nobody is told."""
        self.orders[order.order_id_ex] = order
        self.fills += fills
        order.filled = round(sum(fill.qty for fill in fills), 8)
        order.turnover = sum(fill.qty * fill.price for fill in fills)
        for fill in fills:
            self.accounts.find(order.acc_id).apply(order.code, order.side, fill.qty, fill.price)
        if order.open and order.filled:
            order.status = Status.FILLED_PART if order.remaining > 1e-9 else Status.FILLED_ALL
        self._next_id = max(self._next_id, order.order_id, *(fill.fill_id for fill in fills), 0)

    def refuse_next(self, count: int, message: str, how: str) -> None:
        """Refuse the next placements: ``answer`` with retType -1, ``push`` by accepting and failing them afterwards."""
        self._refusals += [(message, how)] * count

    def place(self, account: Account, security: Security, terms: dict[str, Any]) -> Order:
        """Take an order; raises Refused when lots, means or an asked-for refusal forbid it."""
        refusal = self._refusals.pop(0) if self._refusals else None
        if refusal and refusal[1] == "answer":
            raise Refused(refusal[0])
        checks.check_terms(security, terms["side"], terms["order_type"], terms["qty"], terms["price"])
        valued = security.price if terms["order_type"] in PRICELESS else terms["price"]
        checks.check_means(account, security, list(self.orders.values()), terms["side"], terms["qty"], valued)
        order = self._create(account, security, terms)
        self._tell(order, Status.SUBMITTING)
        if refusal:
            self._end(order, Status.FAILED, refusal[0])
        elif self.options.auto_accept:
            self.accept(order)
        return order

    def _create(self, account: Account, security: Security, terms: dict[str, Any]) -> Order:
        self._next_id += 1
        order = Order(
            order_id=self._next_id,
            order_id_ex=f"F{self._next_id:016X}",
            acc_id=account.acc_id,
            env=account.env,
            code=security.code,
            name=security.name,
            currency=CURRENCY_OF[security.prefix],
            **terms,
        )
        order.visible_from = order.created + self.options.hide_orders
        self.orders[order.order_id_ex] = order
        return order

    def find(self, order_id: Any) -> Order:
        """By either id, as number or text; raises Refused when there is none."""
        order = self.orders.get(str(order_id))
        if order is None:
            order = next((item for item in self.orders.values() if str(item.order_id) == str(order_id)), None)
        if order is None:
            raise Refused(f"Order {order_id} does not exist")
        return order

    def accept(self, order: Order) -> None:
        """The exchange took it; fills follow when it is marketable."""
        self._tell(order, Status.SUBMITTED)
        self._match(order)
        if order.time_in_force == IOC and order.open:
            self.cancelled(order)

    def _match(self, order: Order) -> None:
        price = self.securities.get(order.code).price
        resting = order.status in (Status.SUBMITTED, Status.FILLED_PART)
        if self.options.auto_fill and resting and order.marketable(price):
            for qty in self._parts(order):
                self.fill(order, qty, price)

    def _parts(self, order: Order) -> list[float]:
        lot = self.securities.get(order.code).lot
        share = order.remaining / max(1, self.options.fill_parts)
        part = max(lot, share // lot * lot) if share >= lot else order.remaining
        parts: list[float] = []
        left = order.remaining
        while left > 1e-9:
            last = len(parts) + 1 >= self.options.fill_parts
            parts.append(left if last or part >= left else part)
            left = round(left - parts[-1], 8)
        return parts

    def fill(self, order: Order, qty: float, price: float) -> Fill:
        """Execute a part of an order; raises Refused when it is not open or the quantity is too much."""
        if not order.open or qty <= 0 or qty > order.remaining + 1e-9:
            raise Refused(f"cannot fill {qty:g} of {order.remaining:g} open in {Status(order.status).name}")
        self._next_id += 1
        fill = Fill(self._next_id, order, qty, price)
        self.fills.append(fill)
        order.filled = round(order.filled + qty, 8)
        order.turnover += qty * price
        self.accounts.find(order.acc_id).apply(order.code, order.side, qty, price)
        self.filled(fill)
        self._tell(order, Status.FILLED_PART if order.remaining > 1e-9 else Status.FILLED_ALL)
        return fill

    def fail(self, order: Order, message: str) -> None:
        """The exchange rejects it after all."""
        self._end(order, Status.FAILED, message)

    def cancel(self, order: Order) -> None:
        """Asked to cancel; raises Refused when it is no longer open."""
        if not order.open:
            raise Refused(f"The order {order.order_id_ex} is {Status(order.status).name} and cannot be cancelled")
        self._tell(order, Status.CANCELLING_PART if order.filled else Status.CANCELLING_ALL)
        if self.options.auto_cancel:
            self.cancelled(order)

    def cancelled(self, order: Order) -> None:
        """The exchange cancelled what was left."""
        self._end(order, Status.CANCELLED_PART if order.filled else Status.CANCELLED_ALL, "")

    def modify(self, order: Order, op: int, qty: float, price: float, aux_price: float | None) -> None:
        """Apply a ``ModifyOrderOp``; raises Refused when the order or its new terms do not allow it."""
        if op == ModifyOp.CANCEL:
            return self.cancel(order)
        if op == ModifyOp.NORMAL:
            return self._change(order, qty, price, aux_price)
        if op == ModifyOp.DISABLE and order.open:
            return self._tell(order, Status.DISABLED)
        if op == ModifyOp.ENABLE and order.status == Status.DISABLED:
            return self.accept(order)
        if op == ModifyOp.DELETE and not order.open and not order.filled:
            return self._tell(order, Status.DELETED)
        raise Refused(f"operation {op} does not fit an order in {Status(order.status).name}")

    def _change(self, order: Order, qty: float, price: float, aux_price: float | None) -> None:
        if order.status not in (Status.SUBMITTED, Status.FILLED_PART, Status.WAITING_SUBMIT, Status.SUBMITTING):
            raise Refused(f"The order {order.order_id_ex} is {Status(order.status).name} and cannot be modified")
        if qty <= order.filled:
            raise Refused(f"The quantity must exceed the {order.filled:g} already filled")
        security = self.securities.get(order.code)
        account, orders = self.accounts.find(order.acc_id), list(self.orders.values())
        checks.check_terms(security, order.side, order.order_type, qty, price)
        checks.check_means(account, security, orders, order.side, qty - order.filled, price, but=order)
        order.qty, order.price = qty, price
        order.aux_price = order.aux_price if aux_price is None else aux_price
        self._tell(order, order.status)
        self._match(order)

    def on_price(self, code: str) -> None:
        """Fill what became marketable; called after every trade of a security."""
        for order in [item for item in self.orders.values() if item.code == code and item.open]:
            self._match(order)

    def _end(self, order: Order, status: int, message: str) -> None:
        if not order.open:
            raise Refused(f"The order {order.order_id_ex} is already {Status(order.status).name}")
        order.error = message
        self._tell(order, status)

    def _tell(self, order: Order, status: int) -> None:
        order.status, order.updated = status, time.time()
        self.order_changed(order)
