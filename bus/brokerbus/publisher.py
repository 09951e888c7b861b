"""Publishes pushes from a thread that no SDK call can hold up: numbered per topic, with a status each second."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

import zmq

from brokerbus import limits, model, wire

log = logging.getLogger("brokerbus.publisher")

KEPT = frozenset(("order", "fill"))
"""Kinds that are never dropped, however long the queue."""

MAX_LAST = 5_000
"""Topics named in one ``status``; a worker with more of them publishes several."""


class _Item(NamedTuple):
    kind: str
    subject: str
    data: Mapping[str, Any]
    cursor: Optional[int]


class Publisher:
    """A worker's PUB socket and the thread that alone touches it.

    ``status`` is called in that thread for the data of each status push; it must not block.
    """

    def __init__(
        self, context: zmq.Context[Any], address: str, instance: str, epoch: int, status: Callable[[], Dict[str, Any]]
    ) -> None:
        self._context, self._address, self._instance = context, address, instance
        self._status = status
        self._queue: queue.SimpleQueue[Optional[_Item]] = queue.SimpleQueue()
        self._seq: Dict[str, int] = {}
        self._last: Dict[str, int] = {}
        self._skipped: Dict[str, int] = {}
        self._skipping = threading.Lock()
        self._stopping = False
        self._status_due = False
        self.epoch = epoch
        self.dropped = 0
        self.last_push: Optional[float] = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Binds the socket; raises ZMQError when that fails."""
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, limits.PUBLISH_HWM)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.bind(self._address)
        self._thread.start()

    def push(self, kind: str, subject: str, data: Mapping[str, Any], cursor: Optional[int] = None) -> None:
        """Queues one push; any thread. When the queue is full, all but orders and fills are dropped and counted."""
        if self._queue.qsize() >= limits.PUSH_QUEUE and kind not in KEPT:
            self._skip(wire.topic(self._instance, kind, subject))
            return
        self._queue.put(_Item(kind, subject, data, cursor))

    def _skip(self, topic: str) -> None:
        """Counts a push that is dropped, and leaves a gap in its topic's numbers for its subscribers to see."""
        with self._skipping:
            self.dropped += 1
            self._skipped[topic] = self._skipped.get(topic, 0) + 1

    def status_changed(self) -> None:
        """Has a status go out now instead of with the next second."""
        self._status_due = True
        self._queue.put(None)

    def stop(self) -> None:
        """Publishes what is queued and one last status, then closes the socket."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(1.0)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            if now >= due or self._status_due:
                self._status_due = False
                self._publish_status()
                due = now + limits.STATUS_SECONDS
            self._publish_queued(max(0.0, due - now))
        self._publish_queued(0.0)
        self._publish_status()
        self._socket.close()

    def _publish_queued(self, wait: float) -> None:
        """Waits for one push, then takes what has gathered; at most until a status is due."""
        until = time.monotonic() + wait
        try:
            item = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            while True:
                if item is not None:
                    self._publish(item)
                if self._status_due or (wait and time.monotonic() >= until):
                    return
                item = self._queue.get_nowait()
        except queue.Empty:
            return

    def _publish(self, item: _Item) -> None:
        topic = wire.topic(self._instance, item.kind, item.subject)
        seq = self._seq.get(topic, 0) + 1
        if self._skipped:
            with self._skipping:
                seq += self._skipped.pop(topic, 0)
        try:
            data = model.to_plain_map(item.data)  # whatever a broker pushes: no NaN, nothing that cannot be packed
            push = wire.Push(
                self._instance, item.kind, item.subject, self.epoch, seq, time.time_ns(), data, item.cursor
            )
            frames = wire.encode_push(push)
            if len(frames[1]) > limits.MAX_BODY_BYTES:
                raise ValueError(f"{len(frames[1])} bytes; the bus carries {limits.MAX_BODY_BYTES}")
        except Exception as error:  # whatever a broker pushes, this thread tells the status
            self.dropped += 1
            log.error("a %s push was not published: %s", item.kind, error)
            return
        self._seq[topic] = seq
        if item.kind != "status":
            self._last[topic] = seq
            self.last_push = time.monotonic()
        self._socket.send_multipart(frames)

    def _publish_status(self) -> None:
        data = self._status()
        while True:
            named = dict(itertools.islice(self._last.items(), MAX_LAST))
            for topic in named:
                del self._last[topic]
            self._publish(_Item("status", "", {**data, "last": named}, None))
            if not self._last:
                return
