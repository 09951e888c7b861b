"""Runs the application: the socket, TLS, the sweep of connections, and an end within STOP_SECONDS."""

import asyncio
import resource
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn
import uvloop

from brokerbus_front import app, instances, limits
from brokerbus_front.instances import Instance
from brokerbus_front.metrics import Metrics
from brokerbus_front.protocol import BoundedProtocol
from brokerbus_front.settings import FrontFile

log = structlog.stdlib.get_logger("brokerbus.front")


class Loop(uvloop.Loop):
    """uvloop with a time limit for TLS handshakes, whose default is 60 s."""

    async def create_server(self, *args: Any, ssl: Any = None, **kwargs: Any) -> Any:
        if ssl:
            kwargs["ssl_handshake_timeout"] = limits.TLS_HANDSHAKE_SECONDS
        return await super().create_server(*args, ssl=ssl, **kwargs)


class Server(uvicorn.Server):
    """uvicorn's server that also sweeps its connections and ends in time."""

    def __init__(self, config: uvicorn.Config, served: Sequence[Instance]) -> None:
        super().__init__(config)
        self._served = served

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends on SIGTERM and SIGINT, with exit code 0: uvicorn would raise the signal again when all is done."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def main_loop(self) -> None:
        sweeping = asyncio.create_task(self._sweep())
        try:
            await super().main_loop()
        finally:
            sweeping.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets calls in flight end; those that do not are answered with what is known of them."""
        log.info("stopping", connections=len(self.server_state.connections))
        sweeping = asyncio.create_task(self._sweep())
        drained = asyncio.get_running_loop().call_later(limits.DRAIN_SECONDS, instances.fail_in_flight, self._served)
        try:
            await super().shutdown(sockets)
        finally:
            sweeping.cancel()
            drained.cancel()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(limits.SWEEP_SECONDS)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.sweep(now)


def run(settings: FrontFile) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code."""
    _raise_descriptor_limit()
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        log.error("cannot listen", host=settings.host, port=settings.port, error=error.strerror or str(error))
        return 1
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(settings, listener))
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on the first address that ``host`` names."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=limits.BACKLOG)


def configuration(application: Any, settings: FrontFile) -> uvicorn.Config:
    """How uvicorn serves ``application``."""
    return uvicorn.Config(
        application,
        http=BoundedProtocol,
        ws="none",  # until there are streams, an upgrade is what it is at httptrading: a plain request
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=limits.STOP_SECONDS,
        backlog=limits.BACKLOG,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


async def _serve(settings: FrontFile, listener: socket.socket) -> None:
    served = instances.connect(settings)
    metrics = Metrics(served)
    server = Server(configuration(app.build(served, metrics), settings), served)
    metrics.count_connections(lambda: len(server.server_state.connections))
    address = listener.getsockname()
    log.info("serving", host=address[0], port=address[1], tls=bool(settings.tls_cert), instances=len(served))
    try:
        await server.serve(sockets=[listener])
    finally:
        instances.fail_in_flight(served)
        log.info("stopped")


def _raise_descriptor_limit() -> None:
    """Room for MAX_CONNECTIONS, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.MAX_CONNECTIONS + limits.SPARE_DESCRIPTORS
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
