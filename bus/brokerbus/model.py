"""The data that brokers answer with: frozen dataclasses, and the maps they are on the wire.

Field names, enum names and their spelling on the wire are httptrading 1.0.8's; what it does not have
(ticks, fills, depth) follows the same style. Unknown numbers are None: never NaN, Infinity or "N/A".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from brokerbus.contract import Contract

Number = Union[int, float]

UNITS = ("Share", "RoundLot", "Satoshi")
DIRECTIONS = ("BUY", "SELL")
ORDER_TYPES = ("Limit", "Market")
TIMES_IN_FORCE = ("DAY", "GTC")
LIFECYCLES = ("RTH", "ETH", "OVERNIGHT")
UNIFIED_STATUSES = ("UNKNOWN", "OVERNIGHT", "PRE_HOURS", "RTH", "REST", "AFTER_HOURS", "CLOSED")
SESSIONS = ("up", "down", "unknown")
KINDS = ("quote", "tick", "depth", "candle", "order", "fill", "position", "cash", "status")

CURRENCY_OF_REGION = {
    "US": "USD",
    "HK": "HKD",
    "CN": "CNY",
    "SG": "SGD",
    "JP": "JPY",
    "AU": "AUD",
    "MY": "MYR",
    "CA": "CAD",
}
"""The currency in which a region's securities are quoted."""


def number(value: Any) -> Optional[Number]:
    """``value`` as a finite number; None for anything else (NaN, Infinity, "N/A", None, a bool)."""
    if value.__class__ is int:
        return int(value)
    try:
        converted = float(value)
    except (TypeError, ValueError):
        return None
    if isinstance(value, bool) or not math.isfinite(converted):
        return None
    return converted


def quantity(value: Any) -> Number:
    """A quantity: a whole one as int, so that 100 shares are ``100`` as at httptrading; fractions are kept."""
    converted = number(value)
    if converted is None:
        return 0
    return int(converted) if converted == int(converted) else converted


def rfc3339(milliseconds: Optional[int]) -> Optional[str]:
    """``2026-11-21T09:30:00.000Z`` for Unix milliseconds."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


@dataclass(frozen=True)
class Cash:
    """What can be spent, in the account's base currency."""

    currency: str
    amount: Optional[Number]

    def to_map(self) -> Dict[str, Any]:
        return {"type": "cash", "currency": self.currency, "amount": number(self.amount)}


@dataclass(frozen=True)
class Balance:
    """One currency of an account."""

    currency: str
    cash: Optional[Number]
    available: Optional[Number] = None
    net_assets: Optional[Number] = None

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "balance",
            "currency": self.currency,
            "cash": number(self.cash),
            "available": number(self.available),
            "netAssets": number(self.net_assets),
        }


@dataclass(frozen=True)
class Account:
    """An account at the broker; a closed one is listed and never used. ``env`` is SIMULATE or REAL."""

    account_id: str
    env: str
    type: str = ""
    status: str = "ACTIVE"
    markets: Tuple[str, ...] = ()

    def to_map(self) -> Dict[str, Any]:
        return {
            "accountId": self.account_id,
            "env": self.env,
            "type": self.type,
            "status": self.status,
            "markets": list(self.markets),
        }


@dataclass(frozen=True)
class Position:
    """What is held; ``broker`` and ``broker_display`` are httptrading's names of the broker."""

    broker: str
    broker_display: str
    contract: Contract
    currency: str
    qty: Number
    unit: str = "Share"

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "position",
            "broker": self.broker,
            "brokerDisplay": self.broker_display,
            "contract": self.contract.to_map(),
            "unit": self.unit,
            "currency": self.currency,
            "qty": quantity(self.qty),
        }


@dataclass(frozen=True)
class Quote:
    """A snapshot of one contract; ``timestamp`` is the vendor's update time in Unix ms."""

    contract: Contract
    currency: str
    is_tradable: bool
    latest: Optional[Number]
    pre_close: Optional[Number]
    open_price: Optional[Number]
    high_price: Optional[Number]
    low_price: Optional[Number]
    timestamp: Optional[int]

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "quote",
            "contract": self.contract.to_map(),
            "currency": self.currency,
            "isTradable": self.is_tradable,
            "latest": number(self.latest),
            "preClose": number(self.pre_close),
            "highPrice": number(self.high_price),
            "lowPrice": number(self.low_price),
            "openPrice": number(self.open_price),
            "timestamp": self.timestamp,
        }


@dataclass(frozen=True)
class MarketStatus:
    """The state of a region's market: the vendor's word and the unified one."""

    region: str
    origin_status: str
    unified_status: str

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "marketStatus",
            "region": self.region,
            "originStatus": self.origin_status,
            "unifiedStatus": self.unified_status,
        }


@dataclass(frozen=True)
class Order:
    """The state of an order: httptrading's fields, and the ones that make it usable without the request.

    ``status`` is the vendor's own word; ``origin`` tells ``bus`` (placed here) from ``external``.
    ``created_at`` and ``updated_at`` are Unix ms.
    """

    order_id: str
    currency: str
    qty: Number
    filled_qty: Number = 0
    avg_price: Number = 0.0
    error_reason: str = ""
    is_canceled: bool = False
    is_pending_cancel: bool = False
    client_order_id: str = ""
    direction: str = ""
    order_type: str = ""
    price: Optional[Number] = None
    time_in_force: str = ""
    contract: Optional[Contract] = None
    status: str = ""
    origin: str = "bus"
    created_at: Optional[int] = None
    updated_at: Optional[int] = None

    @property
    def is_filled(self) -> bool:
        return self.filled_qty >= self.qty

    @property
    def is_completed(self) -> bool:
        """No further change can come: filled, cancelled or refused."""
        return self.is_filled or self.is_canceled or bool(self.error_reason)

    @property
    def is_cancelable(self) -> bool:
        return not self.is_completed and not self.is_pending_cancel

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "order",
            "orderId": self.order_id,
            "currency": self.currency,
            "qty": quantity(self.qty),
            "filledQty": quantity(self.filled_qty),
            "avgPrice": number(self.avg_price),
            "errorReason": self.error_reason,
            "isCanceled": self.is_canceled,
            "isFilled": self.is_filled,
            "isCompleted": self.is_completed,
            "isCancelable": self.is_cancelable,
            "clientOrderId": self.client_order_id or None,
            "direction": self.direction or None,
            "orderType": self.order_type or None,
            "price": number(self.price),
            "timeInForce": self.time_in_force or None,
            "contract": self.contract.to_map() if self.contract else None,
            "status": self.status or None,
            "origin": self.origin,
            "createdAt": rfc3339(self.created_at),
            "updatedAt": rfc3339(self.updated_at),
        }


@dataclass(frozen=True)
class Fill:
    """One execution; ``fill_id`` is the broker's and unique in the account. ``timestamp`` is Unix ms."""

    fill_id: str
    order_id: str
    contract: Contract
    direction: str
    qty: Number
    price: Optional[Number]
    timestamp: Optional[int]
    client_order_id: str = ""

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "fill",
            "fillId": self.fill_id,
            "orderId": self.order_id,
            "clientOrderId": self.client_order_id or None,
            "contract": self.contract.to_map(),
            "direction": self.direction,
            "qty": quantity(self.qty),
            "price": number(self.price),
            "timestamp": self.timestamp,
        }


@dataclass(frozen=True)
class Tick:
    """One trade on the tape; ``direction`` is BUY, SELL or NEUTRAL. ``timestamp`` is Unix ms."""

    contract: Contract
    price: Optional[Number]
    qty: Number
    turnover: Optional[Number]
    direction: str
    sequence: str
    timestamp: Optional[int]

    def to_map(self) -> Dict[str, Any]:
        return {
            "type": "tick",
            "contract": self.contract.to_map(),
            "price": number(self.price),
            "qty": quantity(self.qty),
            "turnover": number(self.turnover),
            "direction": self.direction,
            "sequence": self.sequence,
            "timestamp": self.timestamp,
        }


MarketStatusMap = Mapping[str, Mapping[str, MarketStatus]]
"""Trade type (``Securities``) → region → status."""


def market_status_map(statuses: MarketStatusMap) -> Dict[str, Any]:
    """httptrading's ``marketStatusMap``: trade types in lower case, each a map of regions."""
    plain: Dict[str, Any] = {
        trade_type.lower(): {region: status.to_map() for region, status in by_region.items()}
        for trade_type, by_region in statuses.items()
    }
    plain["type"] = "marketStatusMap"
    return plain


def to_plain(value: Any) -> Any:
    """Model objects, tuples and numbers as what the wire carries; every number finite or None."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    to_map = getattr(value, "to_map", None)
    if to_map is not None:
        return to_map()
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    raise TypeError(f"a broker answered with {type(value).__name__}, which the wire cannot carry")


def to_plain_map(value: Any) -> Dict[str, Any]:
    """:func:`to_plain` of what has to be a map."""
    plain = to_plain(value)
    if not isinstance(plain, dict):
        raise TypeError(f"expected a map, found {type(value).__name__}")
    return plain
