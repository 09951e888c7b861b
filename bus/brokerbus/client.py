"""Asks workers: an asyncio client and a blocking one, both with a deadline, an id, and no blind resend."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Union

import zmq
from zmq.utils.monitor import recv_monitor_message

from brokerbus import frames, limits, wire
from brokerbus.broker import WRITES
from brokerbus.errors import BusError, Expired, RateLimited, Unavailable, UnknownOutcome
from brokerbus.instance import request_address
from brokerbus.wire import Reply, Request, Unreadable

MIN_LIBZMQ = (4, 3, 3)
"""Below it, libzmq can be starved or overrun by unauthenticated peers (CVE-2020-15166 and others)."""

LATE_SECONDS = 0.05
"""How long after the deadline a client still waits: the worker answers at the deadline itself, and knows more."""


class _Waiting(NamedTuple):
    future: asyncio.Future[Reply]
    method: str
    timer: asyncio.TimerHandle


def default_deadline(method: str) -> float:
    """The deadline (CLOCK_MONOTONIC, s) of a call that names none."""
    return time.monotonic() + (limits.ORDER_SECONDS if method in WRITES else limits.READ_SECONDS)


def lost(method: str, why: str) -> BusError:
    """What is known of a call that was sent and got no answer."""
    if method in WRITES:
        return UnknownOutcome(f"{method}: {why}; it may have been executed")
    return Unavailable(f"{method}: {why}", retry_after=1.0)


def _dealer(context: zmq.Context[Any]) -> zmq.Socket[bytes]:
    """A DEALER that sends only to a worker that is there, and keeps nothing for later."""
    if zmq.zmq_version_info() < MIN_LIBZMQ:
        raise RuntimeError(f"libzmq {zmq.zmq_version()} is too old: {MIN_LIBZMQ} or later is needed")
    made: zmq.Socket[bytes] = context.socket(zmq.DEALER)
    for option, value in (
        (zmq.IMMEDIATE, 1),
        (zmq.LINGER, 0),
        (zmq.MAXMSGSIZE, limits.MAX_BODY_BYTES),
        (zmq.SNDHWM, limits.MAX_IN_FLIGHT),
        (zmq.RCVHWM, limits.MAX_IN_FLIGHT),
        (zmq.RECONNECT_IVL, limits.RECONNECT_MS),
        (zmq.RECONNECT_IVL_MAX, limits.RECONNECT_MAX_MS),
    ):
        made.setsockopt(option, value)
    return made


def _number(socket: zmq.Socket[bytes], option: int) -> int:
    return int(socket.getsockopt(option))


class Client:
    """Calls one worker from an asyncio loop: one DEALER, many calls in flight.

    When the worker goes, what is in flight fails at once: ``unknown_outcome`` for a call that trades,
    else ``unavailable``. Answers to nothing asked are counted in ``strays`` and dropped.
    """

    def __init__(
        self,
        run_dir: Union[str, Path],
        instance: str,
        *,
        decode: Callable[[bytes], Reply] = wire.decode_reply,
        context: Optional[zmq.Context[Any]] = None,
    ) -> None:
        self.instance = instance
        self.strays = 0
        self._decode = decode
        self._loop = asyncio.get_running_loop()
        self._connected = asyncio.Event()
        self._waiting: Dict[str, _Waiting] = {}
        self._ids = itertools.count(1)
        self._prefix = f"{os.getpid():x}-{id(self):x}-"
        self._socket = _dealer(context or zmq.Context.instance())
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._loop.add_reader(_number(self._monitor, zmq.FD), self._on_monitor)
        self._loop.add_reader(_number(self._socket, zmq.FD), self._on_readable)
        self._socket.connect(request_address(Path(run_dir), instance))
        # A ZeroMQ descriptor tells of news only after it was once found to have none.
        self._on_monitor()
        self._on_readable()

    async def call(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        deadline: Optional[float] = None,
        caller: str = "",
        trace: str = "",
    ) -> Any:
        """One request and its result; raises the BusError that answers it."""
        if deadline is None:
            deadline = default_deadline(method)
        request_id = self.next_id()
        body = wire.encode_request(Request(request_id, method, dict(params or {}), deadline, caller, trace))
        reply = await self.exchange(request_id, body, deadline, method)
        return reply.value()

    @property
    def connected(self) -> bool:
        """Whether a worker is there; it may still be starting."""
        return self._connected.is_set()

    async def ready(self) -> None:
        """Returns once a worker is connected."""
        await self._connected.wait()

    def next_id(self) -> str:
        """An id that no other call of this host has."""
        return self._prefix + str(next(self._ids))

    def exchange(self, request_id: str, body: bytes, deadline: float, method: str) -> asyncio.Future[Reply]:
        """Sends an encoded request; the future's Reply may carry the error. Never raises.

        Already done when nothing went out: no worker is there, or too many calls are in flight.
        """
        future: asyncio.Future[Reply] = self._loop.create_future()
        now = time.monotonic()
        refusal = self._send(body, deadline - now)
        if refusal is not None:
            future.set_result(Reply(request_id, error=refusal))
        else:
            timer = self._loop.call_later(deadline - now + LATE_SECONDS, self._on_deadline, request_id)
            self._waiting[request_id] = _Waiting(future, method, timer)
        # A send may swallow the edge of ZeroMQ's descriptor: look for what came meanwhile.
        self._on_readable()
        return future

    def close(self) -> None:
        """Fails what is in flight and closes the socket."""
        self._fail_all("the client is closed")
        self._loop.remove_reader(_number(self._socket, zmq.FD))
        self._loop.remove_reader(_number(self._monitor, zmq.FD))
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)

    def _send(self, body: bytes, seconds: float) -> Optional[BusError]:
        if seconds <= 0:
            return Expired("the deadline passed before the request was sent")
        if len(self._waiting) >= limits.MAX_IN_FLIGHT:
            return RateLimited(f"{len(self._waiting)} calls are in flight already", retry_after=1.0)
        if not self.connected:
            # The descriptor of the monitor may be behind: the handshake can be over already.
            self._on_monitor()
        try:
            frames.send(self._socket, (b"", body))
        except zmq.Again:
            return Unavailable("no worker serves this instance now", retry_after=1.0)
        return None

    def _on_readable(self) -> None:
        try:
            while True:
                message = frames.receive(self._socket)
                if message is None:
                    return
                self._on_reply(message[-1])
        except zmq.ZMQError:
            return  # closed meanwhile

    def _on_reply(self, body: bytes) -> None:
        try:
            reply = self._decode(body)
        except Unreadable:
            self.strays += 1
            return
        waiting = self._waiting.pop(reply.id, None)
        if waiting is None:
            self.strays += 1
            return
        waiting.timer.cancel()
        if not waiting.future.done():
            waiting.future.set_result(reply)

    def _on_monitor(self) -> None:
        while _number(self._monitor, zmq.EVENTS) & zmq.POLLIN:
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._connected.set()
            else:
                self._connected.clear()
                self._on_readable()  # answers that came before the end count
                self._fail_all("the worker went away before it answered")

    def _on_deadline(self, request_id: str) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None and not waiting.future.done():
            waiting.future.set_result(Reply(request_id, error=lost(waiting.method, "no answer before the deadline")))

    def _fail_all(self, why: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for request_id, call in waiting.items():
            call.timer.cancel()
            if not call.future.done():
                call.future.set_result(Reply(request_id, error=lost(call.method, why)))


class BlockingClient:
    """Calls one worker from plain code, one call at a time; not for several threads at once."""

    def __init__(self, run_dir: Union[str, Path], instance: str) -> None:
        self.instance = instance
        self._address = request_address(Path(run_dir), instance)
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket: Optional[zmq.Socket[bytes]] = None
        self._monitor: Optional[zmq.Socket[bytes]] = None
        self._ids = itertools.count(1)

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def call(self, method: str, params: Optional[Mapping[str, Any]] = None, *, timeout: Optional[float] = None) -> Any:
        """One request and its result within ``timeout`` seconds; raises the BusError that answers it."""
        deadline = default_deadline(method) if timeout is None else time.monotonic() + timeout
        request_id = f"{os.getpid():x}-{next(self._ids)}"
        body = wire.encode_request(Request(request_id, method, dict(params or {}), deadline))
        sock = self._connected()
        while self._monitor is not None and self._monitor.poll(0):
            recv_monitor_message(self._monitor)  # of an earlier end
        # IMMEDIATE: the send waits for a worker to be there, and fails when none comes.
        if not sock.poll(int(_left(deadline) * 1000), zmq.POLLOUT):
            raise Unavailable("no worker serves this instance now", retry_after=1.0)
        sock.send_multipart((b"", body), zmq.NOBLOCK)
        return self._await(sock, request_id, method, deadline).value()

    def close(self) -> None:
        self._drop()
        self._context.term()

    def _drop(self) -> None:
        """Closes the socket, so that no later call takes an answer of this one for its own."""
        if self._socket is not None and self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(0)
            self._socket.close(0)
        self._socket = self._monitor = None

    def _connected(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            self._socket = _dealer(self._context)
            self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            self._socket.connect(self._address)
        return self._socket

    def _await(self, sock: zmq.Socket[bytes], request_id: str, method: str, deadline: float) -> Reply:
        poller = zmq.Poller()
        for one in (sock, self._monitor):
            poller.register(one, zmq.POLLIN)
        why = "no answer before the deadline"
        while ready := dict(poller.poll(int((_left(deadline) + LATE_SECONDS) * 1000))):
            if sock in ready:
                reply = _reply_in(sock.recv_multipart()[-1])
                if reply is not None and reply.id == request_id:
                    return reply
            else:
                why = "the worker went away before it answered"
                break
        self._drop()
        raise lost(method, why)


def _reply_in(body: bytes) -> Optional[Reply]:
    try:
        return wire.decode_reply(body)
    except Unreadable:
        return None


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
