"""uvicorn's HTTP protocol with bounds: heads, bodies, pipelines and every wait for the client.

A connection is in one of these states; ``deadline`` says when its client has had time enough, and a
sweep closes those that are past it:

    head        first byte, or a new connection     HEAD_SECONDS      then closed
    body        headers complete                    BODY_SECONDS      then closed
    serving     it is our turn                      no deadline
    idle        answered, nothing more asked        KEEP_ALIVE_SECONDS
    refused     answered 4xx, input thrown away     LINGER_SECONDS    then cut
"""

import math
from asyncio import Transport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from brokerbus_front import limits, problems
from brokerbus_front.transport import Gathering


class BoundedProtocol(HttpToolsProtocol):
    """One connection whose client cannot take more memory or time than the limits say."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadline = math.inf
        self.idle = False
        self._refused = False
        self._in_message = False
        self._in_body = False
        self._overhead = 0
        self._chunk = 0
        self._body_bytes = 0
        self._stalled = math.inf

    # -- the connection ------------------------------------------------------------------------------
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(Transport, Gathering(transport, self.loop)))
        self._expect(limits.HEAD_SECONDS)
        if len(self.connections) > limits.MAX_CONNECTIONS and not self._make_room():
            self._refuse(503, "unavailable", f"{limits.MAX_CONNECTIONS} connections are open already")

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._chunk = len(data)
        self._overhead += self._chunk
        super().data_received(data)
        if self._overhead > limits.MAX_HEAD_BYTES and not self._refused:
            self._refuse(431, "bad_request", f"expected a head of at most {limits.MAX_HEAD_BYTES} bytes")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.time() + limits.SEND_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = math.inf

    def shutdown(self) -> None:
        """Also ends connections whose request has not arrived whole."""
        if self._in_message and self._may_answer():
            self.transport.close()
        else:
            super().shutdown()

    def sweep(self, now: float) -> None:
        """Closes the connection when its client's time is over, and cuts it when even that takes too long."""
        if now > self._stalled:
            self.transport.abort()
        elif now > self.deadline and self._awaits_client():
            if self._refused or self.transport.is_closing():
                self.transport.abort()
            else:
                self.transport.close()
                self._expect(limits.LINGER_SECONDS)

    # -- the parser's events -------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message, self._in_body, self._body_bytes = True, False, 0
        self.idle = False
        self._expect(limits.HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._refused:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        refusal = self._refusal()
        if refusal:
            self._refuse(*refusal)
            return
        self._expect(limits.BODY_SECONDS)
        super().on_headers_complete()
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        self._body_bytes += len(body)
        if self._refused:
            return
        if self._body_bytes > limits.MAX_BODY_BYTES:
            self._refuse_body()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        self._overhead, self.deadline = 0, math.inf
        self._in_message = self._in_body = False
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_message and self.cycle.response_complete:
            self._rest()

    def send_400_response(self, msg: str) -> None:
        if not self._refused:
            self._refuse(400, "bad_request", msg)

    # -- inside ----------------------------------------------------------------------------------------
    def _expect(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds

    def _rest(self) -> None:
        self.idle = True
        self._expect(limits.KEEP_ALIVE_SECONDS)

    def _awaits_client(self) -> bool:
        """Whether the next step is the client's: not while an answer is on its way or we do not read."""
        return self._refused or (self._no_answer_pending() and not self.flow.read_paused)

    def _no_answer_pending(self) -> bool:
        """False while the application works on a whole request of this connection."""
        return self._in_body or self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> bool:
        """Closes the connection that has been idle longest."""
        idle = (one for one in self.connections if isinstance(one, BoundedProtocol) and one.idle)
        oldest = min(idle, key=lambda one: one.deadline, default=None)
        if oldest is None:
            return False
        oldest.idle = False
        oldest.transport.close()
        return True

    def _refusal(self) -> tuple[int, str, str] | None:
        """Why this request is not served, as its head alone tells."""
        if max(self._overhead, self._chunk) > limits.MAX_HEAD_BYTES:  # may be: count what the head really is
            head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head > limits.MAX_HEAD_BYTES:
                return 431, "bad_request", f"expected a head of at most {limits.MAX_HEAD_BYTES} bytes"
        if len(self.pipeline) >= limits.MAX_PIPELINED:
            return 429, "rate_limited", f"expected at most {limits.MAX_PIPELINED} requests ahead of their answers"
        for name, value in self.headers:
            if name == b"content-length" and int(value) > limits.MAX_BODY_BYTES:
                return 413, "bad_request", f"expected a body of at most {limits.MAX_BODY_BYTES} bytes"
        return None

    def _refuse_body(self) -> None:
        self._refuse(413, "bad_request", f"expected a body of at most {limits.MAX_BODY_BYTES} bytes")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Takes nothing more from this client, and answers for the application.

        While an answer is on its way to an earlier request, an order perhaps, that one still goes out, and
        no refusal that could be taken for it.
        """
        self._refused = True
        if not self._no_answer_pending():
            self.cycle.keep_alive, self.deadline = False, math.inf
            return
        self._unset_keepalive_if_required()
        if self._may_answer():
            body = problems.body(status, code, detail)
            head = b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % (problems.MEDIA_TYPE.encode(), len(body)) + body)
        self._end()

    def _may_answer(self) -> bool:
        """Only where the client takes the refusal for the answer to the request that is refused."""
        if self.transport.is_closing() or self.pipeline or not self._no_answer_pending():
            return False
        return not self._in_body or not self.cycle.response_started

    def _end(self) -> None:
        """Says that no more is coming, and leaves the client some time to read what came."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self._expect(limits.LINGER_SECONDS)
        if self.transport.can_write_eof():
            self.transport.write_eof()
