"""Bytes to requests and back: whatever arrives, the answer is a value or bad_request."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerbus import errors, limits, wire

GOOD = {"v": 1, "id": "7", "method": "quote", "params": {"contract": "US.AAPL"}, "deadline": 12.5, "caller": "me"}


def packed(**changes):
    return msgpack.packb({**GOOD, **changes})


def test_a_request_survives_the_wire():
    """What is encoded is decoded again, field by field."""
    request = wire.Request("7", "quote", {"contract": "US.AAPL"}, 12.5, "me", "trace-1")
    assert wire.decode_request(wire.encode_request(request)) == request


def test_unknown_fields_are_ignored():
    """A later protocol may add fields without breaking this one."""
    assert wire.decode_request(packed(colour="blue")).method == "quote"


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b"", ""),
        (b"\xc1", ""),
        (b"not msgpack at all", ""),
        (msgpack.packb([1, 2]), ""),
        (msgpack.packb({"v": 1}), ""),
        (packed(id=7), ""),
        (packed(v=2), "7"),
        (packed(v=True), "7"),
        (packed(method=None), "7"),
        (packed(params=[]), "7"),
        (packed(params=7), "7"),
        (packed(deadline="soon"), "7"),
        (packed(deadline=True), "7"),
        (packed(caller=7), "7"),
        (packed(trace="x" * 2000), "7"),
        (packed() + b"\xc0", ""),
        (packed(params={"x": float("nan")}), ""),
        (packed(params={"x": [float("inf")]}), ""),
        (packed(params={"x": msgpack.ExtType(5, b"x")}), ""),
        (packed(params={"x": msgpack.Timestamp(1)}), ""),
        (msgpack.packb({1: 2}), ""),
        (b"\x82\xa1v\x01\xa1v\x01", ""),
        (b"\x81\xa1v\xa2\xed\xa0", ""),
        (b"\xdd\xff\xff\xff\xff", ""),
        (b"\x91" * 2000 + b"\xc0", ""),
        (packed(params={"x": [{}] * (limits.MAX_CONTAINERS + 1)}), ""),
        (packed(params={"x": "y" * limits.MAX_BODY_BYTES}), ""),
    ],
)
def test_what_is_no_request_is_bad_request(body, request_id):
    """Each malformed body is one bad_request, with the request's id where it could be read."""
    with pytest.raises(wire.Unreadable) as raised:
        wire.decode_request(body)
    assert raised.value.request_id == request_id
    assert raised.value.code == "bad_request"


def test_nesting_is_bounded():
    """A value nested deeper than MAX_DEPTH is refused, one at the bound is not."""
    value = None
    for _ in range(limits.MAX_DEPTH - 2):
        value = [value]
    wire.decode_request(packed(params={"x": value}))
    with pytest.raises(wire.Unreadable, match="nested"):
        wire.decode_request(packed(params={"x": [[[value]]]}))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_decoders(body):
    """Random bytes end in BadRequest or a value, in every decoder."""
    for decode in (wire.decode_request, wire.decode_reply, wire.decode_push):
        try:
            decode(body)
        except wire.Unreadable:
            pass


@given(st.binary(max_size=40), st.integers(0, 60))
def test_a_damaged_request_breaks_nothing(damage, place):
    """A valid request with bytes overwritten anywhere is a request or a BadRequest."""
    body = bytearray(packed())
    body[place : place + len(damage)] = damage
    try:
        wire.decode_request(bytes(body))
    except wire.Unreadable:
        pass


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
def test_every_error_survives_the_wire(kind):
    """Code, message, retryAfter and detail of each error arrive as they were sent."""
    sent = kind("words", retry_after=1.5, detail={"code": "X"})
    got = wire.decode_reply(wire.encode_reply(wire.Reply("7", error=sent))).error
    assert type(got) is kind
    assert (got.message, got.retry_after, got.detail) == ("words", 1.5, {"code": "X"})


def test_an_unknown_code_is_internal():
    """A code of a later protocol does not pass for one that says 'not sent' on purpose."""
    body = msgpack.packb({"v": 1, "id": "7", "ok": False, "error": {"code": "new", "message": "m"}})
    assert wire.decode_reply(body).error.code == "internal"


def test_a_push_survives_the_wire():
    """Topic and body of a push, with and without cursor."""
    for cursor in (None, 9):
        push = wire.Push("i", "tick", "US.AAPL", 1, 2, 3, {"price": 1.5}, cursor)
        topic, body = wire.encode_push(push)
        assert topic == b"i/tick/US.AAPL/"
        assert wire.decode_push(body) == push
    assert wire.topic("i", "status") == "i/status//"


@pytest.mark.parametrize("message", ["x" * 3_000_000, "a vendor's \udce9 in no encoding"])
def test_an_error_keeps_its_code_whatever_its_words(message):
    """A page of HTML or a broken encoding in a vendor's words turns no 'maybe' into a 'no'."""
    error = errors.UnknownOutcome(message, detail={"code": object(), "list": [1, {2: 3}], "nan": float("nan")})
    got = wire.decode_reply(wire.encode_any_reply(wire.Reply("7", error=error))).error
    assert got.code == "unknown_outcome"
    assert 0 < len(got.message) <= errors.MAX_MESSAGE
