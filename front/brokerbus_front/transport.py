"""A transport that sends an answer's head and body in one system call: uvicorn writes them one after the other."""

from asyncio import AbstractEventLoop, Transport
from typing import Any


class Gathering:
    """Holds what is written until the loop's next turn; everything else goes to the transport itself."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self.inner, self._loop = transport, loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Sends what is held."""
        if self._held:
            held, self._held = self._held, []
            self.inner.write(b"".join(held))

    def write_eof(self) -> None:
        self.flush()
        self.inner.write_eof()

    def close(self) -> None:
        self.flush()
        self.inner.close()

    def abort(self) -> None:
        self._held.clear()
        self.inner.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
