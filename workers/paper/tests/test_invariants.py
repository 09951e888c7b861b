"""Whatever is traded in whatever order, value is conserved and nothing goes below zero."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from typing import Any, List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from brokerbus.contract import parse
from brokerbus.errors import BadRequest, Rejected
from brokerbus_paper.account import rate

CODES = ("US.AAPL", "HK.00700", "SZ.000001")
CASH = Decimal(300_000)

Step = Tuple[Any, ...]

quantities = st.one_of(st.sampled_from([100, 200, 1000, 5000]), st.integers(1, 3000), st.sampled_from([0.5, 0.000001]))
placing = st.tuples(
    st.just("place"),
    st.sampled_from(CODES),
    st.sampled_from(["BUY", "SELL"]),
    quantities,
    st.one_of(st.none(), st.sampled_from([0.97, 0.999, 1.001, 1.03])),
)
steps = st.lists(
    st.one_of(
        placing,
        placing,
        st.tuples(st.just("move"), st.sampled_from(CODES), st.sampled_from([0.95, 0.98, 1.0, 1.02, 1.05])),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("modify"), st.integers(0, 20), quantities),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.tuples(st.just("reopen")),
    ),
    max_size=25,
)


def apply(desk: Any, placed: List[str], step: Step) -> None:
    """Does one step; a refusal is an answer too."""
    name = step[0]
    price = desk.broker.quote(parse(step[1])).pre_close if name in ("place", "move") else 0
    if name == "place":
        limit = None if step[4] is None else round(price * step[4], 2)
        placed.append(desk.place(step[1], step[2], step[3], limit))
    elif name == "move":
        desk.move(step[1], price * step[2])
    elif name == "wait":
        desk.now += step[1] * 3_600_000
        desk.broker.tick()
    elif name == "reopen":
        desk.reopen()
    elif placed and name == "cancel":
        desk.broker.cancel_order(placed[step[1] % len(placed)])
    elif placed:
        desk.broker.modify_order(placed[step[1] % len(placed)], step[2], None)


def check(desk: Any, placed: List[str]) -> None:
    """The books agree with each other, exactly."""
    vendor = desk.broker.vendor
    trades = [trade for _, trade in vendor.fills(None)]
    signed = [(trade, trade.qty if trade.direction == "BUY" else -trade.qty) for trade in trades]
    paid = sum((qty * trade.price * rate(trade.currency, "USD") for trade, qty in signed), Decimal(0))
    assert vendor.account.cash == CASH - paid
    for code in CODES:
        bought = sum((qty for trade, qty in signed if trade.contract.code == code), Decimal(0))
        assert vendor.account.shares.get(parse(code), 0) == bought >= 0
    assert 0 <= vendor.account.available <= vendor.account.cash
    for order_id in placed:
        ticket = vendor.order(order_id)
        own = [trade for trade in trades if trade.order_id == order_id]
        assert ticket.filled == sum(trade.qty for trade in own) <= ticket.qty
        assert ticket.cost == sum(trade.qty * trade.price for trade in own)
        assert ticket.is_open == (ticket.status in ("SUBMITTED", "PARTIALLY_FILLED"))
        assert (ticket.status == "FILLED") == (ticket.filled == ticket.qty)
        assert all(trade.price <= ticket.limit if ticket.direction == "BUY" else True for trade in own)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_books_balance(desk_class: Any, script: List[Step]) -> None:
    """After every step cash is the start minus what fills cost, positions are what fills brought, none negative."""
    with tempfile.TemporaryDirectory() as home:
        desk = desk_class(home, cash=int(CASH), symbols=list(CODES))
        placed: List[str] = []
        try:
            for step in script:
                try:
                    apply(desk, placed, step)
                except (Rejected, BadRequest):
                    pass
                check(desk, placed)
        finally:
            desk.broker.close()
