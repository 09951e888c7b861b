"""The OpenAPI document: FastAPI's own routes, and the hot ones from the table that serves them."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from brokerbus_front import __version__, models, problems
from brokerbus_front.routes import ROUTES, Route
from brokerbus_front.v1 import document as v1

_REF = "#/components/schemas/{name}"
_STRUCTS = (
    models.Quote,
    models.Cash,
    models.Position,
    models.MarketStatus,
    models.Order,
    models.Pong,
    models.Canceled,
    models.Placed,
)
_DESCRIPTION = (
    "Every broker behind one address. The paths under /httptrading/ are those of httptrading 1.0.8: what goes wrong "
    "after the token is answered 200, with the reason under `ex`. Other errors are RFC 9457 problem details. An order "
    "is placed once for each clientOrderId, also when its answer is lost: ask again under the same one."
)
_CONTRACT = {"tradeType": "Securities", "region": "US", "symbol": "AAPL"}
_ORDER_BODY = {
    **_CONTRACT,
    "direction": "BUY",
    "orderType": "Limit",
    "timeInForce": "DAY",
    "lifecycle": "RTH",
    "qty": 10,
    "price": 185.5,
}
_RESULTS: dict[str, Any] = {
    "ping": {"pong": True},
    "quote": {
        "type": "quote",
        "contract": {"type": "contract", **_CONTRACT},
        "currency": "USD",
        "isTradable": True,
        "latest": 185.5,
        "preClose": 184.0,
        "highPrice": 186.0,
        "lowPrice": 183.5,
        "openPrice": 184.2,
        "timestamp": 1795253400000,
    },
    "market_status": {
        "securities": {
            "US": {"type": "marketStatus", "region": "US", "originStatus": "AFTERNOON", "unifiedStatus": "RTH"}
        },
        "type": "marketStatusMap",
    },
    "cash": {"type": "cash", "currency": "USD", "amount": 100000.0},
    "positions": [
        {
            "type": "position",
            "broker": "futu",
            "brokerDisplay": "富途证券",
            "contract": {"type": "contract", **_CONTRACT},
            "unit": "Share",
            "currency": "USD",
            "qty": 10,
        }
    ],
    "place_order": {"orderId": "8051813", "clientOrderId": "0123456789abcdef0123456789abcdef", "args": _ORDER_BODY},
    "cancel_order": {"canceled": True},
    "order": {
        "type": "order",
        "orderId": "8051813",
        "currency": "USD",
        "qty": 10,
        "filledQty": 0,
        "avgPrice": 0.0,
        "errorReason": "",
        "isCanceled": False,
        "isFilled": False,
        "isCompleted": False,
        "isCancelable": True,
    },
}


def install(app: FastAPI) -> None:
    """Has ``app`` tell of every route, also of those answered ahead of it."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title="brokerbus", version=__version__, description=_DESCRIPTION, routes=app.routes)
    _, schemas = msgspec.json.schema_components((*_STRUCTS, *v1.structs()), ref_template=_REF)
    components = made.setdefault("components", {})
    components.setdefault("schemas", {}).update({**schemas, "ApiResponse": _ENVELOPE, "Problem": problems.SCHEMA})
    components["securitySchemes"] = {
        "instanceToken": {
            "type": "apiKey",
            "in": "header",
            "name": "HT-TOKEN",
            "description": "A token of the instance.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the instance."},
    }
    for route in ROUTES:
        made["paths"][route.full_path("{instanceId}")] = {route.verb.lower(): _operation(route)}
    v1.add(made["paths"], _INSTANCE_ID, IDEMPOTENCY_KEY, _REF)
    return made


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["httptrading"],
        "summary": route.summary,
        "operationId": f"httptrading_{route.method}",
        "security": [{"instanceToken": []}],
        "parameters": [_INSTANCE_ID, *_PARAMETERS.get(route.method, ())],
        "responses": {
            "200": {"description": "The answer, or why there is none under `ex`.", "content": _content(_answer(route))},
            "404": {
                "description": "A wrong or missing instance, token or path; they all look the same.",
                "content": {"text/plain": {"example": "404: Not Found"}},
            },
        },
    }
    if route.method in _BODIES:
        operation["requestBody"] = {"required": True, "content": _content(_BODIES[route.method])}
    return operation


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    example = schema.pop("example")
    return {"application/json": {"schema": schema, "example": example}}


def _answer(route: Route) -> dict[str, Any]:
    """The envelope with the route's own members, which a failed answer does not have."""
    result = msgspec.json.schema_components([route.result], ref_template=_REF)[0][0]
    own = {"type": "object", "properties": {route.key: result}} if route.key else {**result}
    shown = {route.key: _RESULTS[route.method]} if route.key else _RESULTS[route.method]
    failed = {"type": "object", "properties": {"ex": {"type": "string"}}, "required": ["ex"]}
    return {
        "allOf": [{"$ref": _REF.format(name="ApiResponse")}, {"anyOf": [own, failed]}],
        "example": {**_EXAMPLE, **shown},
    }


def _query(name: str, description: str, example: str, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string"}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
        "example": example,
    }


_INSTANCE_ID = {
    "name": "instanceId",
    "in": "path",
    "required": True,
    "description": "The instance's id in the configuration.",
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z_]{16,32}$"},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The clientOrderId as a header: where both are sent they agree. A UUID is taken without its dashes.",
    "schema": {"type": "string", "maxLength": 38},
}
_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "quote": [
        _query("tradeType", "Securities, Indexes...; expected unless `contract` is given.", "Securities"),
        _query("region", "Two capital letters.", "US"),
        _query("symbol", "The symbol in its region; without a region, a spelling such as US.AAPL.", "AAPL"),
        _query("contract", "Instead of the three: US.AAPL, AAPL.US, HK.00700, 700.HK, SH.600519.", "US.AAPL"),
    ],
    "order": [_query("orderId", "The broker's id of the order.", "8051813", required=True)],
    "place_order": [IDEMPOTENCY_KEY],
}
_BODIES: dict[str, dict[str, Any]] = {
    "place_order": {
        "type": "object",
        "required": ["tradeType", "region", "symbol", "direction", "orderType", "timeInForce", "lifecycle", "qty"],
        "properties": {
            "tradeType": {"type": "string"},
            "region": {"type": "string"},
            "symbol": {"type": "string"},
            "direction": {"enum": ["BUY", "SELL"]},
            "orderType": {"enum": ["Limit", "Market"]},
            "timeInForce": {"enum": ["DAY", "GTC"]},
            "lifecycle": {"enum": ["RTH", "ETH", "OVERNIGHT"]},
            "qty": {"type": "number", "exclusiveMinimum": 0},
            "price": {
                "type": ["number", "string", "null"],
                "description": "A limit order's; a market order needs none.",
            },
            "clientOrderId": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,32}$"},
        },
        "example": _ORDER_BODY,
    },
    "cancel_order": {
        "type": "object",
        "required": ["orderId"],
        "properties": {"orderId": {"type": "string"}},
        "example": {"orderId": "8051813"},
    },
}
_ENVELOPE = {
    "type": "object",
    "required": ["type", "instanceId", "broker", "brokerDisplay", "time", "ex"],
    "properties": {
        "type": {"const": "apiResponse"},
        "instanceId": {"type": "string"},
        "broker": {"type": "string"},
        "brokerDisplay": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "ex": {"type": ["string", "null"], "description": "Null, or `code: what went wrong`."},
    },
}
_EXAMPLE = {
    "type": "apiResponse",
    "instanceId": "WyLqtMhDvAnBb6a3",
    "broker": "futu",
    "brokerDisplay": "富途证券",
    "time": "2026-11-21T09:30:00.000000+00:00",
    "ex": None,
}
