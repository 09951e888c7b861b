"""Bodies that only look like JSON: one answer with ex, never a 5xx, and nothing reaches the worker (S5)."""

import json

import pytest
from front_support import Front
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_httptrading import ORDER

from brokerbus.errors import BadRequest
from brokerbus_front import limits
from brokerbus_front.strict_json import decode_object

GOOD = json.dumps(ORDER).encode()


def body(name: str, value: bytes) -> bytes:
    """A good order in which one member's value is replaced by raw bytes."""
    old = json.dumps(ORDER[name]).encode()
    return GOOD.replace(b'"%s": %s' % (name.encode(), old), b'"%s": %s' % (name.encode(), value))


BAD = {
    "NaN": body("price", b"NaN"),
    "Infinity": body("price", b"-Infinity"),
    "out of range": body("price", b"1e400"),
    "out of range, unused": GOOD[:-1] + b', "x": [1e400]}',
    "duplicate": GOOD[:-1] + b', "qty": 2}',
    "duplicate, escaped": GOOD[:-1] + rb', "q\u0074y": 2}',
    "duplicate, nested": GOOD[:-1] + b', "x": [{"a": 1, "a": 1}]}',
    "surrogate": body("symbol", rb'"\ud800"'),
    "surrogate, unused": GOOD[:-1] + rb', "x": "\udc00"}',
    "surrogate as key": GOOD[:-1] + rb', "\ud800": 1}',
    "raw surrogate": GOOD[:-1] + b', "x": "\xed\xa0\x80"}',
    "not UTF-8": GOOD[:-1] + b', "x": "\xff"}',
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "5,000 digits": body("qty", b"1" * 5000),
    "5,000 digits, unused": GOOD[:-1] + b', "x": ' + b"1" * 5000 + b"}",
    "5,000 decimals": body("price", b"1." + b"1" * 5000 + b"e999"),
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep maps": b'{"a":' * 100_000,
    "deeper than the bus": GOOD[:-1] + b', "x": ' + b"[" * 40 + b"]" * 40 + b"}",
    "too large": GOOD[:-1] + b', "x": "' + b"x" * limits.ORDER_BODY_BYTES + b'"}',
    "many lists": GOOD[:-1] + b', "x": [' + b"[]," * 300_000 + b"[]]}",
    "bool as int": body("qty", b"true"),
    "negative zero": body("price", b"-0.0"),
    "qty 1e18": body("qty", b"1e18"),
    "control character": body("symbol", b'"A\x00B"'),
    "escaped control character": body("symbol", rb'"A\u0000B"'),
    "trailing": GOOD + b"{}",
    "truncated": GOOD[:-1],
    "comment": GOOD[:-1] + b"/**/}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "a list": b"[" + GOOD + b"]",
    "a string": b'"x"',
    "a number": b"5",
    "null": b"null",
    "nothing": b"",
    "spaces": b"   ",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies(front: Front, name: str) -> None:
    """A body that is not strict JSON, or not an order, is answered with ex and reaches no worker."""
    before = len(front.seen())
    answer = front.post("order/place", BAD[name])
    assert answer["ex"].startswith("bad_request: "), answer
    assert "orderId" not in answer
    assert len(front.seen()) == before


def test_the_content_type_does_not_matter(front: Front) -> None:
    """aiohttp's request.json() reads a body of any type, so do we."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "image/png"):
        assert front.post("order/place", GOOD, headers={"Content-Type": kind})["orderId"] == "o1"


ODD_NUMBERS = st.sampled_from(
    [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999", b"01", b"+1", b"1.", b".5", b"0x1"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def reference(text: bytes) -> object:
    """What the standard library makes of a text, once everything that it is lax about is ruled out."""

    def pairs(found: list) -> dict:
        if len({name for name, _ in found}) != len(found):
            raise ValueError("duplicate")
        return dict(found)

    def constant(name: str) -> None:
        raise ValueError(name)

    found = json.loads(text.decode(), object_pairs_hook=pairs, parse_constant=constant)
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    return found


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_sound_objects_are_read_as_the_standard_library_reads_them(value: dict) -> None:
    """Whatever valid object comes, it is read as json.loads reads it or refused, never read differently."""
    text = json.dumps(value).encode()
    try:
        expected = reference(text)
    except ValueError:
        with pytest.raises(BadRequest):
            decode_object(text)
        return
    try:
        assert decode_object(text) == expected
    except BadRequest:
        assert any(len(digits) > 300 for digits in text.decode().split()), "only absurd numbers may be refused"


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=60) | st.builds(lambda number: b'{"a":' + number + b"}", ODD_NUMBERS))
def test_garbage_is_refused_and_nothing_else_is_raised(text: bytes) -> None:
    """Random bytes and odd numbers end in BadRequest, or in what json.loads would read too."""
    try:
        found = decode_object(text)
    except BadRequest:
        return
    assert found == reference(text)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*ORDER, "clientOrderId"]), value=VALUES)
def test_any_value_anywhere_gets_one_answer(front: Front, name: str, value: object) -> None:
    """An order with any JSON value in any member is answered 200: placed, or refused as a bad request."""
    answer = front.post("order/place", json.dumps({**ORDER, name: value}).encode())
    assert answer["ex"] is None or answer["ex"].startswith("bad_request: ")
    assert ("orderId" in answer) == (answer["ex"] is None)
