"""JSON as the standards have it: no NaN, no Infinity, no number out of range, no key twice, no lone surrogate."""

import json
from typing import Any

import msgspec

from brokerbus import wire
from brokerbus.errors import BadRequest

_DECODE = msgspec.json.Decoder().decode


def decode_object(body: bytes) -> dict[str, Any]:
    """The one JSON object in ``body``; raises BadRequest.

    msgspec refuses everything named above but duplicate keys; for those the standard library reads the
    same bytes once more.
    """
    try:
        found = _DECODE(body)
        json.loads(body, object_pairs_hook=_refuse_duplicates)
    except RecursionError:
        raise BadRequest("body: nested too deep") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadRequest(f"body: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"body: expected a JSON object, found {type(found).__name__}")
    wire.check_plain(found)
    return found


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise BadRequest("body: an object names the same key twice")
