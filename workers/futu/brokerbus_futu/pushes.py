"""Receives the order and fill pushes of a trade link and publishes them."""

from __future__ import annotations

import logging
from typing import Any, Callable, Mapping, Type

from brokerbus.broker import Context
from brokerbus.model import Fill
from brokerbus_futu import convert
from brokerbus_futu.orders import Desk

log = logging.getLogger("brokerbus.futu")


class Pushes:
    """Turns pushes of the accounts in use into ``order`` and ``fill`` pushes; others are not ours to tell."""

    def __init__(self, desk: Desk, context: Context) -> None:
        self._desk, self._context = desk, context
        desk.tell = self.tell

    def attach(self, sdk: Any, trade: Any) -> None:
        """Sets the handlers of a trade context; 2008 has to follow, so that nothing is pushed past them."""
        trade.set_handler(handler(sdk.TradeOrderHandlerBase, self.on_order))
        trade.set_handler(handler(sdk.TradeDealHandlerBase, self.on_fill))

    def on_order(self, message: Mapping[str, Any]) -> None:
        number = self._account(message)
        if number is None:
            return
        order = convert.order(message["order"])
        self._context.push("order", order.order_id, order.to_map())
        for fill in self._desk.seen(order, number):
            self.tell(fill)

    def on_fill(self, message: Mapping[str, Any]) -> None:
        # Where progress tells executions the simulator's deals would tell them twice, under other ids.
        if self._account(message) is None or not self._desk.tells_deals:
            return
        fill = self._desk.fill(message["orderFill"])
        if fill is not None:
            self.tell(fill)

    def tell(self, fill: Fill) -> None:
        """Publishes one execution."""
        self._context.push("fill", fill.order_id, fill.to_map())

    def _account(self, message: Mapping[str, Any]) -> Any:
        """The account in use that a push is about. It is in the header alone: the SDK's table leaves it out."""
        number = message.get("header", {}).get("accID")
        accounts = self._desk.accounts
        return number if accounts is not None and number in accounts.by_number() else None


def handler(base: Type[Any], take: Callable[[Mapping[str, Any]], None]) -> Any:
    """A handler of the SDK that reads the message itself: the SDK's own makes a table of each push."""

    class Handler(base):  # type: ignore[misc]
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            try:
                if rsp_pb.retType == 0:
                    take(convert.plain(rsp_pb.s2c))
            except Exception:
                # What escapes ends up in the SDK's log; SystemExit would end its callback thread for good.
                log.exception("a push could not be read")
            return 0, rsp_pb

    return Handler()
