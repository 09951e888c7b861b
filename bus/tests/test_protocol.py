"""The protocol in raw bytes, against a real worker: what any language would send, and get."""

from __future__ import annotations

import threading
import time

import msgpack
import pytest
import zmq

from brokerbus import limits
from brokerbus.testing.processes import until

PING = b"\x84\xa1v\x01\xa2id\xa11\xa6method\xa4ping\xa6params\x80"
PONG = b"\x84\xa1v\x01\xa2id\xa11\xa2ok\xc3\xa6result\x81\xa4pong\xc3"


@pytest.fixture
def connect(worker):
    """Makes sockets of any kind, connected to the worker's request socket."""
    context = zmq.Context()
    sockets = []

    def make(kind, **options):
        sock = context.socket(kind)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.RCVTIMEO, 5000)
        for name, value in options.items():
            sock.setsockopt(getattr(zmq, name), value)
        sock.connect(f"ipc://{worker.run_dir}/{worker.instance}.req")
        sockets.append(sock)
        return sock

    yield make
    for sock in sockets:
        sock.close(0)
    context.term()


def test_a_req_client_in_bytes(connect):
    """A plain REQ socket: 26 bytes go out, 25 come back."""
    req = connect(zmq.REQ)
    req.send(PING)
    assert req.recv() == PONG


def test_a_dealer_client_in_bytes(connect):
    """A DEALER sends the empty delimiter and gets it back."""
    dealer = connect(zmq.DEALER)
    dealer.send_multipart([b"", PING])
    assert dealer.recv_multipart() == [b"", PONG]


def test_a_proxys_envelope_comes_back(connect):
    """Frames before the delimiter are the caller's address and are returned as they were."""
    dealer = connect(zmq.DEALER)
    dealer.send_multipart([b"hop-1", b"hop-2", b"", PING])
    assert dealer.recv_multipart() == [b"hop-1", b"hop-2", b"", PONG]


def test_answers_may_come_out_of_order(connect):
    """A quick call overtakes a slow one on the same socket; the ids tell them apart."""
    dealer = connect(zmq.DEALER)
    slow = {"v": 1, "id": "slow", "method": "quote", "params": {"contract": "US.SLEEP-0.5"}}
    quick = {"v": 1, "id": "quick", "method": "quote", "params": {"contract": "US.AAPL"}}
    for request in (slow, quick):
        dealer.send_multipart([b"", msgpack.packb(request)])
    assert [msgpack.unpackb(dealer.recv_multipart()[1])["id"] for _ in range(2)] == ["quick", "slow"]


@pytest.mark.parametrize(
    ("frames", "request_id"),
    [
        ([b"", b""], ""),
        ([b"", b"\xc1"], ""),
        ([b"", b"\x90"], ""),
        ([b"", b"\x82\xa1v\x02\xa2id\xa17"], "7"),
        ([b"", b"\x82\xa1v\x01\xa2id\xa17"], "7"),
        ([b"", PING, b"one frame too many"], ""),
        ([b""], ""),
        ([b"", PING[:-1]], ""),
        ([b"", b"\x85" + PING[1:] + b"\xa1v\x01"], ""),
        ([b"", b"\x84\xa1v\x01\xa2id\xa17\xa6method\xa5quote\xa6params\x81\xa1x\xcb\x7f\xf8\0\0\0\0\0\0"], ""),
    ],
)
def test_each_malformed_request_gets_one_bad_request(connect, frames, request_id):
    """One coded reply to each malformed request, and the worker serves the next."""
    dealer = connect(zmq.DEALER)
    dealer.send_multipart(frames)
    *_, delimiter, body = dealer.recv_multipart()
    reply = msgpack.unpackb(body)
    assert delimiter == b""
    assert (reply["v"], reply["id"], reply["ok"], reply["error"]["code"]) == (1, request_id, False, "bad_request")
    dealer.send_multipart([b"", PING])
    assert dealer.recv_multipart() == [b"", PONG]


def test_a_request_without_delimiter_is_answered_without(connect):
    """A peer that sends a bare body is told what was expected."""
    dealer = connect(zmq.DEALER)
    dealer.send(PING)
    reply = msgpack.unpackb(dealer.recv())
    assert reply["error"] == {"code": "bad_request", "message": "expected the frames: empty, body"}


def test_a_body_over_one_mebibyte_ends_the_connection_only(connect, worker):
    """ZeroMQ cuts off who sends more than 1 MiB; everyone else is served on."""
    connect(zmq.DEALER).send_multipart([b"", b"x" * (limits.MAX_BODY_BYTES + 1)])
    req = connect(zmq.REQ)
    req.send(PING)
    assert req.recv() == PONG


def test_a_deadline_in_the_past_is_expired(connect):
    """The deadline is this host's CLOCK_MONOTONIC; a request that is late is not started."""
    dealer = connect(zmq.DEALER)
    request = {"v": 1, "id": "1", "method": "quote", "params": {"contract": "US.AAPL"}, "deadline": time.monotonic()}
    dealer.send_multipart([b"", msgpack.packb(request)])
    assert msgpack.unpackb(dealer.recv_multipart()[1])["error"]["code"] == "expired"


def test_garbage_from_many_peers_harms_nobody(connect, worker):
    """Peers that send random frames at once: the worker's memory and its other callers do not notice (S3, short)."""
    before = _resident(worker.process.pid)
    threads = [threading.Thread(target=_garbage, args=(connect(zmq.DEALER), seed)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert worker.call("ping") == {"pong": True}
    for thread in threads:
        thread.join()
    assert worker.call("quote", {"contract": "US.AAPL"})["latest"] == 1.5
    assert _resident(worker.process.pid) - before < 10 * 1024 * 1024


def noise(source):
    return bytes(source.randrange(256) for _ in range(source.randrange(200)))


def _garbage(sock, seed):
    import random

    source = random.Random(seed)
    sock.setsockopt(zmq.SNDTIMEO, 5000)
    for _ in range(500):
        sock.send_multipart([b"", *(noise(source) for _ in range(source.randrange(1, 4)))])


def _resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def test_pushes_are_numbered_per_topic(worker):
    """Topic and body of each push; seq counts from 1 per topic, and status names the newest of each."""
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.setsockopt(zmq.RCVTIMEO, 5000)
    sub.setsockopt(zmq.SUBSCRIBE, f"{worker.instance}/".encode())
    sub.connect(f"ipc://{worker.run_dir}/{worker.instance}.pub")
    topic, body = sub.recv_multipart()  # a status: the subscription is live
    assert topic == f"{worker.instance}/status//".encode()
    worker.call("raw", {"name": "push", "params": {"count": 3, "subject": "US.AAPL"}})
    worker.call("raw", {"name": "push", "params": {"count": 1, "subject": "US.MSFT"}})
    got, last = [], {}
    while f"{worker.instance}/tick/US.MSFT/" not in last:
        topic, body = sub.recv_multipart()
        push = msgpack.unpackb(body)
        if push["kind"] == "status":
            last.update(push["data"]["last"])
        else:
            got.append((topic.decode(), push["seq"], push["data"]))
    ticks = [(f"{worker.instance}/tick/US.AAPL/", n + 1, {"n": n}) for n in range(3)]
    assert got == [*ticks, (f"{worker.instance}/tick/US.MSFT/", 1, {"n": 0})]
    assert last == {f"{worker.instance}/tick/US.AAPL/": 3, f"{worker.instance}/tick/US.MSFT/": 1}
    assert set(push) == {"v", "instance", "kind", "subject", "epoch", "seq", "ts", "data"}
    sub.close(0)
    context.term()


def test_whatever_a_broker_pushes_the_publisher_lives(worker):
    """A push that is no map, or holds NaN or what cannot be packed, is cleaned or dropped; the next one goes out."""
    before = worker.status()["dropped"]
    worker.call("raw", {"name": "push-garbage"})
    until(lambda: worker.status()["dropped"] == before + 2, 5, "two dropped pushes")
    worker.call("raw", {"name": "push"})
    until(lambda: worker.status()["lastPushAge"] is not None, 5, "a push after them")


def test_status_goes_out_each_second_and_at_every_change(worker):
    """Two statuses are 1 s apart; a session that goes down is told at once."""
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.setsockopt(zmq.RCVTIMEO, 5000)
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    sub.connect(f"ipc://{worker.run_dir}/{worker.instance}.pub")
    first, second = (msgpack.unpackb(sub.recv_multipart()[1]) for _ in range(2))
    assert 0.8e9 < second["ts"] - first["ts"] < 1.5e9
    assert {"state", "session", "inflight", "subscriptions", "lastPushAge", "last"} <= set(second["data"])
    start = time.monotonic()
    worker.call("raw", {"name": "session", "params": {"state": "down", "reason": "the gateway closed"}})
    while msgpack.unpackb(sub.recv_multipart()[1])["data"]["session"] != "down":
        pass
    assert time.monotonic() - start < 0.5
    sub.close(0)
    context.term()


def test_sockets_are_private_whatever_the_umask(worker):
    """No other user can connect: the sockets are 0700 (S1)."""
    for ending in ("req", "pub"):
        assert (worker.run_dir / f"{worker.instance}.{ending}").stat().st_mode & 0o077 == 0
