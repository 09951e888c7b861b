"""Says what an order is to the SDK: the arguments of its calls, and the id that it answers with."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from brokerbus.broker import OrderRequest
from brokerbus.errors import BadRequest, BusError, UnknownOutcome, Unsupported
from brokerbus.model import Number
from brokerbus_futu import codes, convert, outcomes
from brokerbus_futu.accounts import Chosen
from brokerbus_futu.outcomes import Trace

PLACE, MODIFY = 2202, 2205
"""Protocol ids. Source: SDK source."""

FILLER_PRICE = 10.0
"""A market order has to carry a price that means nothing (vendor documentation); httptrading's."""

OUTSIDE_RTH = {"RTH": False, "ETH": True}
"""What an SDK before 9.6, which has no ``session``, can say of a lifecycle."""


def check(request: OrderRequest) -> None:
    """Raises what can be told without OpenD."""
    if request.contract.trade_type != "Securities":
        raise Unsupported(f"contract.tradeType: orders are for Securities, found {request.contract.trade_type}")
    codes.code_of(request.contract)
    region, lifecycle = request.contract.region, request.lifecycle
    if lifecycle != "RTH" and region != "US":
        raise BadRequest(f"lifecycle: {region} has regular hours only, found {lifecycle}")
    if lifecycle != "RTH" and request.order_type == "Market":
        raise BadRequest(f"lifecycle: market orders are for RTH, found {lifecycle}")


def of_account(account: Chosen) -> Dict[str, Any]:
    """The arguments that name an account; the SDK's own choice is REAL and may be a closed one."""
    return {"trd_env": account.env, "acc_id": account.number}


def to_place(request: OrderRequest, account: Chosen, place: Callable[..., Any]) -> Dict[str, Any]:
    """The arguments of the SDK's place_order; ``session`` only for the US and where the SDK has it (9.6 and later)."""
    arguments: Dict[str, Any] = {
        "code": codes.code_of(request.contract),
        "price": float(request.price or FILLER_PRICE),
        "qty": float(request.qty),
        "trd_side": request.direction,
        "order_type": "MARKET" if request.order_type == "Market" else "NORMAL",
        "time_in_force": request.time_in_force,
        "remark": request.client_order_id,
        **of_account(account),
    }
    if request.contract.region != "US":
        return arguments
    if "session" in inspect.signature(place).parameters:
        return {**arguments, "session": request.lifecycle}
    if request.lifecycle not in OUTSIDE_RTH:
        raise Unsupported(f"lifecycle: this version of the SDK has no {request.lifecycle} session")
    return {**arguments, "fill_outside_rth": OUTSIDE_RTH[request.lifecycle]}


def to_modify(row: Mapping[str, Any], qty: Optional[Number], price: Optional[Number]) -> Dict[str, Any]:
    """The arguments of a change: the vendor wants quantity and price, so what stays is filled in from the order."""
    arguments: Dict[str, Any] = {
        "modify_order_op": "NORMAL",
        "order_id": convert.order_id(row),
        "qty": float(row.get("qty", 0.0) if qty is None else qty),
        "price": float(row.get("price") or FILLER_PRICE) if price is None else float(price),
    }
    return {**arguments, "aux_price": row["auxPrice"]} if row.get("auxPrice") else arguments


def to_cancel(order_id: str) -> Dict[str, Any]:
    """The arguments of a cancellation; its numbers mean nothing."""
    return {"modify_order_op": "CANCEL", "order_id": order_id, "qty": 0, "price": 0}


def placed(trace: Trace) -> Tuple[str, Optional[BusError]]:
    """The order id of a place_order call, or what its failure proves; its look at the new order does not matter."""
    step = trace.step(PLACE)
    if step is None or not step.done:
        return "", outcomes.of_writing(trace, PLACE)
    order_id = convert.order_id(convert.plain(step.body) or {})
    return order_id, None if order_id else UnknownOutcome("place_order: OpenD took the order and told no id")
