"""What the queries and bodies of /v1 may hold, by name; everything else is refused."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Query:
    """One parameter of a query."""

    name: str
    about: str
    example: str
    required: bool = False


@dataclass(frozen=True)
class Body:
    """The JSON object that a request carries; ``members`` are schemas, and no other members are taken."""

    members: dict[str, Any]
    example: dict[str, Any]
    required: tuple[str, ...] = ()
    needed: bool = True


SINCE = Query("since", "Only what changed at or after this moment: Unix ms or RFC 3339.", "2026-11-21T00:00:00Z")
_TEXT = {"type": "string"}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_MAYBE_POSITIVE = {"anyOf": [_POSITIVE, {"type": "null"}]}
PLACE = Body(
    {
        "contract": {
            "description": "A contract map, or a string such as US.AAPL, AAPL.US, HK.00700, 700.HK, SH.600519.",
            "anyOf": [{"type": "object"}, _TEXT],
        },
        "tradeType": {**_TEXT, "description": "With region and symbol: instead of contract."},
        "region": _TEXT,
        "symbol": _TEXT,
        "exchange": _TEXT,
        "direction": {"enum": ["BUY", "SELL"]},
        "orderType": {"enum": ["Limit", "Market"]},
        "qty": _POSITIVE,
        "price": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "A limit order's, above 0; a market order needs none.",
        },
        "timeInForce": {"enum": ["DAY", "GTC", None], "default": "DAY"},
        "lifecycle": {"enum": ["RTH", "ETH", "OVERNIGHT", None], "default": "RTH"},
        "clientOrderId": {
            "type": ["string", "null"],
            "pattern": "^[0-9A-Za-z_-]{1,32}$",
            "description": "Your name of the order: the same name with the same content places it once.",
        },
    },
    {"contract": "US.AAPL", "direction": "BUY", "orderType": "Limit", "qty": 10, "price": 185.5},
    ("direction", "orderType", "qty"),
)
MODIFY = Body({"qty": _MAYBE_POSITIVE, "price": _MAYBE_POSITIVE}, {"price": 186})
REASON = Body({"reason": {"type": ["string", "null"], "minLength": 1}}, {"reason": "fat finger"}, needed=False)
BY_TAG = Query("clientOrderId", "Alone: the one order of this name, or an empty list.", "")
OPEN = Query("open", "`true`: only those that can still change.", "true")
SYMBOLS = Query("symbols", "Contracts, separated by commas.", "US.AAPL", True)
