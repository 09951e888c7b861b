"""Names the numbers of the vendor's enumerations that the simulator uses."""

from __future__ import annotations

from enum import IntEnum


class Proto(IntEnum):
    """Protocol ids of the requests and pushes that have an answer of their own here (SDK: ``ProtoId``)."""

    INIT_CONNECT = 1001
    GLOBAL_STATE = 1002
    NOTIFY = 1003
    KEEP_ALIVE = 1004
    USER_INFO = 1005
    ACC_LIST = 2001
    UNLOCK_TRADE = 2005
    SUB_ACC_PUSH = 2008
    FUNDS = 2101
    POSITIONS = 2102
    MAX_TRD_QTYS = 2111
    ORDER_LIST = 2201
    PLACE_ORDER = 2202
    MODIFY_ORDER = 2205
    UPDATE_ORDER = 2208
    FILL_LIST = 2211
    UPDATE_FILL = 2218
    HISTORY_ORDERS = 2221
    HISTORY_FILLS = 2222
    ORDER_FEE = 2225
    SUB = 3001
    REG_PUSH = 3002
    SUB_INFO = 3003
    BASIC_QOT = 3004
    UPDATE_BASIC_QOT = 3005
    KL = 3006
    UPDATE_KL = 3007
    RT = 3008
    UPDATE_RT = 3009
    TICKER = 3010
    UPDATE_TICKER = 3011
    ORDER_BOOK = 3012
    UPDATE_ORDER_BOOK = 3013
    BROKER = 3014
    UPDATE_BROKER = 3015
    HISTORY_KL = 3103
    STATIC_INFO = 3202
    SNAPSHOT = 3203
    TRADE_DATE = 3219
    MARKET_STATE = 3223


class Env(IntEnum):
    """``Trd_Common.TrdEnv``."""

    SIMULATE = 0
    REAL = 1


class TrdMarket(IntEnum):
    """``Trd_Common.TrdMarket``: CN is the simulated A-share market, HKCC is Stock Connect."""

    HK = 1
    US = 2
    CN = 3
    HKCC = 4


class Side(IntEnum):
    """``Trd_Common.TrdSide``."""

    BUY = 1
    SELL = 2
    SELL_SHORT = 3
    BUY_BACK = 4


class OrderType(IntEnum):
    """``Trd_Common.OrderType``, those that are not plain limits."""

    NORMAL = 1
    MARKET = 2
    AUCTION = 6
    STOP = 10
    STOP_LIMIT = 11
    MARKET_IF_TOUCHED = 12
    LIMIT_IF_TOUCHED = 13
    TRAILING_STOP = 14
    TRAILING_STOP_LIMIT = 15
    TWAP_MARKET = 16
    VWAP_MARKET = 18


PRICELESS = frozenset(
    {
        OrderType.MARKET,
        OrderType.AUCTION,
        OrderType.STOP,
        OrderType.MARKET_IF_TOUCHED,
        OrderType.TRAILING_STOP,
        OrderType.TWAP_MARKET,
        OrderType.VWAP_MARKET,
    }
)
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
TOUCHES = frozenset({OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})


class Status(IntEnum):
    """``Trd_Common.OrderStatus``."""

    WAITING_SUBMIT = 1
    SUBMITTING = 2
    SUBMIT_FAILED = 3
    TIMEOUT = 4
    SUBMITTED = 5
    FILLED_PART = 10
    FILLED_ALL = 11
    CANCELLING_PART = 12
    CANCELLING_ALL = 13
    CANCELLED_PART = 14
    CANCELLED_ALL = 15
    FAILED = 21
    DISABLED = 22
    DELETED = 23


OPEN = frozenset(
    {
        Status.WAITING_SUBMIT,
        Status.SUBMITTING,
        Status.SUBMITTED,
        Status.FILLED_PART,
        Status.CANCELLING_PART,
        Status.CANCELLING_ALL,
        Status.TIMEOUT,
    }
)


class ModifyOp(IntEnum):
    """``Trd_Common.ModifyOrderOp``."""

    NORMAL = 1
    CANCEL = 2
    DISABLE = 3
    ENABLE = 4
    DELETE = 5


IOC = 2
"""``Trd_Common.TimeInForce_IOC``."""


class SubType(IntEnum):
    """``Qot_Common.SubType``, but for the candles."""

    BASIC = 1
    ORDER_BOOK = 2
    TICKER = 4
    RT = 5
    BROKER = 14


KL_SUBTYPES = {
    1: 11,
    2: 6,
    3: 12,
    4: 13,
    5: 16,
    6: 7,
    7: 8,
    8: 9,
    9: 10,
    10: 17,
    11: 15,
    12: 18,
    13: 19,
    14: 20,
    15: 21,
}
"""``Qot_Common.KLType`` to the ``SubType`` that carries it."""

KL_TYPES = {subtype: kl_type for kl_type, subtype in KL_SUBTYPES.items()}

QOT_MARKETS = {"HK": 1, "US": 11, "SH": 21, "SZ": 22}
"""Code prefix to ``Qot_Common.QotMarket``."""

PREFIXES = {number: prefix for prefix, number in QOT_MARKETS.items()}

SEC_MARKETS = {"HK": 1, "US": 2, "SH": 31, "SZ": 32}
"""Code prefix to ``Trd_Common.TrdSecMarket``."""

SEC_PREFIXES = {number: prefix for prefix, number in SEC_MARKETS.items()}

CURRENCIES = {"HKD": 1, "USD": 2, "CNH": 3}
"""Currency to ``Trd_Common.Currency``."""

CURRENCY_OF = {"HK": "HKD", "US": "USD", "SH": "CNH", "SZ": "CNH"}
"""Code prefix to the currency it trades in."""

MARKET_STATES = {
    "NONE": 0,
    "AUCTION": 1,
    "WAITING_OPEN": 2,
    "MORNING": 3,
    "REST": 4,
    "AFTERNOON": 5,
    "CLOSED": 6,
    "PRE_MARKET_BEGIN": 8,
    "PRE_MARKET_END": 9,
    "AFTER_HOURS_BEGIN": 10,
    "AFTER_HOURS_END": 11,
    "HK_CAS": 19,
    "OVERNIGHT": 37,
}
"""State names as the SDK prints them to ``Qot_Common.QotMarketState``."""


def trade_market(prefix: str, env: int) -> int:
    """The ``TrdMarket`` that takes orders for a code prefix (A shares go through Stock Connect in REAL)."""
    if prefix in ("SH", "SZ"):
        return TrdMarket.HKCC if env == Env.REAL else TrdMarket.CN
    return TrdMarket.HK if prefix == "HK" else TrdMarket.US


class Refused(Exception):
    """The simulator says no: answered as retType -1 with this text."""
