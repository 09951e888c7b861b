"""The errors of the bus: one table of codes, and what each says about an order.

BusError
├── BadRequest          bad_request      parameters do not fit; the message names the field
├── UnknownMethod       unknown_method   no such method
├── Unsupported         unsupported      this broker cannot
├── NotFound            not_found        no such order, symbol, instance
├── Rejected            rejected         the broker said no, in its own words
├── RateLimited         rate_limited     a vendor's or a key's limit; retry_after is set
├── Conflict            conflict         the clientOrderId is in flight, or stands for another content
├── Halted              halted           trading is halted
├── Unavailable         unavailable      worker or broker session down: nothing went out
├── Expired             expired          the deadline passed before the request was started
├── UnknownOutcome      unknown_outcome  sent, and nothing proves what became of it
└── InternalError       internal         a defect of ours
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Dict, Mapping, Optional, Type

from brokerbus.redact import clean

MAX_MESSAGE = 2_000
"""Characters of a message; a vendor's page of HTML ends there."""

MAX_DETAILS = 100
"""Items of a list in a detail."""

NOT_SENT = "not_sent"
REFUSED = "refused"
MAYBE = "maybe"


class BusError(Exception):
    """An answer that is not a result.

    ``outcome`` tells what the error proves about an order: ``not_sent`` (no order went out through
    this request), ``refused`` (the broker said no) or ``maybe``. ``http_status`` is the status on the
    surfaces that answer RFC 9457.
    """

    code: ClassVar[str] = "internal"
    outcome: ClassVar[str] = NOT_SENT
    http_status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, retry_after: Optional[float] = None, detail: Optional[Mapping[str, Any]] = None
    ) -> None:
        super().__init__(message)
        self.message = _text(message)
        self.retry_after = retry_after
        self.detail: Dict[str, Any] = {str(name): _plain(value) for name, value in (detail or {}).items()}

    def to_map(self) -> Dict[str, Any]:
        """The ``error`` map of a reply."""
        error: Dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retry_after is not None:
            error["retryAfter"] = self.retry_after
        if self.detail:
            error["detail"] = self.detail
        return error

    @staticmethod
    def from_map(error: Mapping[str, Any]) -> BusError:
        """The error that an ``error`` map stands for; an unknown code becomes ``internal``."""
        kind = BY_CODE.get(str(error.get("code")), InternalError)
        retry_after = error.get("retryAfter")
        detail = error.get("detail")
        return kind(
            str(error.get("message", "")),
            retry_after=float(retry_after) if isinstance(retry_after, (int, float)) else None,
            detail=detail if isinstance(detail, dict) else None,
        )


def _text(value: object) -> str:
    """Text that every codec carries, cut where nobody reads on: it may be a vendor's, in any encoding."""
    return clean(str(value)[:MAX_MESSAGE].encode("utf-8", "replace").decode())


def _plain(value: object) -> Any:
    """A detail as the wire carries it; what only an SDK understands becomes its text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value.bit_length() < 64):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)) and len(value) <= MAX_DETAILS:
        return [_plain(item) if not isinstance(item, (list, tuple, dict)) else _text(item) for item in value]
    return _text(value)


class BadRequest(BusError):
    """Parameters do not fit; the message names the field and what was expected."""

    code = "bad_request"
    http_status = 400


class UnknownMethod(BusError):
    """No method of that name."""

    code = "unknown_method"
    http_status = 404


class Unsupported(BusError):
    """A method of the bus that this broker cannot do."""

    code = "unsupported"
    http_status = 501


class NotFound(BusError):
    """No such order, symbol or instance."""

    code = "not_found"
    http_status = 404


class Rejected(BusError):
    """The broker's definitive no: its words in the message, its code in ``detail``."""

    code = "rejected"
    outcome = REFUSED
    http_status = 422


class RateLimited(BusError):
    """A limit of the vendor's or of a key; ``retry_after`` is in seconds."""

    code = "rate_limited"
    http_status = 429


class Conflict(BusError):
    """The clientOrderId is in flight (409) or stands for another content (422); ``detail`` says which."""

    code = "conflict"
    http_status = 409


class Halted(BusError):
    """Trading is halted on this instance."""

    code = "halted"
    http_status = 423


class Unavailable(BusError):
    """The worker or the broker's session is down; nothing went out."""

    code = "unavailable"
    http_status = 503


class Expired(BusError):
    """The deadline passed before the request was started."""

    code = "expired"
    http_status = 504


class UnknownOutcome(BusError):
    """Sent, and nothing proves what became of it: an order may exist."""

    code = "unknown_outcome"
    outcome = MAYBE
    http_status = 504


class InternalError(BusError):
    """A defect of ours; the message holds no secret and no stack trace."""


BY_CODE: Dict[str, Type[BusError]] = {
    kind.code: kind
    for kind in (
        BadRequest,
        UnknownMethod,
        Unsupported,
        NotFound,
        Rejected,
        RateLimited,
        Conflict,
        Halted,
        Unavailable,
        Expired,
        UnknownOutcome,
        InternalError,
    )
}
