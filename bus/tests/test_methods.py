"""Params to arguments: what fits no order is refused by the name of its field."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerbus import methods
from brokerbus.errors import BadRequest

LIMIT = {"contract": "US.AAPL", "direction": "BUY", "orderType": "Limit", "qty": 100, "price": 1.5}


def test_an_order_with_its_defaults():
    """DAY and RTH when absent, and a clientOrderId of its own."""
    order = methods.order_request(LIMIT, 9.0)
    assert (order.contract.code, order.qty, order.price, order.time_in_force, order.lifecycle, order.deadline) == (
        "US.AAPL",
        100,
        1.5,
        "DAY",
        "RTH",
        9.0,
    )
    assert len(order.client_order_id) == 32
    assert order.client_order_id != methods.order_request(LIMIT, 9.0).client_order_id


def test_a_market_order_needs_no_price():
    """Without price, with null, with 0 and with a price: a market order has none."""
    for price in ({}, {"price": None}, {"price": 0}, {"price": 0.0}, {"price": 10}):
        params = {**{k: v for k, v in LIMIT.items() if k != "price"}, "orderType": "Market", **price}
        assert methods.order_request(params, 0).price is None


BAD_NUMBERS = [None, True, False, "1", 0, -1, -0.0, math.nan, math.inf, 1e18, 2**70, [], {}]


@pytest.mark.parametrize("value", BAD_NUMBERS)
@pytest.mark.parametrize("field", ["qty", "price"])
def test_numbers_that_are_no_quantity_and_no_price(field, value):
    """NaN, Infinity, booleans, text, zero, minus, 1e18: bad_request that names the field (S5)."""
    with pytest.raises(BadRequest, match=f"^{field}: expected"):
        methods.order_request({**LIMIT, field: value}, 0)


@pytest.mark.parametrize("price", [True, -0.0, -1, "0", math.nan])
def test_a_market_order_takes_no_nonsense_as_price(price):
    """A price that no market order can mean is refused even though it would be ignored."""
    with pytest.raises(BadRequest, match=r"^price: expected"):
        methods.order_request({**LIMIT, "orderType": "Market", "price": price}, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("direction", "buy"),
        ("direction", None),
        ("orderType", "Stop"),
        ("orderType", 1),
        ("timeInForce", "IOC"),
        ("lifecycle", "NIGHT"),
        ("clientOrderId", ""),
        ("clientOrderId", "x" * 33),
        ("clientOrderId", "a b"),
        ("clientOrderId", "é"),
        ("clientOrderId", "a\n"),
        ("clientOrderId", 7),
        ("contract", None),
    ],
)
def test_words_that_are_none_of_ours(field, value):
    """An enum or id that does not fit is refused by name, and the message says what was expected."""
    with pytest.raises(BadRequest, match=f"^{field}: expected"):
        methods.order_request({**LIMIT, field: value}, 0)


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("quote", {}, "contract"),
        ("quotes", {"contracts": []}, "contracts"),
        ("quotes", {"contracts": ["US.AAPL", "nonsense"]}, r"contracts\[1\]"),
        ("depth", {"contract": "US.AAPL", "levels": 0}, "levels"),
        ("ticks", {"contract": "US.AAPL", "limit": True}, "limit"),
        ("candles", {"contract": "US.AAPL", "interval": "2s"}, "interval"),
        ("modify_order", {"orderId": "1"}, "qty"),
        ("modify_order", {"orderId": "1", "qty": -1}, "qty"),
        ("cancel_order", {}, "orderId"),
        ("order", {"orderId": ""}, "orderId"),
        ("order", {"orderId": 7}, "orderId"),
        ("orders", {"open": "yes"}, "open"),
        ("fills", {"since": -1}, "since"),
        ("raw", {"name": "x", "params": []}, "params"),
    ],
)
def test_params_of_the_other_methods(method, params, field):
    """Each method refuses what does not fit by the name of the field."""
    with pytest.raises(BadRequest, match=f"^{field}: expected"):
        methods.arguments(method, params, 0)


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*LIMIT, "clientOrderId", "lifecycle"), anything)))
def test_whatever_params_an_order_is_checked_or_refused(changes):
    """No params make anything but a valid order or a BadRequest."""
    try:
        order = methods.order_request({**LIMIT, **changes}, 0)
    except BadRequest:
        return
    assert math.isfinite(order.qty)
    assert order.qty > 0
    assert order.price is None or order.price > 0
