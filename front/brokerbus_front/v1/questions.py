"""From a /v1 request to the params of a bus request: everything known by name, everything else refused."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Scope

from brokerbus import contract as contracts
from brokerbus import limits, methods
from brokerbus.errors import BadRequest
from brokerbus_front import questions
from brokerbus_front.strict_json import decode_object

_DIGITS = re.compile(r"[0-9]{1,15}")
_FLAGS = {"true": True, "false": False}
_HTTPTRADINGS = ("tradeType", "region", "symbol", "exchange")
_MAX_QUERY_NAMES = 32


class Call(NamedTuple):
    """What a caller sent, its names known; ``order_id`` is the path's."""

    scope: Scope
    query: dict[str, str]
    fields: dict[str, Any]
    order_id: str


Ask = Callable[[Call], dict[str, Any]]


def nothing(call: Call) -> dict[str, Any]:
    """A request without params."""
    return {}


def quotes(call: Call) -> dict[str, Any]:
    """The contracts of ``symbols``, separated by commas."""
    symbols = call.query.get("symbols", "")
    if not symbols:
        raise BadRequest("symbols: expected at least one, such as US.AAPL,HK.00700")
    found = symbols.split(",")
    if len(found) > limits.MAX_SYMBOLS:
        raise BadRequest(f"symbols: expected at most {limits.MAX_SYMBOLS}, found {len(found)}")
    return {"contracts": [contracts.parse(symbol, "symbols").to_map() for symbol in found]}


def orders(call: Call) -> dict[str, Any]:
    """``open`` and ``since``, or ``clientOrderId`` alone."""
    if "clientOrderId" in call.query:
        if len(call.query) > 1:
            raise BadRequest("clientOrderId: expected alone; it names one order")
        return {"clientOrderId": methods.client_order_id(call.query)}
    return {"open": _flag(call.query, "open"), **since(call)}


def since(call: Call) -> dict[str, Any]:
    """``since`` in Unix ms, or absent."""
    given = call.query.get("since")
    return {} if given is None else {"since": milliseconds(given)}


def milliseconds(text: str) -> int:
    """Unix ms for Unix ms or a moment as RFC 3339 writes it."""
    if _DIGITS.fullmatch(text):
        return int(text)
    try:  # a plus that was not escaped has become a space
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if moment.tzinfo is not None and moment.timestamp() >= 0:
            return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise BadRequest(f"since: expected Unix milliseconds or 2026-11-21T09:30:00Z, found {text!r:.40}")


def order(call: Call) -> dict[str, Any]:
    """The order of the path."""
    return {"orderId": call.order_id}


def modify(call: Call) -> dict[str, Any]:
    """A new quantity, a new price or both, for the order of the path."""
    asked = {name: value for name, value in call.fields.items() if value is not None}
    order_id, qty, price = methods.arguments("modify_order", {"orderId": call.order_id, **asked}, 0.0)
    given = {"qty": qty, "price": price}
    return {"orderId": order_id, **{name: value for name, value in given.items() if value is not None}}


def place(call: Call) -> dict[str, Any]:
    """A checked order; its contract is `contract`, or httptrading's three names."""
    if call.fields.get("contract") is not None:
        others = [name for name in _HTTPTRADINGS if name in call.fields]
        if others:
            raise BadRequest(f"{others[0]}: expected nothing beside contract")
    elif "contract" in call.fields or "symbol" not in call.fields:
        raise BadRequest("contract: expected a contract map or a string such as US.AAPL, found nothing")
    return questions.order_params({"tradeType": "Securities", **call.fields}, call.scope)


def reason(call: Call) -> dict[str, Any]:
    """Why trading is halted or resumed; none has to be given in an emergency."""
    given = call.fields.get("reason")
    if given is None:
        given = "by HTTP"
    if not isinstance(given, str) or not 0 < len(given) <= limits.MAX_TEXT:
        raise BadRequest(f"reason: expected text of 1 to {limits.MAX_TEXT} characters")
    return {"reason": given}


def query(text: bytes, known: Iterable[str]) -> dict[str, str]:
    """A query of known names, each once; raises BadRequest."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text.decode("ascii"), True, True, errors="strict", max_num_fields=_MAX_QUERY_NAMES)
    except ValueError:
        raise BadRequest("query: expected name=value pairs in UTF-8, percent-encoded") from None
    found = dict(pairs)
    _only(found, known, "query")
    if len(found) != len(pairs):
        raise BadRequest("query: names the same parameter twice")
    return found


def fields(body: bytes, known: Iterable[str], needed: bool) -> dict[str, Any]:
    """A body of known members; an empty one stands for no members where it may. Raises BadRequest."""
    if not body and not needed:
        return {}
    found = decode_object(body)
    _only(found, known, "body")
    return found


def _only(found: Iterable[str], known: Iterable[str], where: str) -> None:
    expected = list(known)
    for name in found:
        if name not in expected:
            names = ", ".join(expected) or "nothing"
            raise BadRequest(f"{name!r:.60}: unknown in the {where}; expected {names}")


def _flag(found: dict[str, str], name: str) -> bool:
    text = found.get(name, "false")
    if text not in _FLAGS:
        raise BadRequest(f"{name}: expected true or false, found {text!r:.40}")
    return _FLAGS[text]
