"""Runs a broker in a child process, for an SDK that keeps the GIL while it waits; killed at a call's deadline.

The two speak over a socket pair: frames of four bytes of length and a msgpack list. The child ends
when its parent does.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import msgpack

from brokerbus import engine as engines
from brokerbus import instance as instances
from brokerbus import limits, model, process, redact, wire
from brokerbus.broker import WRITES
from brokerbus.errors import BusError, InternalError, Unavailable, UnknownOutcome
from brokerbus.wire import Reply, Request

log = logging.getLogger("brokerbus.child")

_LENGTH = struct.Struct("!I")

GRACE_SECONDS = 0.05
"""How long after a call's deadline the child is killed; the caller has its answer by then."""


class Link:
    """One end of the socket pair; ``send`` may be called from any thread."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        """Raises OSError when the other end is gone."""
        body = msgpack.packb(message, use_bin_type=True)
        with self._lock:
            self._socket.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self) -> List[Any]:
        """The next message; raises EOFError or OSError when the other end is gone."""
        size = _LENGTH.unpack(self._exactly(_LENGTH.size))[0]
        message: List[Any] = msgpack.unpackb(self._exactly(size), raw=False)
        return message

    def close(self) -> None:
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 65536))
            if not part:
                raise EOFError("the other end is gone")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class ChildEngine:
    """The parent's side: the same calls as :class:`brokerbus.engine.Engine`, done by a child process."""

    def __init__(
        self,
        instance: instances.Instance,
        entry: str,
        push: engines.Push,
        changed: Callable[[], None],
        fail: Callable[[str], None],
    ) -> None:
        self._instance, self._entry = instance, entry
        self._push, self._changed, self._fail = push, changed, fail
        self._waiting: Dict[str, Tuple[Request, float, engines.Done]] = {}
        self._lock = threading.Lock()
        self._link: Optional[Link] = None
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._capabilities: Optional[Dict[str, Any]] = None
        self._facts: Dict[str, Any] = {}
        self._calls = 0
        self._stopping = False
        self.state, self.session, self.reason = "starting", "unknown", "starting"

    def start(self) -> None:
        """Starts the child, and starts it again whenever it ends."""
        threading.Thread(target=self._keep_child, name="child", daemon=True).start()
        threading.Thread(target=self._kill_at_deadline, name="deadlines", daemon=True).start()

    def stop(self) -> None:
        """Ends the child: SIGTERM, and SIGKILL when it does not follow."""
        self._stopping = True
        child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(limits.CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()

    @property
    def capabilities(self) -> Dict[str, Any]:
        """Raises Unavailable until the child has imported the broker's module once."""
        if self._capabilities is None:
            raise Unavailable(f"the worker is starting: {self.reason}", retry_after=limits.RETRY_FIRST_SECONDS)
        return self._capabilities

    def facts(self) -> Dict[str, Any]:
        """What ``status`` adds for an instance that trades, as the child said last."""
        return self._facts

    def submit(self, request: Request, deadline: float, done: engines.Done) -> None:
        """Sends one call to the child; ``done`` is called once, also when the child dies."""
        with self._lock:
            link = self._link
            if link is not None:
                self._calls += 1
                key = str(self._calls)
                self._waiting[key] = (request, deadline, done)
        if link is None:
            starting = Unavailable(f"the broker's process is starting: {self.reason}", retry_after=1.0)
            done(Reply(request.id, error=starting))
            return
        try:
            link.send("call", wire.encode_request(Request(key, request.method, request.params, deadline)))
        except OSError:
            self._take(key)
            done(Reply(request.id, error=Unavailable("the broker's process has just ended", retry_after=1.0)))

    # -- the child's life ---------------------------------------------------------------------------
    def _keep_child(self) -> None:
        while not self._stopping:
            here, there = socket.socketpair()
            # The child imports from where this process does, and from nowhere else.
            code = f"import sys; sys.path[:] = {sys.path!r}; from brokerbus.child import main; main()"
            spec = [self._entry, str(self._instance.path), str(there.fileno())]
            self._child = subprocess.Popen([sys.executable, "-I", "-c", code, *spec], pass_fds=(there.fileno(),))
            there.close()
            link = Link(here)
            with self._lock:
                self._link = link
            self._listen(link)
            self._ended(link)

    def _listen(self, link: Link) -> None:
        while True:
            try:
                self._heard(link.receive())
            except (EOFError, OSError):
                return
            except Exception:
                log.exception("the broker's process said what cannot be read; it is killed")
                if self._child is not None:
                    self._child.kill()

    def _heard(self, message: List[Any]) -> None:
        kind = message[0]
        if kind == "reply":
            self._answered(message[1])
        elif kind == "push":
            self._push(*message[1:])
        elif kind == "state":
            self.state, self.session, self.reason, capabilities, self._facts = message[1:]
            self._capabilities = capabilities or self._capabilities
            self._changed()
        elif kind == "fail":
            self._fail(message[1])

    def _answered(self, body: bytes) -> None:
        reply = wire.decode_reply(body)
        waiting = self._take(reply.id)
        if waiting is not None:
            request, _, done = waiting
            done(Reply(request.id, reply.result, reply.error))

    def _ended(self, link: Link) -> None:
        """Answers what the dead child owed."""
        child = self._child
        code = child.wait() if child is not None else None
        link.close()
        with self._lock:
            self._link = None
            owed, self._waiting = list(self._waiting.values()), {}
        self.state, self.session, self.reason = "degraded", "down", f"the broker's process ended with {code}"
        for request, _, done in owed:
            done(Reply(request.id, error=_lost(request)))
        if not self._stopping:
            log.warning("%s; a new one starts", self.reason)
            self._changed()
            time.sleep(limits.RETRY_FIRST_SECONDS)

    def _take(self, key: str) -> Optional[Tuple[Request, float, engines.Done]]:
        with self._lock:
            return self._waiting.pop(key, None)

    def _kill_at_deadline(self) -> None:
        """A call that outlives its deadline holds the GIL of the child, or a thread of it: end it."""
        while not self._stopping:
            now = time.monotonic()
            with self._lock:
                due = min((deadline for _, deadline, _ in self._waiting.values()), default=now + 1.0)
            child = self._child
            if now >= due + GRACE_SECONDS and child is not None:
                log.error("a call outlived its deadline: the broker's process is killed")
                child.kill()
                child.wait()
            time.sleep(min(max(due + GRACE_SECONDS - now, 0.01), 0.1))


def _lost(request: Request) -> BusError:
    if request.method in WRITES:
        return UnknownOutcome(f"{request.method}: the broker's process ended during the call; it may have arrived")
    return Unavailable(f"{request.method}: the broker's process ended during the call", retry_after=1.0)


def main() -> None:
    """The child: serves the calls of its parent until that is gone."""
    entry, path, descriptor = sys.argv[1:]
    redact.log_to_stderr()
    process.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = Link(socket.socket(fileno=int(descriptor)))
    instance = instances.load(Path(path))
    redact.hide(instance.secrets)
    engine = _engine(instance, entry, link)
    signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=_end, args=(engine,)).start())
    engine.start()
    try:
        while True:
            request = wire.decode_request(link.receive()[1])
            deadline = request.deadline or time.monotonic()
            engine.submit(request, deadline, lambda reply: link.send("reply", _sendable(reply)))
    except (EOFError, OSError):
        os._exit(0)


def _sendable(reply: Reply) -> bytes:
    """The body of a reply that the parent can read; a result nested too deep is a defect of the broker's."""
    body = wire.encode_any_reply(reply)
    try:
        wire.decode_reply(body)
    except wire.Unreadable as error:
        return wire.encode_reply(Reply(reply.id, error=InternalError(f"the answer cannot travel: {error.message}")))
    return body


def _end(engine: engines.Engine) -> None:
    """Closes the broker's session, then this process."""
    engine.stop()
    os._exit(0)


def _engine(instance: instances.Instance, entry: str, link: Link) -> engines.Engine:
    def push(kind: str, subject: str, data: Mapping[str, Any], cursor: Optional[int]) -> None:
        link.send("push", kind, subject, model.to_plain_map(data), cursor)

    def changed() -> None:
        try:
            capabilities: Optional[Dict[str, Any]] = engine.capabilities
        except BusError:
            capabilities = None
        link.send("state", engine.state, engine.session, engine.reason, capabilities, engine.facts())

    def fail(reason: str) -> None:
        link.send("fail", reason)

    engine = engines.Engine(instance, entry, push, changed, fail)
    return engine
