"""What the paper vendor accepts as an order: symbols, lots, fractions, prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Optional

from brokerbus.errors import Rejected
from brokerbus.model import Number
from brokerbus_paper.instruments import Instrument
from brokerbus_paper.limits import PRICE_PLACES, QTY_PLACES


def refuse(code: str, message: str) -> Rejected:
    """The vendor's no: its words, and its code in ``detail``."""
    return Rejected(message, detail={"code": code})


def decimal(value: Number, places: int, name: str) -> Decimal:
    """A number exactly as it was written; rejected below or at zero, or with too many decimal places."""
    exact = Decimal(str(value))
    if not exact.is_finite() or exact <= 0:
        raise refuse("INVALID_" + name.upper(), f"{name} must be above zero, found {value!r}")
    if exact != exact.quantize(Decimal(1).scaleb(-places)):
        raise refuse("INVALID_" + name.upper(), f"{name} may have {places} decimal places, found {value!r}")
    return exact


def checked_qty(instrument: Instrument, direction: str, qty: Number) -> Decimal:
    """The quantity in shares; rejected where the market does not trade it.

    US shares may be fractional. Hong Kong trades whole board lots; the mainland buys whole lots of 100
    and sells any whole number, so that odd lots can be closed.
    """
    exact = decimal(qty, QTY_PLACES, "qty")
    code = instrument.contract.code
    if instrument.fractional:
        return exact
    if exact != exact.to_integral_value():
        raise refuse("FRACTIONAL_QTY", f"{code} trades whole shares only, found {qty!r}")
    odd_lot_sold = instrument.contract.region == "CN" and direction == "SELL"
    if exact % instrument.lot and not odd_lot_sold:
        raise refuse("LOT_SIZE", f"{code} trades in lots of {instrument.lot}, found {qty!r}")
    return exact


def checked_price(order_type: str, price: Optional[Number]) -> Optional[Decimal]:
    """The limit price; None for a market order, whatever price came with it."""
    if order_type == "Market":
        return None
    if price is None:
        raise refuse("INVALID_PRICE", "a limit order needs a price")
    return decimal(price, PRICE_PLACES, "price")
