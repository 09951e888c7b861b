"""Every change of an order and every execution, journaled once, published with a growing cursor.

Reports come from pushes, polls and look-ups, late, twice and out of order. A fill is known by its id; an
order's state only moves forward. What changed nothing is not told again.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from brokerbus.broker import Broker
from brokerbus.contract import parse
from brokerbus.errors import NotFound, UnknownOutcome
from brokerbus.journal import OPEN, Intent, Journal, JournalUnavailable
from brokerbus.model import CURRENCY_OF_REGION, Order
from brokerbus.outcome import Outcome

log = logging.getLogger("brokerbus.blotter")

Publish = Callable[[str, str, Mapping[str, Any], Optional[int]], None]
"""Takes kind, subject, data and cursor of a push."""

_NEEDED = ("filledQty", "isCompleted", "isCanceled")
"""What the map of an order has to say for its states to be compared."""

DAY_SECONDS = 24 * 3600.0


class Blotter:
    """Orders and fills of one instance; any thread may call.

    ``behind`` is called when a report could not be journaled: the broker has to be asked again. ``doubt``
    is given for a vendor that invents cancels: it hears of each order reported as cancelled, and nothing is
    believed until the broker was asked for that order and :meth:`confirm` has its answer.
    """

    def __init__(
        self,
        journal: Journal,
        publish: Publish,
        behind: Callable[[], None],
        doubt: Optional[Callable[[str], None]] = None,
    ) -> None:
        self._journal, self._publish, self._behind, self._doubt = journal, publish, behind, doubt
        self._lock = threading.Lock()

    # -- reports -----------------------------------------------------------------------------------
    def report(self, kind: str, data: Mapping[str, Any]) -> None:
        """Takes the map of an Order or a Fill, from wherever it comes; raises nothing."""
        if kind == "accepted":
            self.adopt(data["orderId"], data["clientOrderId"])
        elif self._doubt is not None and kind == "order" and self._is_news_of_a_cancel(data):
            self._doubt(str(data["orderId"]))
        else:
            self.confirm(kind, data)

    def _is_news_of_a_cancel(self, data: Mapping[str, Any]) -> bool:
        if not data.get("isCanceled"):
            return False
        try:
            known = self._journal.order(str(data.get("orderId")))
        except JournalUnavailable:
            known = None
        return known is None or not known["isCanceled"]

    def confirm(self, kind: str, data: Mapping[str, Any]) -> None:
        """Takes a report that the broker gave when it was asked for just this; raises nothing."""
        try:
            with self._lock:
                if kind == "order":
                    self._order(dict(data))
                else:
                    self._fill(dict(data))
        except JournalUnavailable as error:
            log.error("a report of %s %s waits for the journal: %s", kind, data.get("orderId"), error.message)
            self._behind()
        except Exception as error:  # whatever a broker reports, the next report is taken
            log.error("a report of kind %s cannot be read: %s: %s", kind, type(error).__name__, error)

    def adopt(self, order_id: str, tag: str) -> None:
        """Notes an order that was accepted here: as it was asked for, until the broker says more of it."""
        try:
            known = self._journal.order(order_id)
        except JournalUnavailable:
            self._behind()
            return
        if known is None:
            known = self._as_asked(order_id)
        elif known.get("clientOrderId") == tag:
            return
        if known is not None:
            self.confirm("order", {**known, "clientOrderId": tag})

    def _order(self, data: Dict[str, Any]) -> None:
        order_id = str(data["orderId"])
        missing = [name for name in _NEEDED if data.get(name) is None]
        if missing:
            raise ValueError(f"an order without {', '.join(missing)}")
        known = self._journal.order(order_id)
        if known is not None and older(data, known):
            return
        self._complete(data, order_id, known)
        if known is not None and _same(data, known):
            return
        cursor = self._journal.record_order(order_id, data)
        if cursor is not None:
            self._publish("order", order_id, data, cursor)

    def _fill(self, data: Dict[str, Any]) -> None:
        order_id = str(data["orderId"])
        data["clientOrderId"] = data.get("clientOrderId") or self._journal.tag_of(order_id)
        cursor = self._journal.record_fill(str(data["fillId"]), order_id, data)
        if cursor is not None:
            self._publish("fill", order_id, data, cursor)

    def _complete(self, data: Dict[str, Any], order_id: str, known: Optional[Mapping[str, Any]]) -> None:
        """Fills in what this report does not say and the journal knows: the tag, where it was made."""
        tag = data.get("clientOrderId") or self._journal.tag_of(order_id) or (known or {}).get("clientOrderId")
        data["clientOrderId"] = tag
        ours = tag is not None and self._journal.intent(tag) is not None
        data["origin"] = "bus" if ours or (known or {}).get("origin") == "bus" else "external"
        for name in ("createdAt", "contract", "direction", "orderType", "price", "timeInForce"):
            if data.get(name) is None and known is not None:
                data[name] = known.get(name)

    # -- answers -----------------------------------------------------------------------------------
    def order(self, broker: Broker, order_id: str) -> Dict[str, Any]:
        """One order: what the broker says now, or what the journal knows of one that it no longer lists."""
        try:
            found = broker.order(order_id).to_map()
        except NotFound:
            known = self._journal.order(order_id) or self._as_asked(order_id)
            if known is None:
                raise
            return known
        self.confirm("order", found)
        return self._newest(found)

    def _as_asked(self, order_id: str) -> Optional[Dict[str, Any]]:
        """An order that was accepted here and that the broker does not show yet: in the state of its request."""
        tag = self._journal.tag_of(order_id)
        intent = self._journal.intent(tag) if tag is not None else None
        return None if intent is None else accepted_order(intent, order_id).to_map()

    def order_of_tag(self, broker: Broker, tag: str) -> Dict[str, Any]:
        """The order that a clientOrderId became; raises what became of it when it became none."""
        intent = self._journal.intent(tag)
        if intent is None:
            raise NotFound(f"no order with clientOrderId {tag}")
        if intent.state == OPEN or intent.outcome is None:
            raise UnknownOutcome(f"nothing proves yet what became of clientOrderId {tag}")
        outcome = Outcome.unpack(intent.state, intent.order_id, intent.outcome)
        if outcome.error is not None:
            raise outcome.error
        return self.order(broker, str(outcome.order_id))

    def orders(self, broker: Broker, open_only: bool, since: Optional[int]) -> List[Dict[str, Any]]:
        """The broker's list and the journal's, each order once, in its newest state."""
        listed = {order.order_id: self._reported(order) for order in broker.orders(open_only, since)}
        for known in self._known_orders(since):
            if not open_only or not known["isCompleted"]:
                listed.setdefault(known["orderId"], known)
        return [order for order in listed.values() if not open_only or not order["isCompleted"]]

    def fills(self, broker: Broker, since: Optional[int]) -> List[Dict[str, Any]]:
        """The broker's executions and the journal's, each once."""
        listed = {fill.fill_id: fill.to_map() for fill in broker.fills(since)}
        for fill in listed.values():
            self.confirm("fill", fill)
        try:
            known = self._journal.fills(_since(since))
        except JournalUnavailable:
            known = []
        return list({**listed, **{fill["fillId"]: fill for fill in known}}.values())

    def catch_up(self, orders: Sequence[Order], fills: Sequence[Any]) -> None:
        """Journals what a broker's lists tell of the time when nobody listened."""
        for order in orders:
            self.confirm("order", order.to_map())
        for fill in fills:
            self.report("fill", fill.to_map())

    def _known_orders(self, since: Optional[int]) -> List[Dict[str, Any]]:
        try:
            return self._journal.orders(_since(since))
        except JournalUnavailable:
            return []  # the broker's own list is an answer, too

    def _reported(self, order: Order) -> Dict[str, Any]:
        found = order.to_map()
        self.confirm("order", found)
        return self._newest(found)

    def _newest(self, found: Dict[str, Any]) -> Dict[str, Any]:
        try:
            return self._journal.order(found["orderId"]) or found
        except JournalUnavailable:
            return found


def accepted_order(intent: Intent, order_id: str) -> Order:
    """The order that an intent became, of which nothing more is known than that the broker took it."""
    content = intent.content
    contract = parse(content["contract"])
    return Order(
        order_id=order_id,
        currency=CURRENCY_OF_REGION.get(contract.region, ""),
        qty=content["qty"],
        client_order_id=intent.tag,
        direction=content["direction"],
        order_type=content["orderType"],
        price=content["price"],
        time_in_force=content["timeInForce"],
        contract=contract,
        created_at=int(intent.made_at * 1000),
    )


def older(data: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a report is behind what is known: an order never un-fills, re-opens or un-cancels."""
    if known["isCompleted"] and not data["isCompleted"]:
        return True
    if data["filledQty"] != known["filledQty"]:
        return bool(data["filledQty"] < known["filledQty"])
    if data["isCompleted"] == known["isCompleted"] and data.get("updatedAt") and known.get("updatedAt"):
        return bool(data["updatedAt"] < known["updatedAt"])
    return False


def _same(data: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether nothing but the time of the report differs."""
    return {**data, "updatedAt": None} == {**known, "updatedAt": None}


def _since(milliseconds: Optional[int]) -> float:
    return time.time() - DAY_SECONDS if milliseconds is None else milliseconds / 1000
