"""Orders: what reaches the broker, what is answered, and every state that an order can be in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .comparison import assert_alike
from .exchange import BASE, Call, Pair
from .servers import ACCOUNT, OpenD

LIMIT = {
    "tradeType": "Securities", "region": "US", "symbol": "AAPL", "orderType": "Limit", "timeInForce": "DAY",
    "lifecycle": "RTH", "direction": "BUY", "qty": 10, "price": 100.0,
}  # fmt: skip

ORDERS: dict[str, dict[str, Any]] = {
    "limit": {},
    "sell": {"direction": "SELL", "qty": 2, "price": 300.5},
    "market": {"orderType": "Market", "price": 1.0},
    "extended hours": {"lifecycle": "ETH"},
    "overnight": {"lifecycle": "OVERNIGHT"},
    "until cancelled": {"timeInForce": "GTC"},
    "price in text": {"price": "100.5"},
    "whole price": {"price": 100},
    "fraction": {"qty": 1.5},
    "more than asked for": {"note": {"why": ["测试", None, 1e-7]}},
}

MARKET = 2
"""The vendor's number of the order type."""

Step = tuple[str, dict[str, Any]]
PART: Step = ("fill", {"qty": 3, "price": 99.5})
STATES: dict[str, tuple[Step, ...]] = {
    "open": (),
    "waiting": (("status", {"status": "WAITING_SUBMIT"}),),
    "timeout": (("status", {"status": "TIMEOUT"}),),
    "partly filled": (PART, ("fill", {"qty": 1, "price": 99.6})),
    "filled": (PART, ("fill", {"qty": 7, "price": 99.7})),
    "cancelling": (("status", {"status": "CANCELLING_ALL"}),),
    "cancelling the rest": (PART, ("status", {"status": "CANCELLING_PART"})),
    "cancelled": (("cancel", {}),),
    "rest cancelled": (PART, ("cancel", {})),
    "rejected": (("reject", {"message": "The price is too far from the market"}),),
    "rejected without a word": (("reject", {"message": ""}),),
    "submit failed": (("status", {"status": "SUBMIT_FAILED"}),),
    "disabled": (("status", {"status": "DISABLED"}),),
    "deleted": (("status", {"status": "DELETED"}),),
}
MAIN = ("open", "partly filled", "filled", "cancelled", "rejected")
"""The states in which orders placed by brokerbus are looked at too; more would wait for the broker's rate."""


def state_of(order_id: str) -> Call:
    return Call("GET", f"{BASE}/order/state?orderId={order_id}")


def place(**changes: Any) -> Call:
    return Call("POST", f"{BASE}/order/place", {**LIMIT, **changes})


def cancel(order_id: str) -> Call:
    return Call("POST", f"{BASE}/order/cancel", {"orderId": order_id})


def placed_by(pair: Pair, who: str, **changes: Any) -> str:
    """The id of a new order."""
    answer = getattr(pair, who)(place(**changes)).values()
    assert answer["ex"] is None, answer
    order_id: str = answer["orderId"]
    return order_id


def as_sent(c2s: dict[str, Any]) -> dict[str, Any]:
    """A PlaceOrder request without what may differ: packet id, our tag, and the price that a market order ignores."""
    free = ("packetID", "remark", "price") if c2s["orderType"] == MARKET else ("packetID", "remark")
    return {key: value for key, value in c2s.items() if key not in free}


@pytest.mark.parametrize("name", ORDERS)
def test_placing(pair: Pair, opend: OpenD, name: str) -> None:
    """The answers are the same but for the order id, and so is the order that the broker gets from either."""
    seen = len(opend.placements())
    theirs, ours = (getattr(pair, who)(place(**ORDERS[name])).values() for who in ("theirs", "ours"))
    assert theirs["orderId"] != ours["orderId"]
    assert re.fullmatch("[0-9a-f]{32}", ours.pop("clientOrderId")), "what httptrading does not have"
    assert_alike("placed", {**theirs, "orderId": ""}, {**ours, "orderId": "" if ours["orderId"] else None})
    first, second = opend.placements()[seen:]
    assert as_sent(second) == as_sent(first)


@pytest.mark.parametrize(("who", "name"), [*(("theirs", name) for name in STATES), *(("ours", name) for name in MAIN)])
def test_state(pair: Pair, opend: OpenD, name: str, who: str) -> None:
    """An order in this state is shown the same by both, whichever of them placed it."""
    order_id = placed_by(pair, who)
    for verb, fields in STATES[name]:
        opend.do(verb, order_id=order_id, **fields)
    theirs, ours = pair.values(state_of(order_id))
    assert theirs["ex"] is None
    assert_alike(f"order {name}", theirs, ours)


def test_state_of_a_fraction(pair: Pair, opend: OpenD) -> None:
    """httptrading cuts fractional quantities, we keep them; everything else is the same."""
    order_id = placed_by(pair, "ours", qty=1.5)
    opend.do("fill", order_id=order_id, qty=0.5, price=99.5)
    assert_alike("order of a fraction", *pair.values(state_of(order_id)))


@pytest.mark.parametrize(("placer", "canceller"), [("theirs", "ours"), ("ours", "theirs"), ("ours", "ours")])
def test_cancelling(pair: Pair, opend: OpenD, placer: str, canceller: str) -> None:
    """Either cancels what the other placed, with the same answer, and both show it as cancelled."""
    order_id = placed_by(pair, placer)
    answer = getattr(pair, canceller)(cancel(order_id)).values()
    assert answer["canceled"] is True
    assert opend.do("orders")[-1]["status"] == "CANCELLED_ALL"
    assert_alike("order cancelled", *pair.values(state_of(order_id)))


def test_answer_of_a_cancellation(pair: Pair) -> None:
    """The whole answer to a cancellation is the same."""
    theirs = pair.theirs(cancel(placed_by(pair, "theirs"))).values()
    ours = pair.ours(cancel(placed_by(pair, "theirs"))).values()
    assert_alike("cancel", theirs, ours)


def test_state_of_an_order_made_elsewhere(pair: Pair, opend: OpenD) -> None:
    """An order from the broker's own app is shown the same by both."""
    facts = opend.do("place", acc_id=ACCOUNT, code="US.NVDA", side="BUY", qty=4, price=50.0)
    assert_alike("order open", *pair.values(state_of(facts["order_id_ex"])))
