"""One HTTP request to each of two servers, answered in bytes and, where it is JSON, in values."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

TIMEOUT, RATE_TIMEOUT = 30.0, 60.0
INSTANCE, TOKEN = "WyLqtMhDvAnBb6a3", "Vt5UCW2sLBvgPXjR"
TWINS = tuple(f"{INSTANCE[:-1]}{number}" for number in range(8))
"""httptrading serves the same account under so many ids: each has leaky buckets of its own, so calls seldom wait."""

BASE = f"/httptrading/api/{INSTANCE}"
RIGHT = {"HT-TOKEN": TOKEN}
ENVELOPE = frozenset(("type", "instanceId", "broker", "brokerDisplay", "time", "ex"))


@dataclass(frozen=True)
class Call:
    """A request; `body` goes out as it is, a mapping as JSON."""

    method: str
    path: str
    body: bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None

    @property
    def payload(self) -> bytes | None:
        return json.dumps(self.body).encode() if isinstance(self.body, Mapping) else self.body


@dataclass(frozen=True)
class Answer:
    """What came back, as far as it has to be the same."""

    status: int
    content_type: str | None
    content_length: str | None
    body: bytes

    def values(self) -> dict[str, Any]:
        """The JSON answer without `time`, which only has to be a moment with a zone."""
        assert (self.status, self.content_type) == (200, "application/json; charset=utf-8"), self
        values: dict[str, Any] = json.loads(self.body)
        assert datetime.fromisoformat(values.pop("time")).tzinfo is not None
        return values


def ask(port: int, call: Call) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        headers = RIGHT if call.headers is None else call.headers
        connection.request(call.method, call.path, body=call.payload, headers=dict(headers))
        got = connection.getresponse()
        return Answer(got.status, got.getheader("content-type"), got.getheader("content-length"), got.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class Pair:
    """httptrading 1.0.8 and brokerbus before the same broker; the instance id is the only thing that differs."""

    httptrading: int
    brokerbus: int
    _twins: Iterator[str] = field(default_factory=lambda: itertools.cycle(TWINS))

    def theirs(self, call: Call) -> Answer:
        """What httptrading answers, as if one of its twins had the instance id of the call."""
        twin = next(self._twins)
        answer = ask(self.httptrading, replace(call, path=call.path.replace(INSTANCE[1:], twin[1:])))
        return replace(answer, body=answer.body.replace(twin.encode(), INSTANCE.encode()))

    def ours(self, call: Call) -> Answer:
        """What brokerbus answers once the broker's own rate allows: httptrading sleeps instead (its defect 16)."""
        deadline = time.monotonic() + RATE_TIMEOUT
        while b'"ex":"rate_limited' in (answer := ask(self.brokerbus, call)).body:
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)
        return answer

    def ask(self, call: Call) -> tuple[Answer, Answer]:
        """The same request to both at once: theirs, ours."""
        with ThreadPoolExecutor(1) as pool:
            theirs = pool.submit(self.theirs, call)
            ours = self.ours(call)
            return theirs.result(), ours

    def values(self, call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
        """The JSON answers of both."""
        theirs, ours = self.ask(call)
        return theirs.values(), ours.values()
