"""Places, cancels and finds orders, and tells exactly what is known when an answer is lost."""

from __future__ import annotations

import inspect
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from brokerbus.broker import OrderRequest
from brokerbus.errors import MAYBE, BadRequest, BusError, NotFound, Rejected, UnknownOutcome, Unsupported
from brokerbus.model import Fill, Order
from brokerbus_futu import codes, convert, outcomes
from brokerbus_futu.accounts import Accounts, Chosen
from brokerbus_futu.link import Link
from brokerbus_futu.outcomes import Trace
from brokerbus_futu.pacing import Pace
from brokerbus_futu.session import Links, Session

ORDER_LIST, PLACE, MODIFY, FILL_LIST, HISTORY, FILL_HISTORY = 2201, 2202, 2205, 2211, 2221, 2222
"""Protocol ids. Source: SDK source."""

FILLER_PRICE = 10.0
"""A market order has to carry a price that means nothing (vendor documentation); httptrading's."""

ANSWER_SECONDS = 0.3
"""A look-up ends this long before the caller's deadline, so that the caller gets our answer."""

LOOK_UP_SECONDS = 15.0
"""Longest look-up of a lost answer: room for a new link, and for an order that shows late."""

LOOK_UP_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Pauses between two look-ups; the last one repeats."""

HISTORY_DAYS = 88
"""The vendor answers 90 days at most; a day on either side for its time zones."""

REMEMBERED = 10_000
"""Orders whose account and tag are remembered."""

OUTSIDE_RTH = {"RTH": False, "ETH": True}
"""What an SDK before 9.6, which has no ``session``, can say of a lifecycle."""


def read(link: Link, name: str, proto: int, **arguments: Any) -> Dict[str, Any]:
    """The fields of the answer to ``proto``, sent by one call of the SDK; raises what the lack of it proves."""
    trace = link.call(name, proto, **arguments)
    step = trace.step(proto)
    if step is None or not step.done:
        raise outcomes.of_reading(trace, proto)
    fields: Dict[str, Any] = convert.plain(step.body)
    return fields


class Desk:
    """The orders of the accounts in use. ``accounts`` are those of the current link."""

    def __init__(self, session: Session, pace: Pace) -> None:
        self._session, self._pace = session, pace
        self.accounts: Optional[Accounts] = None
        self.locked = ""
        self._known: OrderedDict[str, Tuple[int, str]] = OrderedDict()
        self._lock = threading.Lock()

    def using(self) -> Tuple[Links, Accounts]:
        """The links and the accounts; raises Unavailable when the session is down."""
        links = self._session.require()
        assert self.accounts is not None, "a session that is up has listed its accounts"
        return links, self.accounts

    # -- placing -----------------------------------------------------------------------------------
    def place(self, request: OrderRequest) -> str:
        """Sends one order and returns its id, even when only a look-up by tag tells it."""
        links, accounts = self.using()
        check(request)
        account = accounts.for_order(request.contract)
        if self.locked:
            raise Rejected(f"trading is locked: {self.locked}")
        arguments = order_arguments(request, account, links.trade.context.place_order)
        self._pace.take("place", account.number)
        trace = links.trade.call("place_order", PLACE, **arguments)
        order_id, error = placed(trace)
        if error is None:
            self.remember(order_id, account.number, request.client_order_id)
            return order_id
        if error.outcome != MAYBE:
            raise error
        found: Optional[Order] = self._look_up(lambda: self.find_by_tag(request.client_order_id), request.deadline)
        if found is None:
            raise error
        return found.order_id

    def cancel(self, order_id: str) -> None:
        """Asks for the cancellation of an order of any account in use."""
        links, accounts = self.using()
        if self.locked:
            raise Rejected(f"trading is locked: {self.locked}")
        account = self._account_of(order_id, accounts)
        self._pace.take("cancel", account.number)
        trace = links.trade.call(
            "modify_order", MODIFY, modify_order_op="CANCEL", order_id=order_id, qty=0, price=0, **_of(account)
        )
        step = trace.step(MODIFY)
        if step is not None and step.done:
            return
        error = outcomes.of_writing(trace, MODIFY)
        if isinstance(error, Rejected) and outcomes.unknown_object(error.message):
            raise NotFound(error.message, detail=error.detail)
        until = time.monotonic() + LOOK_UP_SECONDS
        if error.outcome != MAYBE or not self._look_up(lambda: self._canceling(order_id), until):
            raise error

    def _canceling(self, order_id: str) -> bool:
        found = self.order(order_id)
        return found.is_canceled or found.is_pending_cancel

    def _look_up(self, ask: Callable[[], Any], deadline: float) -> Any:
        """What ``ask`` finds before the deadline, whatever the link does meanwhile; None or False if nothing."""
        until = min(deadline - ANSWER_SECONDS, time.monotonic() + LOOK_UP_SECONDS)
        for pause in _forever(LOOK_UP_PAUSES):
            if not self._session.wait_up(until):
                return None
            try:
                found = ask()
            except BusError:
                found = None
            if found or time.monotonic() + pause >= until:
                return found
            time.sleep(pause)
        return None

    # -- finding -----------------------------------------------------------------------------------
    def find_by_tag(self, tag: str) -> Optional[Order]:
        """The order that carries a clientOrderId; None when every list was asked and has none."""
        links, accounts = self.using()
        for listed in (self._today, self._history):
            for account in accounts.used:
                for row in listed(links.trade, account):
                    if row.get("remark") == tag:
                        return self._noted(row, account)
        return None

    def order(self, order_id: str) -> Order:
        """One order, today's or older; raises NotFound."""
        links, accounts = self.using()
        known = self._known.get(order_id)
        order = sorted(accounts.used, key=lambda account: known is None or account.number != known[0])
        for account in order:
            for row in self._today(links.trade, account, order_id):
                if convert.order_id(row) == order_id:
                    return self._noted(row, account)
        for account in order:
            for row in self._history(links.trade, account):
                if convert.order_id(row) == order_id:
                    return self._noted(row, account)
        raise NotFound(f"no order {order_id!r:.80} in the accounts in use")

    def orders(self, open_only: bool, since: Optional[int]) -> List[Order]:
        """Orders of all accounts in use: today's and the open ones, and older ones from ``since`` on."""
        links, accounts = self.using()
        found: Dict[str, Order] = {}
        for account in accounts.used:
            rows = self._today(links.trade, account)
            if since is not None and not open_only:
                rows = [*self._history(links.trade, account, since), *rows]
            for row in rows:
                found[convert.order_id(row)] = self._noted(row, account)
        return [
            order
            for order in found.values()
            if not (open_only and order.is_completed) and (since is None or (order.updated_at or since) >= since)
        ]

    def fills(self, since: Optional[int]) -> List[Fill]:
        """Executions of all accounts in use: today's, and older ones from ``since`` on."""
        links, accounts = self.using()
        found: Dict[str, Fill] = {}
        for account in accounts.used:
            for row in self._fill_rows(links.trade, account, since):
                item = self.fill(row)
                if item is not None and (since is None or (item.timestamp or since) >= since):
                    found[item.fill_id] = item
        return list(found.values())

    def _fill_rows(self, link: Link, account: Chosen, since: Optional[int]) -> List[Dict[str, Any]]:
        self._pace.take("fills", account.number)
        rows = read(link, "deal_list_query", FILL_LIST, refresh_cache=True, **_of(account)).get("orderFillList", [])
        if since is not None:
            self._pace.take("history", account.number)
            older = read(link, "history_deal_list_query", FILL_HISTORY, **_days(since), **_of(account))
            rows = [*older.get("orderFillList", []), *rows]
        return list(rows)

    def _today(self, link: Link, account: Chosen, order_id: str = "") -> List[Dict[str, Any]]:
        """Today's orders, fresh from the vendor while its limit allows, else as OpenD has them from its pushes."""
        fresh = self._pace.free("orders", account.number)
        return self._rows(link, "order_list_query", ORDER_LIST, order_id=order_id, refresh_cache=fresh, **_of(account))

    def _history(self, link: Link, account: Chosen, since: Optional[int] = None) -> List[Dict[str, Any]]:
        self._pace.take("history", account.number)
        return self._rows(link, "history_order_list_query", HISTORY, **_days(since), **_of(account))

    @staticmethod
    def _rows(link: Link, name: str, proto: int, **arguments: Any) -> List[Dict[str, Any]]:
        try:
            return list(read(link, name, proto, **arguments).get("orderList", []))
        except NotFound:
            return []

    def _account_of(self, order_id: str, accounts: Accounts) -> Chosen:
        known = self._known.get(order_id)
        account = accounts.by_number().get(known[0]) if known else None
        if account is None:
            self.order(order_id)
            account = accounts.by_number()[self._known[order_id][0]]
        return account

    # -- remembering -------------------------------------------------------------------------------
    def remember(self, order_id: str, account: int, tag: str) -> None:
        """Keeps where an order is, for calls that name it by id alone."""
        with self._lock:
            self._known[order_id] = (account, tag)
            self._known.move_to_end(order_id)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _noted(self, row: Mapping[str, Any], account: Chosen) -> Order:
        order = convert.order(row)
        self.remember(order.order_id, account.number, order.client_order_id)
        return order

    def fill(self, row: Mapping[str, Any]) -> Optional[Fill]:
        """An execution with the tag of its order, when that was seen."""
        return convert.fill(row, self._known.get(convert.order_id(row), (0, ""))[1])


def check(request: OrderRequest) -> None:
    """Raises what can be told without OpenD."""
    if request.contract.trade_type != "Securities":
        raise Unsupported(f"contract.tradeType: orders are for Securities, found {request.contract.trade_type}")
    codes.code_of(request.contract)
    region, lifecycle = request.contract.region, request.lifecycle
    if lifecycle != "RTH" and region != "US":
        raise BadRequest(f"lifecycle: {region} has regular hours only, found {lifecycle}")
    if lifecycle != "RTH" and request.order_type == "Market":
        raise BadRequest(f"lifecycle: market orders are for RTH, found {lifecycle}")


def order_arguments(request: OrderRequest, account: Chosen, place: Callable[..., Any]) -> Dict[str, Any]:
    """The arguments of the SDK's place_order; ``session`` only for the US and where the SDK has it (9.6 and later)."""
    arguments: Dict[str, Any] = {
        "code": codes.code_of(request.contract),
        "price": float(request.price or FILLER_PRICE),
        "qty": float(request.qty),
        "trd_side": request.direction,
        "order_type": "MARKET" if request.order_type == "Market" else "NORMAL",
        "time_in_force": request.time_in_force,
        "remark": request.client_order_id,
        **_of(account),
    }
    if request.contract.region != "US":
        return arguments
    if "session" in inspect.signature(place).parameters:
        return {**arguments, "session": request.lifecycle}
    if request.lifecycle not in OUTSIDE_RTH:
        raise Unsupported(f"lifecycle: this version of the SDK has no {request.lifecycle} session")
    return {**arguments, "fill_outside_rth": OUTSIDE_RTH[request.lifecycle]}


def placed(trace: Trace) -> Tuple[str, Optional[BusError]]:
    """The order id of a place_order call, or what its failure proves; its look at the new order does not matter."""
    step = trace.step(PLACE)
    if step is None or not step.done:
        return "", outcomes.of_writing(trace, PLACE)
    order_id = convert.order_id(convert.plain(step.body) or {})
    return order_id, None if order_id else UnknownOutcome("place_order: OpenD took the order and told no id")


def _of(account: Chosen) -> Dict[str, Any]:
    return {"trd_env": account.env, "acc_id": account.number}


def _days(since: Optional[int]) -> Dict[str, str]:
    """The range of a history query. Its end is tomorrow: 'today' of this host may be yesterday at the market."""
    today = datetime.now(timezone.utc)
    start = today - timedelta(days=HISTORY_DAYS)
    if since is not None:
        start = max(start, datetime.fromtimestamp(since / 1000, timezone.utc) - timedelta(days=1))
    end = today + timedelta(days=1)
    return {"start": start.strftime("%Y-%m-%d"), "end": end.strftime("%Y-%m-%d")}


def _forever(pauses: Tuple[float, ...]) -> Any:
    yield from pauses
    while True:
        yield pauses[-1]
