"""Requests and replies of the bus through msgspec: the fast twin of brokerbus.wire."""

from typing import Any, Literal, TypeVar

import msgspec

from brokerbus import PROTOCOL, wire
from brokerbus.errors import BusError, InternalError
from brokerbus.wire import Reply, Unreadable
from brokerbus_front import limits

Result = TypeVar("Result")


class _Request(msgspec.Struct):
    v: int
    id: str
    method: str
    params: Any
    deadline: float


class _Reply(msgspec.Struct):
    v: Literal[1]
    id: str
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    error: dict[str, Any] | None = None


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Reply).decode


def encode_request(request_id: str, method: str, params: object, deadline: float) -> bytes:
    """The body of a request."""
    return _ENCODE(_Request(PROTOCOL, request_id, method, params, deadline))


def decode_reply(body: bytes) -> Reply:
    """The reply in a body, its result left in msgpack; raises Unreadable."""
    if len(body) > limits.GUARDED_REPLY_BYTES:
        wire.decode_reply(body)
    try:
        found = _DECODE(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not a reply: {error}") from None
    if found.ok:
        return Reply(found.id, found.result)
    return Reply(found.id, error=BusError.from_map(found.error or {}))


def decode_result(decoder: msgspec.msgpack.Decoder[Result], result: msgspec.Raw) -> Result:
    """A reply's result as the type of ``decoder``; a worker's answer is not trusted to fit."""
    try:
        return decoder.decode(result)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InternalError(f"the worker's answer does not fit: {error}") from None
