"""From httptrading's queries and bodies to the params of a bus request, and what of them the answer repeats."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from starlette.types import Scope

from brokerbus import contract as contracts
from brokerbus import methods
from brokerbus.errors import BadRequest
from brokerbus_front import idempotency
from brokerbus_front.strict_json import decode_object

_NUMERIC_TEXT = re.compile(r"[+-]?[0-9]{1,24}(\.[0-9]{1,24})?")
_REMEMBERED_BYTES = 256
_ABSENT = "--"
"""httptrading's default of tradeType, region and symbol."""


class Question(NamedTuple):
    """The params of a bus request; ``echo`` is appended to the answer, as JSON members."""

    params: dict[str, Any]
    echo: bytes = b""


Ask = Callable[[Scope, bytes], Question]


def nothing(scope: Scope, body: bytes) -> Question:
    """A request without params."""
    return Question({})


def quote(scope: Scope, body: bytes) -> Question:
    """The contract of a query, in its one spelling."""
    query = scope["query_string"]
    return _quote(query) if len(query) <= _REMEMBERED_BYTES else _quote.__wrapped__(query)


@lru_cache(maxsize=1024)
def _quote(query: bytes) -> Question:
    """Remembered, because clients ask for the same few contracts over and over."""
    return Question({"contract": contracts.parse(_contract(first_values(query))).to_map()})


def order(scope: Scope, body: bytes) -> Question:
    """The order id of a query."""
    return Question({"orderId": first_values(scope["query_string"]).get("orderId", "")})


def cancel(scope: Scope, body: bytes) -> Question:
    """The order id of a body; 1.0.8 takes a number too, ids are text on the bus."""
    order_id = decode_object(body).get("orderId", "")
    if isinstance(order_id, int) and not isinstance(order_id, bool):
        order_id = str(order_id)
    if not isinstance(order_id, str) or not order_id:
        raise BadRequest(f"orderId: expected text, found {order_id!r:.40}")
    return Question({"orderId": order_id})


def place(scope: Scope, body: bytes) -> Question:
    """A checked order; a clientOrderId is made up when the caller gives none, and always repeated."""
    fields = decode_object(body)
    for name in ("orderType", "timeInForce", "lifecycle"):
        if fields.get(name) is None:
            raise BadRequest(f"{name}: expected, but absent")
    params = order_params({**fields, "price": _price(fields.get("price"))}, scope)
    return Question(params, b',"clientOrderId":"%s","args":' % params["clientOrderId"].encode() + body)


def order_params(fields: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The params of place_order, by the very checks of the worker, so that nothing malformed reaches it."""
    given = idempotency.client_order_id(scope["headers"], fields.get("clientOrderId"))
    made = methods.order_request({**fields, "contract": _contract(fields), "clientOrderId": given}, 0.0)
    return {
        "contract": made.contract.to_map(),
        "direction": made.direction,
        "orderType": made.order_type,
        "qty": made.qty,
        "price": made.price,
        "timeInForce": made.time_in_force,
        "lifecycle": made.lifecycle,
        "clientOrderId": made.client_order_id,
    }


def first_values(query: bytes) -> dict[str, str]:
    """The first value of each name in a query."""
    text = query.decode("ascii", "replace")
    unquote: Callable[[str], str] = unquote_plus if "%" in text or "+" in text else str
    values: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        values.setdefault(unquote(name), unquote(value))
    return values


def _contract(fields: Mapping[str, Any]) -> Any:
    """A contract as httptrading spells it, or in any spelling of the bus.

    ``contract`` holds a spelling of the bus; a ``symbol`` such as US.AAPL without a region is one too.
    """
    if "contract" in fields:
        return fields["contract"]
    trade_type, region = fields.get("tradeType", _ABSENT), fields.get("region", _ABSENT)
    symbol = fields.get("symbol", _ABSENT)
    if region == _ABSENT and trade_type == "Securities":
        return symbol
    contract = {"tradeType": trade_type, "region": region, "symbol": symbol}
    if "exchange" in fields:
        contract["exchange"] = fields["exchange"]
    return contract


def _price(given: Any) -> Any:
    """1.0.8 reads a price with ``float``: numeric text is one, and empty text is none."""
    if not isinstance(given, str):
        return given
    if not given:
        return None
    if not _NUMERIC_TEXT.fullmatch(given):
        raise BadRequest(f"price: expected a number, found {given!r:.40}")
    return float(given)
