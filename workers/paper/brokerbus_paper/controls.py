"""What tests may do to the paper vendor: faults, orders made elsewhere, a market that moves at a word."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from brokerbus.broker import OrderRequest
from brokerbus.contract import Contract, parse
from brokerbus.errors import BadRequest, NotFound
from brokerbus.model import DIRECTIONS, LIFECYCLES, TIMES_IN_FORCE, Number
from brokerbus_paper.faults import Faults, Trouble, later
from brokerbus_paper.instruments import UNIT
from brokerbus_paper.limits import MAX_FAULT_SECONDS, OFFLINE_COMMANDS
from brokerbus_paper.matching import Execution, Ticket
from brokerbus_paper.vendor import Vendor


class FaultyVendor(Vendor):
    """The vendor as the broker sees it when things go wrong between them; what it executes is as sound as ever."""

    trouble: Trouble

    def place(self, request: OrderRequest) -> str:
        return self.trouble.call("place_order", lambda: Vendor.place(self, request), request.client_order_id)

    def modify(self, order_id: str, qty: Optional[Number], price: Optional[Number]) -> None:
        self.trouble.call("modify_order", lambda: Vendor.modify(self, order_id, qty, price))

    def cancel(self, order_id: str) -> None:
        self.trouble.call("cancel_order", lambda: Vendor.cancel(self, order_id))

    def order(self, order_id: str) -> Ticket:
        ticket = Vendor.order(self, order_id)
        if not self.trouble.shows(ticket.tag):
            raise NotFound(f"no order {order_id!r:.40}")
        return ticket

    def orders(self, open_only: bool, since: Optional[int]) -> List[Ticket]:
        listed = self.trouble.call("orders", lambda: Vendor.orders(self, open_only, since))
        return [ticket for ticket in listed if self.trouble.shows(ticket.tag)]

    def tagged(self, tag: str) -> List[Ticket]:
        found = self.trouble.call("order_by_tag", lambda: Vendor.tagged(self, tag))
        return found if self.trouble.shows(tag) else []

    def fills(self, since: Optional[int]) -> List[Tuple[str, Execution]]:
        listed = self.trouble.call("fills", lambda: Vendor.fills(self, since))
        return [(fill_id, trade) for fill_id, trade in listed if self.trouble.shows(trade.tag)]


class Controls:
    """The commands of ``raw`` that tests may use, over the vendor of this moment; ``session`` takes it down and up."""

    def __init__(self, faults: Faults, vendor: Callable[[], Vendor], session: Callable[[bool], None]) -> None:
        self._faults, self._vendor, self._session = faults, vendor, session
        self._commands: Dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "fault": self._faults.add,
            "faults": lambda _: self._faults.facts(),
            "clear_faults": lambda _: self._faults.clear(),
            "vendor_place": self._place,
            "vendor_cancel": self._cancel,
            "vendor_move": self._move,
            "offline": self._offline,
        }

    def do(self, name: str, params: Mapping[str, Any]) -> Any:
        """Carries out one command; NotFound for an unknown one."""
        command = self._commands.get(name)
        if command is None:
            raise NotFound(f"raw: expected one of {', '.join(('executed', *self._commands))}, found {name!r:.40}")
        return command(params)

    def _place(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        """An order made elsewhere: past the bus, its journal and the faults."""
        return {"orderId": Vendor.place(self._vendor(), request_of(params))}

    def _cancel(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        order_id = str(params.get("orderId", ""))
        Vendor.cancel(self._vendor(), order_id)
        return {"orderId": order_id}

    def _move(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        """The market trades at a price, and open orders meet the new book."""
        contract, price = parse(params.get("contract"), "contract"), _number(params, "price")
        vendor, now = self._vendor(), time.time_ns() // 1_000_000
        security = vendor.market.find(contract)
        if security is None:
            raise NotFound(f"unknown symbol {contract.code}")
        security.trade_at(round(price * UNIT), now)
        vendor.step(now)
        return {"contract": contract.code, "price": price}

    def _offline(self, params: Mapping[str, Any]) -> List[Any]:
        """Takes the session down for ``seconds``; what ``do`` names happens meanwhile and is not pushed."""
        seconds, commands = _number(params, "seconds"), params.get("do", [])
        if not 0 <= seconds <= MAX_FAULT_SECONDS:
            raise BadRequest(f"seconds: expected 0 to {MAX_FAULT_SECONDS:g}, found {seconds!r}")
        if not isinstance(commands, (list, tuple)) or len(commands) > OFFLINE_COMMANDS:
            raise BadRequest(f"do: expected a list of at most {OFFLINE_COMMANDS} commands")
        self._session(False)
        try:
            return [self._nested(command) for command in commands]
        finally:
            later(seconds, lambda: self._session(True))

    def _nested(self, command: Any) -> Any:
        if not isinstance(command, Mapping) or command.get("name") == "offline":
            raise BadRequest(f"do: expected maps with name and params, found {command!r:.60}")
        return self.do(str(command.get("name")), command.get("params") or {})


def request_of(params: Mapping[str, Any]) -> OrderRequest:
    """An order as ``place_order`` names it; ``tag`` is empty unless given, all but contract and qty have defaults."""
    price = params.get("price")
    return OrderRequest(
        contract=_contract(params),
        direction=_choice(params, "direction", DIRECTIONS),
        order_type="Market" if price is None else "Limit",
        qty=_number(params, "qty"),
        price=None if price is None else _number(params, "price"),
        time_in_force=_choice(params, "timeInForce", TIMES_IN_FORCE),
        lifecycle=_choice(params, "lifecycle", LIFECYCLES),
        client_order_id=str(params.get("tag", "")),
        deadline=sys.float_info.max,
    )


def _contract(params: Mapping[str, Any]) -> Contract:
    return parse(params.get("contract"), "contract")


def _choice(params: Mapping[str, Any], name: str, known: Tuple[str, ...]) -> str:
    value = params.get(name, known[0])
    if value not in known:
        raise BadRequest(f"{name}: expected one of {', '.join(known)}, found {value!r:.40}")
    return str(value)


def _number(params: Mapping[str, Any], name: str) -> Number:
    value = params.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise BadRequest(f"{name}: expected a number, found {value!r:.40}")
    return value
