"""Errors as RFC 9457 problem details, with the bus's ``code``."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from brokerbus.errors import BusError

MEDIA_TYPE = "application/problem+json"

_CODES = {404: "not_found", 405: "unknown_method", 503: "unavailable"}


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
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, round(error.retry_after)))}
    return response(error.http_status, error.code, error.message, headers)


async def _defect(request: Request, error: Exception) -> Response:
    return response(500, "internal", "a defect of the front; its log tells which")
