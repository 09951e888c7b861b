"""Huge, slow and hostile clients: bounded memory, bounded time, and others do not notice (S3, S4, S6)."""

import http.client
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from front_support import ONE, TOKEN, Front, read_all, running
from test_httptrading import ORDER

from brokerbus_front import limits

PLACE = f"POST /httptrading/api/{ONE}/order/place HTTP/1.1\r\nHost: x\r\nHT-TOKEN: {TOKEN}\r\n".encode()
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
MEGABYTE = 1024 * 1024


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def flood(front: Front, head: bytes, piece: bytes, count: int) -> int:
    """Sends a head and up to ``count`` pieces; the status of the answer, 0 when cut off without one."""
    with front.connect() as connection:
        try:
            connection.sendall(head)
            for _ in range(count):
                connection.sendall(piece)
        except OSError:
            pass
        return status(read_all(connection))


FLOODS: dict[str, Callable[[Front], int]] = {
    "200 MB body": lambda front: flood(front, PLACE + b"Content-Length: 200000000\r\n\r\n", b"x" * MEGABYTE, 200),
    "200 MB chunked": lambda front: flood(
        front, PLACE + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b"x" * MEGABYTE + b"\r\n", 200
    ),
    "21 MB of []": lambda front: flood(front, PLACE + b"Content-Length: 21000000\r\n\r\n", b"[]," * 350_000, 20),
    "12 MB of headers": lambda front: flood(front, PLACE, b"X-%d: y\r\n" * 1000, 1700),
    "12 MB in one header": lambda front: flood(front, PLACE + b"X: ", b"y" * 65536, 190),
    "12 MB of path": lambda front: flood(front, b"GET /", b"y" * 65536, 190),
    "12 MB of trailers": lambda front: flood(
        front, PLACE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000, 200
    ),
    "12 MB of chunk extension": lambda front: flood(
        front, PLACE + b"Transfer-Encoding: chunked\r\n\r\n1;a=", b"y" * 65536, 190
    ),
    "body for a stranger": lambda front: flood(
        front, b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000, 200
    ),
}
MEANT = {
    "200 MB body": 413,
    "21 MB of []": 413,
    "12 MB of headers": 431,
    "12 MB in one header": 431,
    "12 MB of path": 431,
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_cut(front: Front, name: str) -> None:
    """Whatever comes in masses is refused with 413 or 431 or cut, and the front does not grow."""
    front.get("ping/state")
    before = front.rss()
    found = FLOODS[name](front)
    assert found in ((MEANT[name], 0) if name in MEANT else (413, 431, 405, 200, 0)), found
    assert front.rss() - before < 10 * MEGABYTE
    assert front.get("ping/state")["pong"] is True


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (PLACE + b"Content-Length: 1048577\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 33_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 33_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
)
def test_refusals_are_problems(front: Front, head: bytes, wanted: int) -> None:
    """A refused head is answered with a problem at once, and the connection closed."""
    started = time.monotonic()
    answer = front.raw(head)
    assert status(answer) == wanted, answer
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer
    assert time.monotonic() - started < limits.LINGER_SECONDS + 2 * limits.SWEEP_SECONDS + 1


def test_a_head_just_small_enough(front: Front) -> None:
    """32 KiB of headers are served, with a body behind them in the same packet."""
    padding = b"X: " + b"y" * (limits.MAX_HEAD_BYTES - 600) + b"\r\n"
    body = b'{"orderId":"o1"}'
    head = PLACE.replace(b"order/place", b"order/cancel") + padding + b"Connection: close\r\n"
    answer = front.raw(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert b'"canceled":true' in answer


def test_a_pipeline_is_answered_in_order_and_bounded(front: Front) -> None:
    """A few requests sent ahead are all answered; thousands are not taken."""
    few = LIVE * 10 + LIVE.replace(b"Host", b"Connection: close\r\nHost")
    assert front.raw(few).count(b"HTTP/1.1 200") == 11
    before = front.rss()
    assert front.raw(LIVE * 20_000).count(b"HTTP/1.1") < 200
    assert front.rss() - before < 10 * MEGABYTE


def test_keep_alive_and_one_answer_after_another(front: Front) -> None:
    """A connection serves request after request, also with a body that nobody reads."""
    with front.connect() as connection:
        for request, wanted in (
            (LIVE, 200),
            (b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 404),
            (PLACE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
            (LIVE, 200),
        ):
            connection.sendall(request)
            with http.client.HTTPResponse(connection) as answer:
                answer.begin()
                assert answer.read()
                assert answer.status == wanted


def test_an_order_never_looks_refused(front: Front) -> None:
    """An order with garbage behind it on the same connection gets its own answer, no 400 that would pass for it."""
    body = json.dumps({**ORDER, "clientOrderId": "LATE"}).encode()
    for garbage in (b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n"):
        front.get("ping/state")  # the worker is past whatever the tests before asked of it
        answer = front.raw(PLACE + b"Content-Length: %d\r\n\r\n" % len(body) + body + garbage)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b'"orderId":"o1"' in answer


def test_an_upgrade_is_a_plain_request(front: Front) -> None:
    """A WebSocket handshake on a route of httptrading's is answered like any GET, as at 1.0.8."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    assert front.get("ping/state", headers=headers)["pong"] is True
    assert front.ask("GET", "/v1/ws", headers=headers).status == 401


def dribble(front: Front, head: bytes, drop: bytes, until: float) -> float:
    """Sends a drop every half second until the front closes; when that was."""
    with front.connect() as connection:
        connection.sendall(head)
        connection.settimeout(0.5)
        while time.monotonic() < until and not closed_after(connection, drop):
            pass
        return time.monotonic()


def closed_after(connection: socket.socket, drop: bytes) -> bool:
    try:
        return not connection.recv(65536)
    except TimeoutError:
        pass
    except OSError:
        return True
    try:
        connection.sendall(drop)
    except OSError:
        return True
    return False


def health_seconds(front: Front) -> float:
    """How long /health takes on a connection of its own."""
    asked = time.monotonic()
    assert front.ask("GET", "/health").status == 200
    return time.monotonic() - asked


def slowest_of_a_hundred(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98]


def test_slow_clients_are_closed(home: Path, certificate: tuple[str, str]) -> None:
    """Silent and dribbling connections, TLS handshakes too, are all closed within 10 s while /health stays quick."""
    kinds = [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET / HT", b""),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (PLACE + b"Content-Length: 1000\r\n\r\n", b""),
        (PLACE + b"Content-Length: 1000\r\n\r\n", b"x"),
        (PLACE + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", b"X: y\r\n"),
    ]
    (home / "tls").mkdir()
    with running(home) as front, running(home / "tls", tls_cert=certificate[0], tls_key=certificate[1]) as tls:
        quiet = slowest_of_a_hundred([health_seconds(front) for _ in range(100)])
        silent = [tls.connect(), *(front.connect() for _ in range(400))]
        started = time.monotonic()
        closed: list[float] = []
        dribblers = [
            threading.Thread(
                target=lambda head, drop: closed.append(dribble(front, head, drop, started + 15)), args=kind
            )
            for kind in kinds * 3
        ]
        for thread in dribblers:
            thread.start()
        latencies = []
        while time.monotonic() < started + 6:
            latencies.append(health_seconds(front))
            time.sleep(0.02)
        for thread in dribblers:
            thread.join(20)
        for connection in silent:
            connection.settimeout(max(0.1, started + 10 - time.monotonic()))
            assert connection.recv(1) == b""
            connection.close()
        assert max(closed) - started < 10
        assert slowest_of_a_hundred(latencies) < max(0.05, 3 * quiet), "a busy machine slows both, slow clients one"


def test_a_client_that_never_reads_is_cut(home: Path) -> None:
    """A client that asks and asks and takes no answer loses its connection."""
    with running(home) as front, front.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(limits.SEND_SECONDS + 8)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        started = time.monotonic()
        try:
            while time.monotonic() - started < limits.SEND_SECONDS + 10:
                connection.sendall(request)
        except OSError:
            pass  # cut
        assert time.monotonic() - started < limits.SEND_SECONDS + 5


def test_garbage_leaves_no_trace(front: Front) -> None:
    """Random bytes make no traceback and no line in the log."""
    before = front.log
    for size in range(1, 200, 7):
        with front.connect() as connection:
            connection.sendall(os.urandom(size) + b"\r\n\r\n")
            read_all(connection)
    assert front.log == before
