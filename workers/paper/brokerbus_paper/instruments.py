"""What the paper market lists: lots, tick sizes and start prices of each security."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Dict, Tuple

from brokerbus.contract import Contract, parse
from brokerbus.model import CURRENCY_OF_REGION

REGIONS = ("US", "HK", "CN")

UNIT = 10_000
"""Prices of the market are whole numbers of 1/10,000 of the currency."""

_PRICES: Dict[str, str] = {
    "US.AAPL": "230", "US.MSFT": "480", "US.TSLA": "400", "US.BRK.B": "500", "US.NVDA": "180", "US.SPY": "660",
    "HK.00700": "600", "HK.09988": "160", "HK.00005": "110",
    "SH.600519": "1450", "SH.510300": "4.6", "SZ.000001": "11.8", "SZ.300750": "380",
}  # fmt: skip
_HK_LOTS: Dict[str, int] = {
    "00001": 500, "00005": 400, "00388": 100, "00700": 100, "00939": 1000, "00941": 500, "01211": 500, "01299": 200,
    "01810": 200, "02318": 500, "02800": 500, "03690": 100, "09618": 50, "09988": 100, "09999": 100,
}  # fmt: skip
_DEFAULT_PRICE = "100"
_DEFAULT_HK_LOT = 100
_CN_LOT = 100

DEFAULT_SYMBOLS: Tuple[str, ...] = tuple(_PRICES)

_HK_SPREADS = (
    (0.25, 10), (0.5, 50), (10, 100), (20, 100), (50, 200), (100, 500), (200, 1_000),
    (500, 2_000), (1_000, 5_000), (2_000, 10_000), (5_000, 20_000),
)  # fmt: skip
_HK_WIDEST = 50_000


@dataclass(frozen=True)
class Instrument:
    """One listed security.

    ``lot`` is the least quantity step in shares; ``fractional`` tells whether parts of a share trade.
    ``start`` is the first price in units of 1/10,000 of the currency.
    """

    contract: Contract
    currency: str
    start: int
    lot: int
    fractional: bool

    def tick(self, units: int) -> int:
        """The price step at a price, both in units."""
        region = self.contract.region
        if region == "HK":
            return next((step for below, step in _HK_SPREADS if units < below * UNIT), _HK_WIDEST)
        if region == "US":
            return 100 if units >= UNIT else 1
        return 10 if is_fund(self.contract) else 100


def is_fund(contract: Contract) -> bool:
    """True for an exchange-traded fund of mainland China, which moves in steps of 0.001."""
    return contract.region == "CN" and contract.symbol[:2] in ("15", "16", "50", "51", "52", "56", "58")


def default_lot(contract: Contract) -> int:
    """Shares in one board lot; 1 where the market has none."""
    if contract.region == "HK":
        return _HK_LOTS.get(contract.symbol, _DEFAULT_HK_LOT)
    return _CN_LOT if contract.region == "CN" else 1


def default_price(contract: Contract) -> Decimal:
    """The start price of a security for which the settings name none."""
    return Decimal(_PRICES.get(contract.code, _DEFAULT_PRICE))


def make_instrument(contract: Contract, price: Decimal, lot: int) -> Instrument:
    """A security at its start price, rounded to the tick of that price."""
    listed = Instrument(contract, CURRENCY_OF_REGION[contract.region], int(price * UNIT), lot, contract.region == "US")
    tick = listed.tick(listed.start)
    return Instrument(contract, listed.currency, max(1, listed.start // tick) * tick, lot, listed.fractional)


def default_instruments() -> Tuple[Instrument, ...]:
    """The securities of a market whose settings name none."""
    contracts = [parse(code) for code in DEFAULT_SYMBOLS]
    return tuple(make_instrument(each, default_price(each), default_lot(each)) for each in contracts)
