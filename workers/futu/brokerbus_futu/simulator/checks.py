"""Refuses orders that an exchange or the account could not take."""

from __future__ import annotations

from .accounts import MARGIN, MARGIN_FACTOR, Account
from .codes import CURRENCY_OF, PRICELESS, Refused, Side
from .orders import Order
from .securities import Security


def check_terms(security: Security, side: int, order_type: int, qty: float, price: float) -> None:
    """Side, lot and spread; raises Refused."""
    if side not in (Side.BUY, Side.SELL, Side.SELL_SHORT, Side.BUY_BACK):
        raise Refused(f"Unknown trade side {side}")
    if security.suspended:
        raise Refused(f"{security.code} is suspended")
    if qty <= 0:
        raise Refused("The quantity must be greater than 0")
    _check_lot(security, side, qty)
    if order_type in PRICELESS:
        return
    if price <= 0:
        raise Refused("The price must be greater than 0")
    if security.prefix != "US" and not security.on_grid(price):
        raise Refused(f"The price {price:g} does not match the price spread {security.tick:g} of {security.code}")


def _check_lot(security: Security, side: int, qty: float) -> None:
    # A shares may be sold in odd lots, Hong Kong shares in neither direction (odd lots have a market of their own).
    if security.prefix == "US" or (security.prefix != "HK" and side == Side.SELL):
        return
    if qty % security.lot:
        raise Refused(f"The quantity {qty:g} is not a multiple of the lot size {security.lot} of {security.code}")


def frozen_cash(account: Account, orders: list[Order], currency: str, but: Order | None = None) -> float:
    """Cash that open buy orders hold back, in that currency."""
    return sum(
        order.remaining * order.price
        for order in orders
        if order.open
        and order.buys
        and order.acc_id == account.acc_id
        and order.currency == currency
        and order is not but
    )


def frozen_qty(account: Account, orders: list[Order], code: str, but: Order | None = None) -> float:
    """Shares that open sell orders hold back."""
    return sum(
        order.remaining
        for order in orders
        if order.open and not order.buys and order.acc_id == account.acc_id and order.code == code and order is not but
    )


def power(account: Account, orders: list[Order], currency: str, but: Order | None = None) -> float:
    """Buying power in a currency: free cash, doubled on margin."""
    free = account.cash.get(currency, 0.0) - frozen_cash(account, orders, currency, but)
    return max(0.0, free) * (MARGIN_FACTOR if account.acc_type == MARGIN else 1.0)


def check_means(
    account: Account,
    security: Security,
    orders: list[Order],
    side: int,
    qty: float,
    price: float,
    but: Order | None = None,
) -> None:
    """Cash for a buy, shares for a sell (no short selling here); raises Refused."""
    if side in (Side.BUY, Side.BUY_BACK):
        available = power(account, orders, CURRENCY_OF[security.prefix], but)
        if qty * price > available + 1e-6:
            raise Refused(f"Insufficient buying power: {qty * price:.2f} needed, {available:.2f} available")
        return
    holding = account.holdings.get(security.code)
    sellable = (holding.qty if holding else 0.0) - frozen_qty(account, orders, security.code, but)
    if qty > sellable + 1e-8:
        raise Refused(f"Insufficient position: {qty:g} needed, {max(0.0, sellable):g} available to sell")
