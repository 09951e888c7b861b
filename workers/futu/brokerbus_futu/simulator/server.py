"""Runs the simulator on an event loop: its port, its control port and its price walk."""

from __future__ import annotations

import asyncio
import json
import threading
from types import TracebackType
from typing import Any

from .commands import carry_out
from .connection import Connection
from .gateway import Gateway
from .options import Options

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one control command."""

CONTROL_HOST = "127.0.0.1"
"""Whoever reaches the control port owns the simulator: it never leaves loopback, whatever ``host`` is."""

START_TIMEOUT = 20.0
IDLE = 0.1
"""Seconds between looks at ``tick_interval`` while it is 0."""


class Running:
    """A simulator on the current event loop."""

    def __init__(self, options: Options) -> None:
        self.gateway = Gateway(options)
        self.port = options.port
        self.control_port: int | None = None
        self._options = options
        self._server: asyncio.AbstractServer | None = None
        self._control: asyncio.AbstractServer | None = None
        self._finished = asyncio.Event()
        self._again: asyncio.TimerHandle | None = None
        self._walk: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Whether clients can connect."""
        return self._server is not None

    async def start(self) -> None:
        """Open both ports; raises OSError when one is taken."""
        await self.open_port()
        if self._options.control_port is not None:
            self._control = await asyncio.start_server(
                self._serve_control, CONTROL_HOST, self._options.control_port, limit=LONGEST_LINE
            )
            self.control_port = _port(self._control)
        self._walk = asyncio.get_event_loop().create_task(self._walk_prices())

    async def open_port(self) -> None:
        """Listen, on the port of the first time."""
        self._forget_again()
        if self._server is None:
            loop = asyncio.get_event_loop()
            self._server = await loop.create_server(
                lambda: Connection(self.gateway), self._options.host, self.port, reuse_address=True
            )
            self.port = _port(self._server)

    async def close_port(self, seconds: float | None) -> int:
        """Stop listening and cut all; returns how many connections were cut."""
        self._forget_again()
        if self._server:
            self._server.close()
            self._server = None
        dropped = self.gateway.drop_all()
        if seconds is not None:
            loop = asyncio.get_event_loop()
            self._again = loop.call_later(seconds, lambda: loop.create_task(self.open_port()))
        return dropped

    def _forget_again(self) -> None:
        if self._again:
            self._again.cancel()
            self._again = None

    async def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one control command."""
        return await carry_out(self, request)

    async def _serve_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                line = await reader.readline()
                if not line:
                    return
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):  # the client went away, or its line is too long to go on
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except ValueError as error:
            return {"ok": False, "error": f"expected one line of JSON: {error}"}
        return await carry_out(self, request)

    async def _walk_prices(self) -> None:
        while True:
            await asyncio.sleep(self._options.tick_interval or IDLE)
            if self._options.tick_interval > 0:
                self.gateway.step()

    def finish(self) -> None:
        """End ``wait``."""
        self._finished.set()

    async def wait(self) -> None:
        """Until ``finish``; then close everything."""
        await self._finished.wait()
        if self._walk:
            self._walk.cancel()
        if self._control:
            self._control.close()
        await self.close_port(None)
        await asyncio.sleep(0)


class Simulator:
    """A simulator in a thread of this process: ``with Simulator(tick_interval=0.1) as sim: sim.port``."""

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Running | None = None
        self._thread = threading.Thread(target=self._run, name="futu-simulator", daemon=True)

    def start(self) -> Simulator:
        """Return once clients can connect; raises what went wrong otherwise."""
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT):
            raise TimeoutError("the simulator did not start")
        if self._error:
            raise self._error
        return self

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_event_loop()
        running = Running(self.options)
        await running.start()
        self._running = running
        self._ready.set()
        await running.wait()

    @property
    def port(self) -> int:
        """Port that the SDK connects to."""
        return self._started().port

    @property
    def control_port(self) -> int | None:
        """Control port, None when none was asked for."""
        return self._started().control_port

    def do(self, verb: str, **fields: Any) -> Any:
        """Carry out a control command; raises ValueError with the reason when it is refused."""
        running = self._started()
        assert self._loop is not None
        answer = asyncio.run_coroutine_threadsafe(running.do({"do": verb, **fields}), self._loop).result()
        if not answer["ok"]:
            raise ValueError(answer["error"])
        return answer["result"]

    def fault(self, kind: str, proto: int | None = None, **details: Any) -> Any:
        """Ask for a fault, see ``faults.KINDS``."""
        return self.do("fault", kind=kind, proto=proto, **details)

    def clear(self) -> Any:
        """Forget all faults."""
        return self.do("clear")

    def orders(self) -> Any:
        """Every order, oldest first."""
        return self.do("orders")

    def evidence(self, since: int = 0, proto: int | None = None) -> Any:
        """What reached the simulator."""
        return self.do("evidence", since=since, proto=proto)

    def stop(self) -> None:
        """Cut all and end the thread."""
        if self._running and self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._running.finish)
            self._thread.join(START_TIMEOUT)

    def _started(self) -> Running:
        if self._running is None:
            raise RuntimeError("the simulator is not running: use it in a with block, or call start()")
        return self._running

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _port(server: asyncio.AbstractServer) -> int:
    number: int = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    return number
