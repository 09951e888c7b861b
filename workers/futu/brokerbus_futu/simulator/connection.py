"""Speaks OpenD's protocol on one TCP connection, faithfully or with the fault that was asked for."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator

from . import frames
from .cipher import PlainCipher
from .codes import Proto, Refused
from .faults import Fault
from .frames import BadFrame, Frame

if TYPE_CHECKING:
    from .gateway import Gateway

logger = logging.getLogger("brokerbus_futu.simulator")

BYTE_PAUSE = 0.0005
"""Seconds between the bytes of a split frame: long enough for the client to read them one by one."""

PROMPT = frozenset({"", "delay_apply", "garbage", "half_frame", "bad_sha1", "split", "error_after"})
"""Faults (and none) under which something is sent right after applying."""


class Connection(asyncio.Protocol):
    """One client; its link is what OpenD remembers of it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._reader = frames.FrameReader()
        self._loop = asyncio.get_event_loop()
        self._push_serial = 0
        self._held: list[tuple[int, bytes]] = []
        self._slow: asyncio.Queue[bytes] | None = None
        self._cork: list[bytes] | None = None
        self._muted = False

    def connection_made(self, transport: Any) -> None:
        """Register, unless the connection is to be ignored."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.link = self._gateway.open_link(f"{peer[0]}:{peer[1]}")
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._muted = self._gateway.faults.for_connection(self.link.number) is not None
        self._gateway.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the link."""
        self._gateway.disconnected(self)

    def data_received(self, data: bytes) -> None:
        """Serve every whole frame; close on what cannot be understood."""
        if self._muted:
            return
        try:
            for frame in self._reader.feed(data):
                if self._transport.is_closing():
                    return
                self._request(frame)
        except BadFrame as error:
            logger.info("connection %d: %s", self.link.number, error)
            self._transport.close()

    def abort(self) -> None:
        """Cut at once, whatever is still to be sent."""
        self._transport.abort()

    def buffered(self) -> int:
        """Bytes the client has not taken yet."""
        size: int = self._transport.get_write_buffer_size()
        return size

    def _request(self, frame: Frame) -> None:
        gateway, number = self._gateway, self.link.number
        body = self._plaintext(frame)
        try:
            c2s = gateway.world.catalogue.parse(frame.proto, body)
        except Refused as refusal:
            gateway.evidence.request(frame.proto, frame.serial, number, None)
            self._answer(frame, gateway.world.catalogue.failed(frame.proto, str(refusal)))
            return
        gateway.evidence.request(frame.proto, frame.serial, number, c2s)
        fault = gateway.faults.for_request(frame.proto, number)
        if fault:
            logger.info("connection %d: %s on protocol %d", number, fault.kind, frame.proto)
        self._serve(frame, c2s, fault)

    def _plaintext(self, frame: Frame) -> bytes:
        if frame.format != 0:
            raise BadFrame(f"only protobuf bodies are understood, found format {frame.format}")
        body = self._init_body(frame) if frame.proto == Proto.INIT_CONNECT else self._decrypt(frame.body)
        if frames.sha1(body) != frame.digest:
            raise BadFrame(f"digest of protocol {frame.proto} does not fit its plaintext: wrong key, or not encrypted")
        return body

    def _decrypt(self, body: bytes) -> bytes:
        try:
            return self.link.cipher.decrypt(body)
        except ValueError as error:
            raise BadFrame(f"expected an encrypted body: {error}") from None

    def _init_body(self, frame: Frame) -> bytes:
        key = self._gateway.key
        plain = frames.sha1(frame.body) == frame.digest
        self.link.rsa = key is not None and not plain
        if key is None or plain:
            if key is not None and self._gateway.options.refuse_plain:
                raise BadFrame("expected an encrypted InitConnect")
            return frame.body
        try:
            return key.decrypt(frame.body)
        except ValueError as error:
            raise BadFrame(f"InitConnect: {error}") from None

    def _serve(self, frame: Frame, c2s: Any, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        if kind == "drop_before":
            self.abort()
        elif kind == "die_before":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "error" and fault:
            self._answer(frame, self._gateway.world.catalogue.failed(frame.proto, fault.message))
        elif kind == "delay_apply" and fault:
            self._loop.call_later(fault.seconds, self._apply, frame, c2s, fault)
        elif kind != "swallow":
            self._apply(frame, c2s, fault)

    def _apply(self, frame: Frame, c2s: Any, fault: Fault | None) -> None:
        gateway, kind = self._gateway, fault.kind if fault else ""
        response = gateway.apply(self.link, frame.proto, c2s)
        if kind == "die_after":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "drop_after":
            self.abort()
        if gateway.options.push_before_answer or kind not in PROMPT:
            gateway.pusher.flush()
        if kind == "delay" and fault:
            self._loop.call_later(fault.seconds, self._answer, frame, response)
        elif kind in PROMPT:
            self._answer(frame, response, fault)
        gateway.pusher.flush()

    def _answer(self, frame: Frame, response: Any, fault: Fault | None = None) -> None:
        if self._transport.is_closing():
            return
        if fault and fault.kind == "error_after":
            response = self._gateway.world.catalogue.failed(frame.proto, fault.message)
        body: bytes = response.SerializeToString()
        digest = frames.sha1(body)
        if fault and fault.kind == "bad_sha1":
            digest = bytes(byte ^ 0xFF for byte in digest)
        packed = frames.pack(frame.proto, frame.serial, self._encrypt(frame.proto, body), digest)
        self._send_faulty(packed, fault)

    def _encrypt(self, proto: int, body: bytes) -> bytes:
        if proto != Proto.INIT_CONNECT:
            return self.link.cipher.encrypt(body)
        if self.link.next_cipher:
            self.link.cipher, self.link.next_cipher = self.link.next_cipher, None
        key: Any = self._gateway.key if self.link.rsa else PlainCipher()
        encrypted: bytes = key.encrypt(body)
        return encrypted

    def _send_faulty(self, packed: bytes, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        if kind == "garbage" and fault:
            self._send(os.urandom(fault.count))
        elif kind == "half_frame":
            self._send(packed[: len(packed) // 2])
            self._transport.close()
        elif kind == "split":
            self._slow = self._slow or self._start_slow()
            self._send(packed)
        else:
            self._send(packed)

    def _send(self, packed: bytes) -> None:
        if self._slow:
            self._slow.put_nowait(packed)
        elif self._cork is not None:
            self._cork.append(packed)
        elif not self._transport.is_closing():
            self._transport.write(packed)

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Collect what is sent within, and write it at once."""
        self._cork = []
        try:
            yield
        finally:
            collected, self._cork = b"".join(self._cork), None
            if collected and not self._transport.is_closing():
                self._transport.write(collected)

    def _start_slow(self) -> asyncio.Queue[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._loop.create_task(self._drip(queue))
        return queue

    async def _drip(self, queue: asyncio.Queue[bytes]) -> None:
        # Frames that follow wait in the queue, or their bytes would end up inside the split one.
        await asyncio.sleep(0)
        while not queue.empty() and not self._transport.is_closing():
            for byte in queue.get_nowait():
                self._transport.write(bytes([byte]))
                await asyncio.sleep(BYTE_PAUSE)
        self._slow = None

    def random_bytes(self, count: int) -> None:
        """Send rubbish, unasked."""
        self._send(os.urandom(count))

    def push(self, proto: int, body: bytes) -> None:
        """Send a push, or do with it what a fault says."""
        fault = self._gateway.faults.for_push(proto, self.link.number)
        kind = fault.kind if fault else ""
        if kind == "delay_push" and fault:
            self._loop.call_later(fault.seconds, self._push_now, proto, body)
        elif kind == "reorder_push" and fault:
            self._held.append((proto, body))
            self._loop.call_later(fault.seconds, self._release)
        elif kind != "suppress_push":
            self._push_now(proto, body)
            if kind == "duplicate_push":
                self._push_now(proto, body)
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for proto, body in held:
            self._push_now(proto, body)

    def _push_now(self, proto: int, body: bytes) -> None:
        self._push_serial += 1
        digest = frames.sha1(body)
        self._send(frames.pack(proto, self._push_serial, self.link.cipher.encrypt(body), digest))
