"""Errors as RFC 9457 problem details, with the bus's ``code``."""

import json
import math
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from brokerbus.errors import BusError, Conflict
from brokerbus_front import limits
from brokerbus_front.asgi import Answer, Header
from brokerbus_front.errand import OTHER_CONTENT

MEDIA_TYPE = "application/problem+json"

_CODES = {404: "not_found", 405: "unknown_method", 503: "unavailable"}

SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "info": {
            "type": "object",
            "description": "What more is known: of a conflict its reason, of a rejection its code.",
        },
        "clientOrderId": {"type": "string", "description": "Of an order: ask again under the same one."},
    },
}
"""What /openapi.json tells of a problem."""


def body(status: int, code: str, detail: str, **members: Any) -> bytes:
    """A problem; its type is about:blank, so its title is the status's own."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return json.dumps({**problem, **members}).encode()


def response(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """A problem as an answer."""
    return Response(body(status, code, detail, **members), status, headers, MEDIA_TYPE)


def answer(error: BusError, headers: Sequence[Header] = (), **members: Any) -> Answer:
    """An error of the bus as a problem; its detail, if it has one, stands under ``info``."""
    info = _plain(error.detail)
    if info:
        members["info"] = info
    status = status_of(error)
    kind = (b"Content-Type", MEDIA_TYPE.encode())
    return Answer(status, (kind, *headers, *_retry_after(error)), body(status, error.code, error.message, **members))


def status_of(error: BusError) -> int:
    """The HTTP status of an error: its code's, but a clientOrderId that stands for another order is 422."""
    if isinstance(error, Conflict) and error.detail.get("reason") == OTHER_CONTENT:
        return 422
    return error.http_status


def _plain(detail: dict[str, Any]) -> Any:
    """A worker's detail as JSON has it; what JSON cannot carry is left out."""
    try:
        return msgspec.json.decode(msgspec.json.encode(detail))
    except (TypeError, ValueError, RecursionError):
        return None


def _retry_after(error: BusError) -> Iterator[Header]:
    """Whole seconds, at least one; nothing for what is no time."""
    seconds = error.retry_after
    if seconds is not None and math.isfinite(seconds):
        yield b"Retry-After", b"%d" % max(1, min(limits.RETRY_AFTER_MOST_SECONDS, math.ceil(seconds)))


def install(app: FastAPI) -> None:
    """Has every error of ``app`` answered as a problem."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(BusError, _bus)
    app.add_exception_handler(Exception, _defect)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    return response(error.status_code, code, str(error.detail), dict(error.headers or {}))


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return response(400, "bad_request", f"{field}: {first['msg']}")


async def _bus(request: Request, error: Exception) -> Response:
    assert isinstance(error, BusError)
    made = answer(error)
    headers = {name.decode(): value.decode() for name, value in made.headers}
    return Response(made.body, made.status, headers)


async def _defect(request: Request, error: Exception) -> Response:
    return response(500, "internal", "a defect of the front; its log tells which")
