"""From a request's params to the arguments of a broker method: every check that needs no broker."""

from __future__ import annotations

import math
import re
import secrets
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from brokerbus import contract as contracts
from brokerbus import limits, model
from brokerbus.broker import OrderRequest
from brokerbus.contract import Contract
from brokerbus.errors import BadRequest

Params = Mapping[str, Any]

_ORDER = ("contract", "direction", "orderType", "qty", "price", "timeInForce", "lifecycle", "clientOrderId")
_CLIENT_ORDER_ID = re.compile(r"[0-9A-Za-z_\-]{1,32}")
_INTERVALS = ("1m", "3m", "5m", "10m", "15m", "30m", "60m", "1h", "2h", "3h", "4h", "1d", "1w", "1M", "1q", "1y")

MAX_LEVELS, MAX_TICKS, MAX_CANDLES = 100, 1_000, 1_000


def arguments(method: str, params: Params, deadline: float) -> Tuple[Any, ...]:
    """The arguments of ``method``; raises BadRequest with the field's name."""
    parse = _PARSERS.get(method)
    if parse is not None:
        return parse(params)
    if method == "place_order":
        return (order_request(params, deadline),)
    return ()


def order_request(params: Params, deadline: float) -> OrderRequest:
    """The order that a place_order asks for; a clientOrderId is made up when absent."""
    _refuse_misspelt(params, _ORDER)
    contract = contracts.parse(_required(params, "contract"))
    order_type = _choice(params, "orderType", model.ORDER_TYPES)
    price = _price(params, order_type)
    return OrderRequest(
        contract=contract,
        direction=_choice(params, "direction", model.DIRECTIONS),
        order_type=order_type,
        qty=_positive(params, "qty", limits.MAX_QTY),
        price=price,
        time_in_force=_choice(params, "timeInForce", model.TIMES_IN_FORCE, "DAY"),
        lifecycle=_choice(params, "lifecycle", model.LIFECYCLES, "RTH"),
        client_order_id=client_order_id(params),
        deadline=deadline,
    )


def _refuse_misspelt(params: Params, names: Sequence[str]) -> None:
    """Unknown params are ignored, but not one that means a known one: ``time_in_force`` would be a DAY order."""
    meant = {name.lower(): name for name in names}
    for given in params:
        name = meant.get(given.replace("_", "").lower())
        if name is not None and given != name:
            raise BadRequest(f"{given:.40}: expected {name}")


def client_order_id(params: Params) -> str:
    """The caller's clientOrderId, or a new one of 32 characters."""
    given = params.get("clientOrderId")
    if given is None:
        return secrets.token_hex(16)
    if not isinstance(given, str) or not _CLIENT_ORDER_ID.fullmatch(given):
        raise BadRequest(f"clientOrderId: expected 1 to 32 of 0-9 A-Z a-z _ -, found {_shown(given)}")
    return given


def _price(params: Params, order_type: str) -> Optional[model.Number]:
    """A limit order's price; None for a market order, which may carry one (or 0) to no effect."""
    given = params.get("price")
    if order_type == "Market":
        if given is None or (_is_number(given) and given == 0 and math.copysign(1, given) > 0):
            return None
        _positive(params, "price", limits.MAX_PRICE)
        return None
    return _positive(params, "price", limits.MAX_PRICE)


def _positive(params: Params, name: str, most: float) -> model.Number:
    value: Any = params.get(name)
    if not _is_number(value):
        raise BadRequest(f"{name}: expected a number above 0, found {_shown(value)}")
    if not 0 < value <= most:  # NaN compares false
        raise BadRequest(f"{name}: expected a number above 0 and at most {most:g}, found {_shown(value)}")
    number: model.Number = value
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _choice(params: Params, name: str, choices: Sequence[str], default: Optional[str] = None) -> str:
    value = params.get(name, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or value not in choices:
        raise BadRequest(f"{name}: expected one of {', '.join(choices)}, found {_shown(value)}")
    return value


def _required(params: Params, name: str) -> Any:
    value = params.get(name)
    if value is None:
        raise BadRequest(f"{name}: expected, but absent")
    return value


def _text(params: Params, name: str) -> str:
    value = _required(params, name)
    if not isinstance(value, str) or not 0 < len(value) <= limits.MAX_TEXT:
        raise BadRequest(f"{name}: expected text of 1 to {limits.MAX_TEXT} characters, found {_shown(value)}")
    return value


def _count(params: Params, name: str, default: int, most: int) -> int:
    value = params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadRequest(f"{name}: expected a whole number from 1 to {most}, found {_shown(value)}")
    return value


def _since(params: Params) -> Optional[int]:
    value = params.get("since")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**15):
        raise BadRequest(f"since: expected Unix milliseconds, found {_shown(value)}")
    return value


def _flag(params: Params, name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name}: expected true or false, found {_shown(value)}")
    return value


def _contract(params: Params) -> Contract:
    return contracts.parse(_required(params, "contract"))


def _contracts(params: Params) -> List[Contract]:
    value = _required(params, "contracts")
    if not isinstance(value, list) or not 1 <= len(value) <= limits.MAX_SYMBOLS:
        raise BadRequest(f"contracts: expected a list of 1 to {limits.MAX_SYMBOLS} contracts, found {_shown(value)}")
    return [contracts.parse(item, f"contracts[{index}]") for index, item in enumerate(value)]


def _map(params: Params, name: str) -> Params:
    value = params.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name}: expected a map, found {_shown(value)}")
    return value


def _modify(params: Params) -> Tuple[Any, ...]:
    _refuse_misspelt(params, ("orderId", "qty", "price"))
    qty = None if params.get("qty") is None else _positive(params, "qty", limits.MAX_QTY)
    price = None if params.get("price") is None else _positive(params, "price", limits.MAX_PRICE)
    if qty is None and price is None:
        raise BadRequest("qty: expected a new qty, a new price or both, found neither")
    return _text(params, "orderId"), qty, price


def _order(params: Params) -> Tuple[Optional[str], Optional[str]]:
    """An order is named by the broker's id or by ours."""
    if params.get("orderId") is None and params.get("clientOrderId") is not None:
        return None, client_order_id(params)
    return _text(params, "orderId"), None


def _tag(params: Params) -> str:
    _required(params, "clientOrderId")
    return client_order_id(params)


def _resolution(params: Params) -> Optional[str]:
    """The order id that a person found, or None where they say that there is no order."""
    if params.get("neverSent") is True and params.get("orderId") is None:
        return None
    return _text(params, "orderId")


def _reason(params: Params) -> str:
    return "" if params.get("reason") is None else _text(params, "reason")


def _cursor(params: Params) -> Optional[int]:
    value = params.get("cursor")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63):
        raise BadRequest(f"cursor: expected a whole number from 0, found {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"a {'map' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a whole number of more than 64 bits"
    return "nothing" if value is None else f"{value!r:.40}"


_PARSERS: Dict[str, Callable[[Params], Tuple[Any, ...]]] = {
    "quote": lambda params: (_contract(params),),
    "quotes": lambda params: (_contracts(params),),
    "depth": lambda params: (_contract(params), _count(params, "levels", 10, MAX_LEVELS)),
    "ticks": lambda params: (_contract(params), _count(params, "limit", 100, MAX_TICKS)),
    "candles": lambda params: (
        _contract(params),
        _choice(params, "interval", _INTERVALS, "1d"),
        _count(params, "limit", 100, MAX_CANDLES),
    ),
    "modify_order": _modify,
    "cancel_order": lambda params: (_text(params, "orderId"),),
    "order": _order,
    "halt": lambda params: (_reason(params),),
    "resolve_order": lambda params: (_tag(params), _resolution(params)),
    "replay": lambda params: (_cursor(params),),
    "orders": lambda params: (_flag(params, "open"), _since(params)),
    "fills": lambda params: (_since(params),),
    "raw": lambda params: (_text(params, "name"), _map(params, "params")),
}
