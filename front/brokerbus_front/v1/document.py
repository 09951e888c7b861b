"""What /openapi.json tells of /v1: the routes of the table that serves them."""

from typing import Any

import msgspec

from brokerbus_front import problems
from brokerbus_front.v1.members import Body, Query
from brokerbus_front.v1.routes import ONE, ROUTES, Route

_REASONS = {
    400: "A parameter or a member does not fit, or is unknown; the detail names it.",
    401: "No valid token; the same for every path.",
    404: "No such path, instance or order, or none that this token opens.",
    409: "An order of this clientOrderId is in flight.",
    422: "Refused by the broker, or the clientOrderId stands for another order: `code` tells which.",
    423: "Trading is halted.",
    429: "Too much asked for; Retry-After tells when.",
    500: "A defect of ours.",
    501: "This broker cannot.",
    503: "The worker or the broker's session is down; nothing went out.",
    504: "`expired`: nothing went out. `unknown_outcome`: it may have; `clientOrderId` or the order's state tells.",
}
_WRITES_ALONE = frozenset((409, 423))
_ORDER_ID = {
    "name": "orderId",
    "in": "path",
    "required": True,
    "description": "The broker's id of the order.",
    "schema": {"type": "string", "minLength": 1},
    "example": "8051813",
}


def structs() -> list[Any]:
    """Every type that a route answers with."""
    return [route.result for route in ROUTES]


def add(paths: dict[str, Any], instance_id: dict[str, Any], idempotency_key: dict[str, Any], ref: str) -> None:
    """Adds the routes to the document's paths; ``ref`` is where it keeps its schemas."""
    for route in ROUTES:
        parameters = [_query(one) for one in route.query]
        if route.path.endswith("{orderId}"):
            parameters.insert(0, _ORDER_ID)
        if route.path.startswith(ONE):
            parameters.insert(0, instance_id)
        if route.method == "place_order":
            parameters.append(idempotency_key)
        paths.setdefault(route.path, {})[route.verb.lower()] = _operation(route, parameters, ref)


def _operation(route: Route, parameters: list[dict[str, Any]], ref: str) -> dict[str, Any]:
    schema = msgspec.json.schema_components([route.result], ref_template=ref)[0][0]
    success: dict[str, Any] = {
        "description": "The answer.",
        "content": {"application/json": {"schema": schema, "example": route.example}},
    }
    if route.status == 201:
        success["headers"] = {"Location": {"description": "The order.", "schema": {"type": "string"}}}
    operation: dict[str, Any] = {
        "tags": ["v1"],
        "summary": route.summary,
        "operationId": f"v1_{route.method}",
        "security": [{"bearer": []}],
        "parameters": parameters,
        "responses": {str(route.status): success, **_problems(route, ref.format(name="Problem"))},
    }
    if route.body is not None:
        operation["requestBody"] = _body(route.body)
    return operation


def _problems(route: Route, schema: str) -> dict[str, Any]:
    return {
        str(status): {"description": reason, "content": {problems.MEDIA_TYPE: {"schema": {"$ref": schema}}}}
        for status, reason in _REASONS.items()
        if route.writes or status not in _WRITES_ALONE
    }


def _query(one: Query) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.name, "in": "query", "required": one.required, "description": one.about}
    example = {"example": one.example} if one.example else {}
    return {**told, "schema": {"type": "string"}, **example}


def _body(body: Body) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": body.members, "additionalProperties": False}
    if body.required:
        schema["required"] = list(body.required)
    return {
        "required": body.needed,
        "content": {"application/json": {"schema": schema, "example": body.example}},
    }
