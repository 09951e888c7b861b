"""What httptrading answers with 200 and `ex`, brokerbus answers so too, and nothing reaches the broker."""

from __future__ import annotations

import pytest

from .comparison import assert_alike
from .exchange import BASE, ENVELOPE, Call, Pair
from .servers import OpenD
from .test_orders import LIMIT, cancel, place, state_of

GETS = ("ping/state", "cash/state", "position/state", "market/state", "market/quote", "order/state")
POSTS = ("order/place", "order/cancel")
QUOTE = f"{BASE}/market/quote"


def body(data: bytes, route: str = "order/place") -> Call:
    return Call("POST", f"{BASE}/{route}", data)


def without(key: str) -> Call:
    return Call("POST", f"{BASE}/order/place", {name: value for name, value in LIMIT.items() if name != key})


WRONG_METHODS = [Call(method, f"{BASE}/{route}") for route in GETS for method in ("POST", "PUT")]
WRONG_METHODS += [Call(method, f"{BASE}/{route}") for route in POSTS for method in ("GET", "PATCH")]
WRONG_METHODS += [Call(method, f"{BASE}/ping/state") for method in ("DELETE", "OPTIONS")]

CALLS = {
    "quote of nothing": Call("GET", QUOTE),
    "quote without a trade type": Call("GET", f"{QUOTE}?region=US&symbol=AAPL"),
    "quote of an unknown trade type": Call("GET", f"{QUOTE}?tradeType=Stocks&region=US&symbol=AAPL"),
    "quote of a trade type in small letters": Call("GET", f"{QUOTE}?tradeType=securities&region=US&symbol=AAPL"),
    "quote of a currency": Call("GET", f"{QUOTE}?tradeType=Currencies&region=US&symbol=AAPL"),
    "quote without a region": Call("GET", f"{QUOTE}?tradeType=Securities&symbol=AAPL"),
    "quote of an unknown region": Call("GET", f"{QUOTE}?tradeType=Securities&region=XX&symbol=AAPL"),
    "quote without a symbol": Call("GET", f"{QUOTE}?tradeType=Securities&region=US"),
    "quote of an unlisted symbol": Call("GET", f"{QUOTE}?tradeType=Securities&region=US&symbol=NOPE"),
    "quote of a symbol that cannot be": Call("GET", f"{QUOTE}?tradeType=Securities&region=US&symbol=%3F%3F"),
    "place nothing": body(b""),
    "place an empty map": body(b"{}"),
    "place a list": body(b"[]"),
    "place a number": body(b"5"),
    "place junk": body(b"{nope"),
    "place what is not UTF-8": body(b'{"symbol": "\xff"}'),
    "place without a type": without("orderType"),
    "place without a time in force": without("timeInForce"),
    "place without a lifecycle": without("lifecycle"),
    "place without a direction": without("direction"),
    "place without a quantity": without("qty"),
    "place without a price": without("price"),
    "place without a trade type": without("tradeType"),
    "place an unknown type": place(orderType="Stop"),
    "place an unknown time in force": place(timeInForce="IOC"),
    "place an unknown lifecycle": place(lifecycle="ALL"),
    "place in small letters": place(direction="buy"),
    "place quantity 0": place(qty=0),
    "place a negative quantity": place(qty=-1),
    "place a quantity in text": place(qty="10"),
    "place a quantity of null": place(qty=None),
    "place price 0": place(price=0),
    "place a negative price": place(price=-1),
    "place a price of null": place(price=None),
    "place a price that is none": place(price="x"),
    "place an index": place(tradeType="Indexes"),
    "place a symbol that is a number": place(symbol=5),
    "place a symbol that cannot be": place(symbol="??"),
    "place for no region": place(region=None),
    "place at market before hours": place(orderType="Market", lifecycle="ETH"),
    "cancel nothing": body(b"{}", "order/cancel"),
    "cancel an empty id": cancel(""),
    "cancel junk": body(b"nope", "order/cancel"),
    "cancel an unknown order": cancel("F0FFFFFFFFFFFFFF"),
    "state of an unknown order": state_of("F0FFFFFFFFFFFFFF"),
}

REFUSED_BY_THE_BROKER = {
    "too dear": place(qty=10_000_000),
    "not held": place(direction="SELL", symbol="NVDA", qty=100_000),
    "unlisted": place(symbol="NOPE"),
    "far too long": place(symbol="A" * 5_000),
    "a market that the account may not trade in": place(region="HK", symbol="00700", qty=100, price=400.0),
}


def assert_both_refuse(name: str, pair: Pair, call: Call) -> None:
    theirs, ours = pair.values(call)
    assert theirs["ex"] is not None
    assert theirs.keys() | {"time"} == ENVELOPE
    assert_alike(name, theirs, ours)


@pytest.mark.parametrize(
    "call", WRONG_METHODS, ids=lambda call: f"{call.method} {call.path.rpartition('api/')[2][17:]}"
)
def test_wrong_method(pair: Pair, call: Call) -> None:
    """The wrong method on a known route, with the right token, is a 200 with `ex` in httptrading."""
    assert_both_refuse("wrong method", pair, call)


def test_head(pair: Pair) -> None:
    """HEAD is a wrong method too: the headers of that answer, no body."""
    theirs, ours = pair.ask(Call("HEAD", f"{BASE}/ping/state"))
    assert (ours.status, ours.content_type, ours.body) == (theirs.status, theirs.content_type, b"")


@pytest.mark.parametrize("name", CALLS)
def test_bad_input(pair: Pair, opend: OpenD, name: str) -> None:
    """Bad input gets `ex` from both, with the same other keys, and makes no order."""
    before = len(opend.placements())
    assert_both_refuse(name, pair, CALLS[name])
    assert len(opend.placements()) == before


@pytest.mark.parametrize("name", REFUSED_BY_THE_BROKER)
def test_refused_by_the_broker(pair: Pair, name: str) -> None:
    """What the broker refuses is `ex` in both."""
    assert_both_refuse(name, pair, REFUSED_BY_THE_BROKER[name])


def test_refused_with_the_brokers_words(pair: Pair, opend: OpenD) -> None:
    """The broker's own words are in the `ex` of both."""
    opend.do("reject", message="Market is closed for you", next=2, how="answer")
    theirs, ours = pair.values(place())
    assert "Market is closed for you" in theirs["ex"]
    assert "Market is closed for you" in ours["ex"]
    assert_alike("refused", theirs, ours)


def test_cancelling_twice(pair: Pair, opend: OpenD) -> None:
    """An order that is already cancelled cannot be cancelled: `ex` in both."""
    order_id = pair.theirs(place()).values()["orderId"]
    opend.do("cancel", order_id=order_id)
    assert_both_refuse("cancelled already", pair, cancel(order_id))
