"""Where 1.0.8 answers with `ex` or an order although it should not, brokerbus does what is right."""

from __future__ import annotations

import pytest

from .comparison import assert_alike, table
from .exchange import BASE, Call, Pair
from .servers import OpenD
from .test_orders import cancel, place, placed_by, state_of
from .test_reading import quote


def test_market_order_without_a_price(pair: Pair, opend: OpenD) -> None:
    """Defect 7: a market order needs no price."""
    theirs, ours = pair.values(place(orderType="Market", price=None))
    assert_alike("market order without a price", theirs, ours)
    newest = opend.do("orders")[-1]
    assert (newest["order_id_ex"], newest["order_type"], newest["qty"]) == (ours["orderId"], 2, 10)


def test_order_of_yesterday(pair: Pair, opend: OpenD) -> None:
    """Defect 9: an older order is still found."""
    order_id = placed_by(pair, "theirs")
    opend.do("fill", order_id=order_id)
    opend.do("age", order_id=order_id)
    theirs, ours = pair.values(state_of(order_id))
    assert_alike("order of yesterday", theirs, ours)
    assert (ours["order"]["orderId"], ours["order"]["isFilled"]) == (order_id, True)


def test_symbol_with_a_dot(pair: Pair) -> None:
    """Defect 11: BRK.B has a quote and can be bought."""
    theirs, ours = pair.values(quote("US", "BRK.B"))
    assert_alike("quote of a symbol with a dot", theirs, ours)
    assert (ours["quote"]["contract"]["symbol"], ours["quote"]["latest"]) == ("BRK.B", 462.3)
    assert_alike("order of a symbol with a dot", *pair.values(place(symbol="BRK.B", qty=1)))


@pytest.mark.parametrize("code", ["US.MSFT", "HK.09988"])
def test_quote_with_milliseconds(pair: Pair, opend: OpenD, code: str) -> None:
    """Defect 14: a moment with milliseconds is read."""
    price = opend.do("security", code=code)["price"]
    opend.do("set_price", code=code, price=price)
    theirs, ours = pair.values(quote(*code.split(".")))
    assert_alike("quote with milliseconds", theirs, ours)
    assert ours["quote"]["latest"] == price


@pytest.mark.parametrize("field", ["qty", "price"])
def test_true_is_no_number(pair: Pair, opend: OpenD, field: str) -> None:
    """Strict values: `true` is neither a quantity nor a price; httptrading takes it for 1."""
    before = len(opend.placements())
    assert_alike("true as a number", *pair.values(place(**{field: True})))
    assert len(opend.placements()) == before + 1


def test_state_without_an_id(pair: Pair, opend: OpenD) -> None:
    """Without an order id there is no order, even if the account has exactly one today."""
    opend.do("age")
    placed_by(pair, "theirs")
    assert_alike("state without an id", *pair.values(Call("GET", f"{BASE}/order/state")))


def test_cancel_with_an_id_that_is_no_text(pair: Pair) -> None:
    """An order id that is a number is refused by both."""
    theirs, ours = pair.values(Call("POST", f"{BASE}/order/cancel", {"orderId": 5}))
    assert_alike("cancel a number", theirs, ours)


def test_body_beyond_a_mebibyte(pair: Pair) -> None:
    """Bounded input: httptrading reads a mebibyte and answers `ex`, we refuse it unread with 413."""
    call = Call("POST", f"{BASE}/order/place", b'{"symbol": "' + b"A" * (1 << 20) + b'"}')
    theirs, ours = pair.ask(call)
    assert theirs.values()["ex"]
    assert ours.status == 413


def test_every_exception_has_a_reason() -> None:
    """Each row of the table names its defect and says in a sentence what is wrong."""
    for row in table():
        assert row.keys() == {"case", "path", "httptrading", "brokerbus", "defect", "sentence"}
        assert row["sentence"].endswith(".")


def test_cancelled_by_either(pair: Pair) -> None:
    """A cancellation by brokerbus of an order placed by httptrading is final for both."""
    order_id = placed_by(pair, "theirs")
    assert pair.ours(cancel(order_id)).values()["canceled"] is True
    assert pair.theirs(cancel(order_id)).values()["ex"] is not None
