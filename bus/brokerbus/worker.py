"""Hosts one broker: a ROUTER that speaks REP, a PUB for its pushes, one owner, and an end with its supervisor.

``main("my_broker:MyBroker")`` is the whole of a worker's ``__main__``. The loop in the main thread never
calls an SDK: whatever the broker does, requests are read, ``status`` and ``capabilities`` are answered
and deadlines are kept.
"""

from __future__ import annotations

import argparse
import collections
import heapq
import itertools
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import zmq

from brokerbus import broker as brokers
from brokerbus import engine as engines
from brokerbus import frames, limits, process, redact, wire
from brokerbus import instance as instances
from brokerbus.child import ChildEngine
from brokerbus.errors import BusError, Expired, Unavailable, UnknownOutcome
from brokerbus.publisher import Publisher
from brokerbus.wire import Reply, Request, Unreadable

log = logging.getLogger("brokerbus.worker")

MAX_ENVELOPE = 16
"""Frames of a request: identity, a proxy's envelope, delimiter, body."""

BATCH = 256
"""Requests read before replies get their turn."""

BEYOND_REPAIR = 70
"""Exit code of a worker whose SDK cannot be mended within the process (EX_SOFTWARE of sysexits.h)."""


class _Call:
    """A request that a broker works on; answered by whoever comes first, the broker or the deadline."""

    __slots__ = ("answered", "deadline", "envelope", "request")

    def __init__(self, envelope: List[bytes], request: Request, deadline: float) -> None:
        self.envelope, self.request, self.deadline = envelope, request, deadline
        self.answered = False


class Worker:
    """One instance being served. ``run`` returns the exit code."""

    def __init__(
        self,
        instance: instances.Instance,
        entry: str,
        in_child: bool = False,
        reached: Optional[engines.Reached] = None,
    ) -> None:
        self._instance = instance
        self._zmq = zmq.Context()
        self._epoch = time.time_ns()
        self._calls: Dict[int, _Call] = {}
        self._deadlines: List[Tuple[float, int]] = []
        self._ids = itertools.count()
        self._replies: Deque[Tuple[Optional[int], Reply, List[bytes]]] = collections.deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self.undeliverable = 0
        self._engine: Union[engines.Engine, ChildEngine]
        if in_child:
            self._engine = ChildEngine(instance, entry, self._push, self._changed, self._fail)
        else:
            self._engine = engines.Engine(instance, entry, self._push, self._changed, self._fail, reached)
        self._publisher = Publisher(self._zmq, instance.push_address, instance.id, self._epoch, self._status)

    def run(self) -> int:
        """Serves until SIGTERM or SIGINT."""
        self._bind()
        self._engine.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        log.info("serving %s (%s), pid %d", self._instance.id, self._instance.broker, os.getpid())
        process.settle_garbage()
        while not self._stopping:
            self._turn(self._pause())
        self._drain()
        return 0

    # -- the loop ----------------------------------------------------------------------------------
    def _bind(self) -> None:
        self._router = self._zmq.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._router.setsockopt(zmq.MAXMSGSIZE, limits.MAX_BODY_BYTES)
        self._router.setsockopt(zmq.LINGER, 200)
        self._router.bind(self._instance.request_address)
        self._poller = zmq.Poller()
        self._poller.register(self._router, zmq.POLLIN)
        self._poller.register(self._wake_read, zmq.POLLIN)
        self._publisher.start()

    def _turn(self, pause: float) -> None:
        ready = dict(self._poller.poll(int(pause * 1000) + 1))
        if self._wake_read in ready:
            _drain_pipe(self._wake_read)
        self._send_replies()
        if self._router in ready:
            self._receive()
        self._expire()

    def _pause(self) -> float:
        while self._deadlines and self._deadlines[0][1] not in self._calls:
            heapq.heappop(self._deadlines)
        return max(0.0, self._deadlines[0][0] - time.monotonic()) if self._deadlines else 1.0

    def _receive(self) -> None:
        """Serves what has come, and what follows closely."""
        linger = time.monotonic() + limits.LINGER_SECONDS
        for _ in range(BATCH):
            message = frames.receive(self._router)
            while message is None and not self._calls and time.monotonic() < linger:
                os.sched_yield()
                message = frames.receive(self._router)
            if message is None:
                break
            self._accept(message)
            self._send_replies()
            linger = time.monotonic() + limits.LINGER_SECONDS
        self._send_replies()

    def _accept(self, message: List[bytes]) -> None:
        envelope, body = _split(message)
        if body is None:
            self._answer(envelope, Reply("", error=Unreadable("expected the frames: empty, body")))
            return
        try:
            request = wire.decode_request(body)
        except Unreadable as error:
            self._answer(envelope, Reply(error.request_id, error=error))
            return
        own = _OWN.get(request.method)
        if own is not None:
            self._answer_own(envelope, request, own)
        elif self._stopping:
            stopping = Unavailable("the worker is stopping", retry_after=1.0, detail={"state": "stopping"})
            self._answer(envelope, Reply(request.id, error=stopping))
        else:
            self._submit(envelope, request)

    def _submit(self, envelope: List[bytes], request: Request) -> None:
        now = time.monotonic()
        deadline = _bounded(request, now)
        if deadline <= now:
            late = Expired(f"the deadline passed {now - deadline:.3f} s before the start")
            self._answer(envelope, Reply(request.id, error=late))
            return
        if len(self._calls) >= limits.MAX_IN_FLIGHT:
            busy = Unavailable(f"{len(self._calls)} calls are in flight already", retry_after=1.0)
            self._answer(envelope, Reply(request.id, error=busy))
            return
        number = next(self._ids)
        self._calls[number] = _Call(envelope, request, deadline)
        heapq.heappush(self._deadlines, (deadline, number))
        self._engine.submit(request, deadline, _Done(self, number))

    def done(self, number: int, reply: Reply) -> None:
        """Takes a reply of the engine; any thread."""
        self._replies.append((number, reply, []))
        if threading.get_ident() != _MAIN:
            self._wake()

    def _send_replies(self) -> None:
        while self._replies:
            number, reply, envelope = self._replies.popleft()
            if number is not None:
                call = self._calls.pop(number, None)
                if call is None:
                    continue  # answered at its deadline
                envelope = call.envelope
            self._answer(envelope, reply)

    def _expire(self) -> None:
        """Answers the calls whose deadline has come while their SDK call runs on."""
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            call = self._calls.pop(number, None)
            if call is not None:
                self._answer(call.envelope, _unanswered(call.request))

    def _answer_own(self, envelope: List[bytes], request: Request, own: Callable[[Worker], Any]) -> None:
        try:
            reply = Reply(request.id, own(self))
        except BusError as error:
            reply = Reply(request.id, error=error)
        self._answer(envelope, reply)

    def _answer(self, envelope: List[bytes], reply: Reply) -> None:
        try:
            frames.send(self._router, [*envelope, wire.encode_any_reply(reply)])
        except zmq.ZMQError:
            self.undeliverable += 1  # the caller is gone, or reads nothing

    # -- what other threads call -------------------------------------------------------------------
    def _push(self, kind: str, subject: str, data: Any, cursor: Optional[int]) -> None:
        self._publisher.push(kind, subject, data, cursor)

    def _changed(self) -> None:
        self._publisher.status_changed()

    def _fail(self, reason: str) -> None:
        log.error("this worker ends, to be started anew: %s", reason)
        self._engine.state, self._engine.reason = "failed", reason
        self._publisher.stop()
        logging.shutdown()
        os._exit(BEYOND_REPAIR)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # the pipe is full: the loop wakes anyway

    def _on_signal(self, number: int, frame: Any) -> None:
        self._stopping = True
        self._wake()

    # -- status and the end ------------------------------------------------------------------------
    def _status(self) -> Dict[str, Any]:
        engine, pushed = self._engine, self._publisher.last_push
        return {
            "state": "stopped" if self._stopping else engine.state,
            "session": engine.session,
            "reason": engine.reason or None,
            "inflight": len(self._calls),
            "subscriptions": len(self._instance.subscribe),
            "lastPushAge": None if pushed is None else round(time.monotonic() - pushed, 3),
            "dropped": self._publisher.dropped,
            "undeliverable": self.undeliverable,
            "pid": os.getpid(),
            "epoch": self._epoch,
            **engine.facts(),
        }

    def capabilities(self) -> Dict[str, Any]:
        return {"instance": self._instance.id, **self._engine.capabilities}

    def _drain(self) -> None:
        """Lets calls in flight end, then answers the rest with what is known of them."""
        until = time.monotonic() + limits.DRAIN_SECONDS
        self._publisher.status_changed()
        while self._calls and time.monotonic() < until:
            self._turn(0.05)
        for call in self._calls.values():
            self._answer(call.envelope, _unanswered(call.request))
        self._engine.stop()
        self._publisher.stop()
        self._router.close()
        self._zmq.destroy(linger=200)


class _Done:
    """Brings a reply of the engine back to the loop."""

    __slots__ = ("_number", "_worker")

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker, self._number = worker, number

    def __call__(self, reply: Reply) -> None:
        self._worker.done(self._number, reply)


_MAIN = threading.get_ident()

_OWN: Dict[str, Callable[[Worker], Any]] = {
    "status": Worker._status,
    "capabilities": Worker.capabilities,
}
"""Methods of the host itself, which no broker can hold up."""


def _bounded(request: Request, now: float) -> float:
    if request.method == "ping":
        most = limits.PING_SECONDS
    elif request.deadline is not None:
        most = limits.MAX_DEADLINE_SECONDS
    else:
        most = limits.ORDER_SECONDS if request.method in brokers.WRITES else limits.READ_SECONDS
    return now + most if request.deadline is None else min(request.deadline, now + most)


def _unanswered(request: Request) -> Reply:
    """What is known when the broker's code has not come back."""
    if request.method == "ping":
        return Reply(request.id, {"pong": False})
    text = f"{request.method}: no answer from the broker before the deadline"
    if request.method in brokers.WRITES:
        return Reply(request.id, error=UnknownOutcome(f"{text}; it may have arrived"))
    return Reply(request.id, error=Unavailable(text, retry_after=1.0))


def _split(message: Sequence[bytes]) -> Tuple[List[bytes], Optional[bytes]]:
    """The envelope to answer with, and the body; no body when the frames are not a request."""
    head = list(message[:MAX_ENVELOPE])
    for index, frame in enumerate(head[1:], 1):
        if not frame:
            return head[: index + 1], message[index + 1] if len(message) == index + 2 else None
    return head[:1], None


def _drain_pipe(descriptor: int) -> None:
    try:
        while len(os.read(descriptor, 4096)) == 4096:
            pass
    except BlockingIOError:
        pass


def main(
    entry: Union[str, Mapping[str, str]],
    *,
    in_child: bool = False,
    reached: Optional[engines.Reached] = None,
    argv: Optional[Sequence[str]] = None,
) -> None:
    """Serves the instance file named on the command line with the broker class ``module:Class``.

    A worker that serves several brokers passes a map of the configuration's names to classes. ``in_child``
    runs the broker in a child process: for an SDK that keeps the GIL while it waits. ``reached`` is told
    the points of each placement (:data:`brokerbus.orders.POINTS`), for tests that end the process there.
    Exits 0 after SIGTERM, 75 when another process serves the instance, 2 on a bad command line.
    """
    parser = argparse.ArgumentParser(description="A brokerbus worker: one instance of one broker.")
    parser.add_argument("instance_file", nargs="?", type=Path, help="the instance file that `brokerbus up` writes")
    parser.add_argument("--describe", action="store_true", help="print the broker's capabilities as JSON and exit")
    parser.add_argument("--check", action="store_true", help="read settings as JSON from stdin; exit 2 if one is bad")
    parser.add_argument("--broker", help="with these: which broker, where the module serves several")
    options = parser.parse_args(argv)
    entries = {"": entry} if isinstance(entry, str) else dict(entry)
    if options.describe:
        name = options.broker or next(iter(entries))
        print(json.dumps(_description(_entry_of(entries, name, parser), name)))
        return
    if options.check:
        sys.exit(_checked(_entry_of(entries, options.broker or next(iter(entries)), parser)))
    if options.instance_file is None:
        parser.error("expected an instance file")
    try:
        instance = instances.load(options.instance_file)
    except instances.BadInstanceFile as error:
        parser.error(str(error))
    chosen = _entry_of(entries, instance.broker, parser)
    sys.exit(_serve(instance, chosen, in_child, reached))


def _entry_of(entries: Mapping[str, str], name: str, parser: argparse.ArgumentParser) -> str:
    found = entries.get(name, entries.get(""))
    if found is None:
        parser.error(f"expected one of the brokers {', '.join(entries)}, found {name!r}")
    return found


def _serve(instance: instances.Instance, entry: str, in_child: bool, reached: Optional[engines.Reached]) -> int:
    redact.log_to_stderr()
    redact.hide(instance.secrets)
    os.umask(0o077)
    process.die_with_parent(instance.run_dir)
    pause = process.pause_after_crashes(instance.run_dir / f"{instance.id}.starts")
    if pause:
        log.warning("%d starts in %.0f s: waiting %.0f s", limits.CRASH_STARTS, limits.CRASH_WINDOW_SECONDS, pause)
        time.sleep(pause)
    try:
        lock = process.InstanceLock(instance.id, instance.run_dir, instance.state_dir)
    except process.InstanceLocked as error:
        log.error("%s", error)
        return process.LOCKED
    code = Worker(instance, entry, in_child, reached).run()
    lock.release()
    logging.shutdown()
    os._exit(code)  # a thread inside an SDK call must not hold up the end


def _description(entry: str, name: str) -> Dict[str, Any]:
    kind = engines.load_broker(entry)
    settings = {
        name: {"type": setting.type.__name__, "required": setting.required, "help": setting.help}
        for name, setting in kind.settings.items()
    }
    return {**engines.describe(kind, name), "settings": settings}


def _checked(entry: str) -> int:
    """Whether the broker accepts the settings on stdin; what it refuses is a line on stderr."""
    try:
        engines.load_broker(entry).check(json.load(sys.stdin))
    except BusError as error:
        print(error.message, file=sys.stderr)
        return 2
    return 0
