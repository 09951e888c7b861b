"""Bytes to requests, replies and pushes, and back; knows no socket.

Protocol version 1: one msgpack map per body. Whatever a peer sends, decoding ends in a value or in
:class:`BadRequest`: sizes, depth, duplicate keys, ext types and non-finite numbers are checked here,
so that nothing after this module has to.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import msgpack

from brokerbus import PROTOCOL, limits
from brokerbus.errors import BadRequest, BusError, InternalError

_PLAIN = (str, bool, int, type(None))


class Request(NamedTuple):
    """One call. ``deadline`` is this host's CLOCK_MONOTONIC in seconds."""

    id: str
    method: str
    params: Mapping[str, Any]
    deadline: Optional[float] = None
    caller: str = ""
    trace: str = ""


class Reply(NamedTuple):
    """The one answer to a call: a result, or an error."""

    id: str
    result: Any = None
    error: Optional[BusError] = None

    def value(self) -> Any:
        """The result; raises the error that the reply carries."""
        if self.error is not None:
            raise self.error
        return self.result


class Push(NamedTuple):
    """One message on a worker's PUB socket; ``ts`` is Unix ns, ``cursor`` only on ``order`` and ``fill``."""

    instance: str
    kind: str
    subject: str
    epoch: int
    seq: int
    ts: int
    data: Dict[str, Any]
    cursor: Optional[int] = None

    @property
    def topic(self) -> str:
        return topic(self.instance, self.kind, self.subject)


class Unreadable(BadRequest):
    """A body that is no valid request; ``request_id`` is its id where that much could be read."""

    def __init__(self, message: str, request_id: str = "") -> None:
        super().__init__(message)
        self.request_id = request_id


def topic(instance: str, kind: str, subject: str = "") -> str:
    """``<instance>/<kind>/<subject>/``: the closing slash keeps US.A from matching US.AAPL."""
    return f"{instance}/{kind}/{subject}/"


def encode_request(request: Request) -> bytes:
    """The body of a request; ``deadline``, ``caller`` and ``trace`` are left out when empty."""
    body: Dict[str, Any] = {"v": PROTOCOL, "id": request.id, "method": request.method, "params": request.params}
    if request.deadline is not None:
        body["deadline"] = request.deadline
    if request.caller:
        body["caller"] = request.caller
    if request.trace:
        body["trace"] = request.trace
    return _pack(body)


def decode_request(body: bytes) -> Request:
    """The request in a body; raises Unreadable, with the id when it has one."""
    fields = _unpack_map(body)
    get = fields.get
    request_id, method, params, deadline = get("id"), get("method"), get("params"), get("deadline")
    if not isinstance(request_id, str) or len(request_id) > limits.MAX_TEXT:
        raise Unreadable(f"id: expected text, found {type(request_id).__name__}")
    _expect_version(fields, request_id)
    if not isinstance(method, str):
        raise Unreadable(f"method: expected text, found {type(method).__name__}", request_id)
    if params is None:
        params = {}
    elif not isinstance(params, dict):
        raise Unreadable(f"params: expected a map, found {type(params).__name__}", request_id)
    if deadline is not None and deadline.__class__ is not float:
        if isinstance(deadline, bool) or not isinstance(deadline, int):
            raise Unreadable(f"deadline: expected seconds, found {type(deadline).__name__}", request_id)
        deadline = float(deadline)
    caller, trace = _text(fields, "caller", request_id), _text(fields, "trace", request_id)
    return Request(request_id, method, params, deadline, caller, trace)


def _text(fields: Mapping[str, Any], name: str, request_id: str) -> str:
    text = fields.get(name)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > limits.MAX_TEXT:
        raise Unreadable(f"{name}: expected text of at most {limits.MAX_TEXT} characters", request_id)
    return text


def encode_reply(reply: Reply) -> bytes:
    """The body of a reply."""
    if reply.error is not None:
        return _pack({"v": PROTOCOL, "id": reply.id, "ok": False, "error": reply.error.to_map()})
    return _pack({"v": PROTOCOL, "id": reply.id, "ok": True, "result": reply.result})


def encode_any_reply(reply: Reply) -> bytes:
    """The body of a reply, or of an ``internal`` error where its result is too big or of a strange type."""
    try:
        body = encode_reply(reply)
        if len(body) <= limits.MAX_BODY_BYTES:
            return body
        reason = f"the answer has {len(body)} bytes, the bus carries {limits.MAX_BODY_BYTES}"
    except (TypeError, ValueError, OverflowError) as error:
        reason = f"the answer cannot be encoded: {type(error).__name__}"
    return encode_reply(Reply(reply.id, error=InternalError(reason)))


def decode_reply(body: bytes) -> Reply:
    """The reply in a body; raises Unreadable when it is none."""
    fields = _unpack_map(body)
    request_id, ok, error = fields.get("id"), fields.get("ok"), fields.get("error")
    if not isinstance(request_id, str) or not isinstance(ok, bool):
        raise Unreadable("a reply needs a text id and a boolean ok")
    _expect_version(fields, request_id)
    if ok:
        return Reply(request_id, fields.get("result"))
    return Reply(request_id, error=BusError.from_map(error if isinstance(error, dict) else {}))


def encode_push(push: Push) -> Tuple[bytes, bytes]:
    """The two frames of a push: topic, body."""
    body: Dict[str, Any] = {
        "v": PROTOCOL,
        "instance": push.instance,
        "kind": push.kind,
        "subject": push.subject,
        "epoch": push.epoch,
        "seq": push.seq,
        "ts": push.ts,
        "data": push.data,
    }
    if push.cursor is not None:
        body["cursor"] = push.cursor
    return push.topic.encode(), _pack(body)


def decode_push(body: bytes) -> Push:
    """The push in a body; raises Unreadable when it is none."""
    fields = _unpack_map(body)
    _expect_version(fields, "")
    expected = (
        ("instance", str),
        ("kind", str),
        ("subject", str),
        ("epoch", int),
        ("seq", int),
        ("ts", int),
        ("data", dict),
    )
    for name, kind in expected:
        if not isinstance(fields.get(name), kind):
            raise Unreadable(f"{name}: expected {kind.__name__}, found {type(fields.get(name)).__name__}")
    named = {name: fields[name] for name, _ in expected}
    return Push(cursor=fields.get("cursor"), **named)


def unpack(body: bytes) -> Any:
    """Any msgpack value under the bus's limits; raises Unreadable."""
    if len(body) > limits.MAX_BODY_BYTES:
        raise Unreadable(f"a body of {len(body)} bytes: at most {limits.MAX_BODY_BYTES} are read")
    try:
        if len(body) <= limits.MAX_CONTAINERS:  # each container takes a byte: these cannot be too many
            value = msgpack.unpackb(body, object_pairs_hook=_map, ext_hook=_no_ext)
        else:
            guard = _Guard()
            value = msgpack.unpackb(body, object_pairs_hook=guard.map, list_hook=guard.list, ext_hook=_no_ext)
    except Unreadable:
        raise
    except UnicodeDecodeError:
        raise Unreadable("text that is not UTF-8") from None
    except RecursionError:
        raise Unreadable("nested too deep") from None
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise Unreadable(f"not one msgpack map: {type(error).__name__}") from None
    check_plain(value)
    return value


def check_plain(value: Any, depth: int = 0) -> None:
    """Raises Unreadable unless ``value`` is made of maps, lists, text, booleans, null and finite numbers."""
    kind = value.__class__
    if kind in _PLAIN:
        return
    if kind is float:
        if not math.isfinite(value):
            raise Unreadable("NaN and Infinity are not numbers here")
    elif depth >= limits.MAX_DEPTH:
        raise Unreadable(f"nested deeper than {limits.MAX_DEPTH}")
    elif kind is dict:
        for item in value.values():
            if item.__class__ not in _PLAIN:
                check_plain(item, depth + 1)
    elif kind is list:
        for item in value:
            if item.__class__ not in _PLAIN:
                check_plain(item, depth + 1)
    elif kind is not bytes:
        raise Unreadable(f"{kind.__name__} is no type of this protocol")


def _map(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Unreadable("a map names the same key twice")
    return made


class _Guard:
    """Counts containers while msgpack builds them."""

    def __init__(self) -> None:
        self._containers = 0

    def map(self, pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        self._count()
        return _map(pairs)

    def list(self, items: List[Any]) -> List[Any]:
        self._count()
        return items

    def _count(self) -> None:
        self._containers += 1
        if self._containers > limits.MAX_CONTAINERS:
            raise Unreadable(f"more than {limits.MAX_CONTAINERS} maps and lists")


def _no_ext(code: int, data: bytes) -> Any:
    raise Unreadable(f"ext type {code} is no type of this protocol")


def _pack(body: Mapping[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(body, use_bin_type=True)
    return packed


def _unpack_map(body: bytes) -> Dict[str, Any]:
    fields = unpack(body)
    if not isinstance(fields, dict):
        raise Unreadable(f"expected a map, found {type(fields).__name__}")
    return fields


def _expect_version(fields: Mapping[str, Any], request_id: str) -> None:
    version = fields.get("v")
    if version.__class__ is not int or version != PROTOCOL:
        raise Unreadable(f"v: expected {PROTOCOL}, found {version!r:.20}", request_id)
