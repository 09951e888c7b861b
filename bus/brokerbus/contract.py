"""What is traded, and every way to spell it.

One security has one :class:`Contract` and one ``code`` (``US.AAPL``, ``HK.00700``, ``SH.600519``), which is
also the subject of its pushes. Strings and maps of every usual spelling are read by :func:`parse`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from brokerbus.errors import BadRequest

TRADE_TYPES = ("Securities", "Cryptocurrencies", "Indexes", "Currencies", "Yields")

REGIONS = ("US", "HK", "CN", "SG", "JP", "AU", "MY", "CA")
"""Regions that a string may name; a map may name any two capital letters."""

EXCHANGES = {"SH": "CN", "SZ": "CN"}
"""Markets whose prefix names an exchange inside a region."""

_SYMBOL = re.compile(r"[A-Z0-9.^_\-]{1,32}")
_REGION = re.compile(r"[A-Z]{2}")
_EXCHANGE = re.compile(r"[A-Z]{1,16}")


@dataclass(frozen=True)
class Contract:
    """A tradable thing. ``exchange`` is empty when region and symbol already tell it."""

    region: str
    symbol: str
    trade_type: str = "Securities"
    exchange: str = ""

    @property
    def code(self) -> str:
        """``MARKET.SYMBOL`` with the market as vendors prefix it: US, HK, SH, SZ, or the region."""
        return f"{self.market}.{self.symbol}"

    @property
    def market(self) -> str:
        """US, HK, SH, SZ, or the region's own letters."""
        if self.region == "CN" and self.trade_type in ("Securities", "Indexes"):
            return self.exchange or mainland_exchange(self.symbol)
        return self.region

    def to_map(self) -> Dict[str, str]:
        """httptrading's contract map, and ``exchange`` where the symbol alone would name another one."""
        plain = {"type": "contract", "tradeType": self.trade_type, "region": self.region, "symbol": self.symbol}
        if self.exchange:
            plain["exchange"] = self.exchange
        return plain


def mainland_exchange(symbol: str) -> str:
    """SH or SZ, as the first digit of a six-digit mainland code tells: 5, 6 and 9 are Shanghai's."""
    return "SH" if symbol[:1] in ("5", "6", "9") else "SZ"


@functools.lru_cache(maxsize=4096)
def make(
    region: str, symbol: str, trade_type: str = "Securities", exchange: str = "", field: str = "contract"
) -> Contract:
    """A checked Contract in its one spelling; BadRequest names the field that does not fit."""
    if trade_type not in TRADE_TYPES:
        raise BadRequest(f"{field}.tradeType: expected one of {', '.join(TRADE_TYPES)}, found {trade_type!r:.40}")
    if not _REGION.fullmatch(region):
        raise BadRequest(f"{field}.region: expected two capital letters such as US, HK or CN, found {region!r:.40}")
    if exchange and not _EXCHANGE.fullmatch(exchange):
        raise BadRequest(f"{field}.exchange: expected capital letters such as SH or SZ, found {exchange!r:.40}")
    symbol = symbol.upper()
    if not _SYMBOL.fullmatch(symbol):
        raise BadRequest(f"{field}.symbol: expected 1 to 32 of A-Z 0-9 . ^ _ -, found {symbol!r:.40}")
    if trade_type == "Securities" and region == "HK":
        if not (symbol.isdigit() and len(symbol) <= 6):
            raise BadRequest(f"{field}.symbol: expected up to 6 digits in Hong Kong, found {symbol!r}")
        symbol = symbol.zfill(5)
    if trade_type == "Securities" and region == "CN":
        if not (symbol.isdigit() and len(symbol) == 6):
            raise BadRequest(f"{field}.symbol: expected 6 digits in mainland China, found {symbol!r}")
        if exchange == mainland_exchange(symbol):
            exchange = ""
    return Contract(region, symbol, trade_type, exchange)


def parse(value: Any, field: str = "contract") -> Contract:
    """The Contract that a map or a string (``US.AAPL AAPL.US HK.00700 700.HK SH.600519``) means."""
    if isinstance(value, str):
        return _from_text(value, field)
    if isinstance(value, Mapping):
        return _from_map(value, field)
    raise BadRequest(f"{field}: expected a contract map or a string such as US.AAPL, found {type(value).__name__}")


def _from_map(value: Mapping[str, Any], field: str) -> Contract:
    texts: Dict[str, str] = {}
    for name, default in (("region", None), ("symbol", None), ("tradeType", "Securities"), ("exchange", "")):
        text = value.get(name, default)
        if text is None and name == "exchange":
            text = ""
        if not isinstance(text, str):
            found = "nothing" if text is None else type(text).__name__
            raise BadRequest(f"{field}.{name}: expected text, found {found}")
        texts[name] = text
    return make(texts["region"], texts["symbol"], texts["tradeType"], texts["exchange"], field)


def _from_text(text: str, field: str) -> Contract:
    shown = f"{text!r:.60}"
    head, dot, rest = text.upper().partition(".")
    if dot and rest:
        found = _in_market(head, rest, field)
        if found:
            return found
    rest, dot, tail = text.upper().rpartition(".")
    if dot and rest:
        found = _in_market(tail, rest, field)
        if found:
            return found
    raise BadRequest(f"{field}: expected MARKET.SYMBOL or SYMBOL.MARKET (US.AAPL, 700.HK, SH.600519), found {shown}")


def _in_market(market: str, symbol: str, field: str) -> Optional[Contract]:
    region = EXCHANGES.get(market) or (market if market in REGIONS else "")
    if not region:
        return None
    try:
        return make(region, symbol, exchange=market if market in EXCHANGES else "", field=field)
    except BadRequest:
        # HK.US is the US symbol "HK", not a malformed Hong Kong code.
        if symbol in REGIONS or symbol in EXCHANGES:
            return None
        raise
