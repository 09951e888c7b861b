"""The vendor's numbers and spellings, and the contracts, words and currencies that they stand for."""

from __future__ import annotations

from typing import Dict, Optional

from brokerbus import contract as contracts
from brokerbus.contract import Contract
from brokerbus.errors import BadRequest, Unsupported

PREFIX_OF_QUOTE_MARKET: Dict[int, str] = {
    1: "HK", 11: "US", 21: "SH", 22: "SZ", 31: "SG", 41: "JP", 51: "AU", 61: "MY", 71: "CA",
}  # fmt: skip
"""``QotMarket`` → prefix of a code. Source: .proto."""

PREFIX_OF_TRADE_MARKET: Dict[int, str] = {
    1: "HK", 2: "US", 31: "SH", 32: "SZ", 41: "SG", 51: "JP", 61: "AU", 71: "MY", 81: "CA",
}  # fmt: skip
"""``TrdSecMarket`` → prefix of a code. Source: .proto."""

PREFIXES = frozenset(PREFIX_OF_QUOTE_MARKET.values())

MARKETS: Dict[int, str] = {
    1: "HK", 2: "US", 3: "CN", 4: "HKCC", 5: "FUTURES", 6: "SG", 7: "CRYPTO", 8: "AU",
    10: "FUTURES_SIMULATE_HK", 11: "FUTURES_SIMULATE_US", 12: "FUTURES_SIMULATE_SG", 13: "FUTURES_SIMULATE_JP",
    15: "JP", 17: "PREDICTION", 111: "MY", 112: "CA",
    113: "HKFUND", 123: "USFUND", 124: "SGFUND", 125: "MYFUND", 126: "JPFUND",
}  # fmt: skip
"""``TrdMarket``: what an account may trade. Source: .proto."""

CURRENCIES: Dict[int, str] = {
    1: "HKD", 2: "USD", 3: "CNH", 4: "JPY", 5: "SGD", 6: "AUD", 7: "CAD", 8: "MYR", 9: "NZD",
}  # fmt: skip
"""``Currency``. Source: .proto."""

CURRENCY_OF_MARKET: Dict[str, str] = {
    "US": "USD", "HK": "HKD", "CN": "CNH", "HKCC": "CNH",
    "SG": "SGD", "JP": "JPY", "AU": "AUD", "MY": "MYR", "CA": "CAD",
}  # fmt: skip
"""The currency of an account that may trade one market; in the order in which a base currency is looked for."""

ACCOUNT_TYPES: Dict[int, str] = {1: "CASH", 2: "MARGIN", 3: "TFSA", 4: "RRSP", 5: "SRRSP", 6: "DERIVATIVES"}
"""``TrdAccType``. Source: .proto."""

SIMULATED_TYPES: Dict[int, str] = {1: "STOCK", 2: "OPTION", 3: "FUTURES", 4: "STOCK_AND_OPTION", 5: "COMPETITION"}
"""``SimAccType``. Source: .proto."""

ENVIRONMENTS: Dict[int, str] = {0: "SIMULATE", 1: "REAL"}
"""``TrdEnv``: 0 is the simulated one. Source: .proto."""

SIDES: Dict[int, str] = {1: "BUY", 2: "SELL", 3: "SELL", 4: "BUY"}
"""``TrdSide``: selling short and buying back are sales and purchases. Source: .proto."""

ORDER_TYPES: Dict[int, str] = {
    1: "Limit", 2: "Market", 5: "AbsoluteLimit", 6: "Auction", 7: "AuctionLimit", 8: "SpecialLimit",
    9: "SpecialLimitAll", 10: "Stop", 11: "StopLimit", 12: "MarketIfTouched", 13: "LimitIfTouched",
    14: "TrailingStop", 15: "TrailingStopLimit",
    16: "TwapMarket", 17: "TwapLimit", 18: "VwapMarket", 19: "VwapLimit",
}  # fmt: skip
"""``OrderType``: ours for the two that we place, the vendor's for those placed elsewhere. Source: .proto."""

TIMES_IN_FORCE: Dict[int, str] = {0: "DAY", 1: "GTC", 2: "IOC", 3: "GTD"}
"""``TimeInForce``. Source: .proto."""

ORDER_STATUSES: Dict[int, str] = {
    -1: "N/A", 0: "UNSUBMITTED", 1: "WAITING_SUBMIT", 2: "SUBMITTING", 3: "SUBMIT_FAILED", 4: "TIMEOUT", 5: "SUBMITTED",
    10: "FILLED_PART", 11: "FILLED_ALL", 12: "CANCELLING_PART", 13: "CANCELLING_ALL",
    14: "CANCELLED_PART", 15: "CANCELLED_ALL", 21: "FAILED", 22: "DISABLED", 23: "DELETED", 24: "FILL_CANCELLED",
}  # fmt: skip
"""``OrderStatus``, in the SDK's spelling. Source: .proto, SDK source."""

CANCELED = frozenset(("CANCELLED_PART", "CANCELLED_ALL"))
CANCELING = frozenset(("CANCELLING_PART", "CANCELLING_ALL"))
FAILED = frozenset(("SUBMIT_FAILED", "FAILED", "DISABLED", "DELETED", "FILL_CANCELLED"))
"""Ends that are no fill and no cancellation; TIMEOUT is none of them, it may still become anything."""

NORMAL = 1
"""``SecurityStatus``: it trades. Source: .proto."""

UNIFIED: Dict[str, str] = {
    "PRE_MARKET_BEGIN": "PRE_HOURS",
    "MORNING": "RTH",
    "REST": "REST",
    "AFTERNOON": "RTH",
    "CLOSED": "CLOSED",
    "HK_CAS": "CLOSED",
    "AFTER_HOURS_BEGIN": "AFTER_HOURS",
    "AFTER_HOURS_END": "CLOSED",
    "OVERNIGHT": "OVERNIGHT",
}
"""``MarketState`` → unified status, as httptrading maps it; all others are UNKNOWN."""

STATE_OF_REGION: Dict[str, str] = {"market_sh": "CN", "market_hk": "HK", "market_us": "US"}
"""Fields of ``get_global_state`` → region."""


def code_of(contract: Contract) -> str:
    """The vendor's code of a contract; raises Unsupported for what has none."""
    if contract.trade_type not in ("Securities", "Indexes"):
        raise Unsupported(f"contract.tradeType: Futu has Securities and Indexes, found {contract.trade_type}")
    if contract.market not in PREFIXES:
        raise Unsupported(f"contract.region: Futu has no market {contract.market!r:.20}")
    return contract.code


def contract_of(prefix: Optional[str], symbol: str) -> Optional[Contract]:
    """The contract of a market's prefix and a symbol; None in markets that no contract can name.

    What no user could spell (an option of a Hong Kong share) is kept as the vendor spells it.
    """
    if not prefix or not symbol:
        return None
    region, exchange = contracts.EXCHANGES.get(prefix, prefix), prefix if prefix in contracts.EXCHANGES else ""
    try:
        found = contracts.make(region, symbol, exchange=exchange)
    except BadRequest:
        found = Contract(region, symbol, exchange=exchange)
    return found if found.code == f"{prefix}.{symbol}" else Contract(region, symbol, exchange=exchange)


def trade_market(contract: Contract, real: bool) -> str:
    """The market in which an order for a contract is placed. Source: SDK source, ``_get_trd_market_from_market``."""
    if contract.region == "CN":
        return "HKCC" if real else "CN"
    return contract.region
