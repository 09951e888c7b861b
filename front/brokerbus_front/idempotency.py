"""The clientOrderId of a request: the body's member and the Idempotency-Key header are the same thing."""

import re
from collections.abc import Iterable
from typing import Any

from brokerbus.errors import BadRequest

HEADER = b"idempotency-key"

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def client_order_id(headers: Iterable[tuple[bytes, bytes]], given: Any) -> Any:
    """What the caller calls its order, unchecked; None when it does not say. ``given`` is the body's.

    Raises BadRequest when header and body, or two headers, differ.
    """
    keys = {_meant(value.decode("latin-1")) for name, value in headers if name == HEADER}
    if given is not None:
        keys.add(given if isinstance(given, str) else repr(given))
    if len(keys) > 1:
        raise BadRequest("clientOrderId: expected one, found another in Idempotency-Key")
    return given if given is not None or not keys else keys.pop()


def _meant(key: str) -> str:
    """A header's value as a clientOrderId: without the quotes of RFC 9651, a UUID without its dashes.

    A UUID has 36 characters, the tag fields of the vendors 32. The same key is always the same clientOrderId.
    """
    key = key.strip(" \t")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    return key.replace("-", "") if _UUID.fullmatch(key) else key
