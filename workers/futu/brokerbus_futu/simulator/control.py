"""Asks a running simulator over its control port, with the standard library alone."""

from __future__ import annotations

import json
import socket
import time
from types import TracebackType
from typing import Any, Callable

TIMEOUT = 30.0
"""Seconds to wait for one answer."""


class ControlError(Exception):
    """The simulator refused a command; the text is its reason."""


class ControlClient:
    """A blocking connection to the control port: one JSON line out, one back; for one thread at a time."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = TIMEOUT) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._lines = self._socket.makefile("rb")

    def do(self, verb: str, **fields: Any) -> Any:
        """Send one command and return its result; raises ControlError when it is refused, OSError when it is gone."""
        self._socket.sendall(json.dumps({"do": verb, **fields}).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the simulator closed its control connection")
        answer = json.loads(line)
        if not answer["ok"]:
            raise ControlError(answer["error"])
        return answer["result"]

    def fault(self, kind: str, proto: int | None = None, **details: Any) -> dict[str, Any]:
        """Ask for a fault, see ``faults.KINDS``."""
        result: dict[str, Any] = self.do("fault", kind=kind, proto=proto, **details)
        return result

    def clear(self) -> int:
        """Forget all faults; returns how many."""
        result: int = self.do("clear")
        return result

    def orders(self) -> list[dict[str, Any]]:
        """Every order, oldest first."""
        result: list[dict[str, Any]] = self.do("orders")
        return result

    def evidence(self, since: int = 0, proto: int | None = None) -> dict[str, Any]:
        """What reached the simulator."""
        result: dict[str, Any] = self.do("evidence", since=since, proto=proto)
        return result

    def requests(self, proto: int, since: int = 0) -> list[dict[str, Any]]:
        """The requests of one protocol id, as received."""
        result: list[dict[str, Any]] = self.evidence(since, proto)["requests"]
        return result

    def wait_for(self, verb: str, accept: Callable[[Any], bool], timeout: float = 10.0, **fields: Any) -> Any:
        """Repeat a command until its result is accepted; raises TimeoutError with the last result otherwise."""
        deadline = time.monotonic() + timeout
        while True:
            result = self.do(verb, **fields)
            if accept(result):
                return result
            if time.monotonic() > deadline:
                raise TimeoutError(f"{verb}: not accepted within {timeout} s: {result!r}")
            time.sleep(0.02)

    def close(self) -> None:
        """Leave the simulator running."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
