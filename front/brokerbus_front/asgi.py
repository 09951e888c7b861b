"""Bodies in and answers out, for the routes that are served without FastAPI."""

from collections.abc import Sequence
from typing import NamedTuple

from starlette.types import Receive, Send

from brokerbus.errors import BadRequest
from brokerbus_front import limits

Header = tuple[bytes, bytes]


class Answer(NamedTuple):
    """One HTTP answer; its length is added when it is sent."""

    status: int
    headers: Sequence[Header]
    body: bytes


async def read_body(receive: Receive) -> bytes:
    """The body of a request; raises BadRequest when it is too large or cut."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("body: the connection was cut")
        body += bytes(message.get("body", b""))
        if len(body) > limits.ORDER_BODY_BYTES:
            raise BadRequest(f"body: expected at most {limits.ORDER_BODY_BYTES} bytes")
        if not message.get("more_body"):
            return body


async def respond(send: Send, status: int, headers: Sequence[Header], body: bytes) -> None:
    """Sends an answer whole."""
    length = (b"Content-Length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
