"""The asyncio client against real workers and against one that answers wrongly."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import msgpack
import pytest
import zmq

from brokerbus import errors
from brokerbus.client import Client
from brokerbus.testing.processes import until


def run(scenario, worker):
    """Runs an async scenario with a connected client."""

    async def wrapped():
        client = Client(worker.run_dir, worker.instance)
        try:
            return await scenario(client)
        finally:
            client.close()

    return asyncio.run(wrapped())


ORDER = {"contract": "US.SLEEP-5", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 1.0}


async def connected(client):
    while True:
        try:
            return await client.call("status")
        except errors.Unavailable:
            await asyncio.sleep(0.01)


async def code(awaitable):
    try:
        await awaitable
    except errors.BusError as error:
        return error.code
    return "ok"


def test_many_calls_in_flight_get_their_own_answers(worker):
    """200 calls at once on one socket: each caller gets the answer to its own question."""

    async def scenario(client):
        await connected(client)
        calls = [client.call("raw", {"name": "echo", "params": {"n": n}}) for n in range(200)]
        assert await asyncio.gather(*calls) == [{"n": n} for n in range(200)]
        assert client.strays == 0

    run(scenario, worker)


def test_a_killed_worker_fails_what_is_in_flight_at_once(worker):
    """kill -9 of the worker: a read in flight is unavailable, an order unknown_outcome, both within 0.5 s."""

    async def scenario(client):
        await connected(client)
        read = asyncio.ensure_future(code(client.call("quote", {"contract": "US.SLEEP-5"})))
        order = asyncio.ensure_future(code(client.call("place_order", ORDER)))
        await asyncio.get_running_loop().run_in_executor(None, until, worker.executed)
        start = time.monotonic()
        worker.process.kill()
        assert await asyncio.gather(read, order) == ["unavailable", "unknown_outcome"]
        assert time.monotonic() - start < 0.5
        worker.process.wait()
        assert await code(client.call("quote", {"contract": "US.AAPL"})) == "unavailable"

    run(scenario, worker)


def test_a_new_worker_is_found_by_the_same_client(worker):
    """After kill -9 and a new start the client reaches the new worker by itself."""

    async def scenario(client):
        await connected(client)
        worker.kill()
        worker.start()
        assert (await connected(client))["pid"] == worker.process.pid

    run(scenario, worker)


def test_a_stopped_worker_is_given_up_at_the_deadline(worker):
    """SIGSTOP: the caller is answered within 100 ms of its deadline; what comes later is a stray, not an answer."""

    async def scenario(client):
        await connected(client)
        os.kill(worker.process.pid, signal.SIGSTOP)
        start = time.monotonic()
        assert await code(client.call("quote", {"contract": "US.AAPL"}, deadline=start + 0.2)) == "unavailable"
        assert time.monotonic() - start < 0.3
        os.kill(worker.process.pid, signal.SIGCONT)
        assert (await client.call("quote", {"contract": "US.AAPL"}))["latest"] == 1.5
        assert client.strays == 1

    run(scenario, worker)


def test_no_worker_is_unavailable_at_once(worker):
    """Without a worker nothing leaves the process: unavailable in milliseconds, not at the deadline."""
    worker.kill()

    async def scenario(client):
        start = time.monotonic()
        assert await code(client.call("place_order", ORDER)) == "unavailable"
        assert time.monotonic() - start < 0.05

    run(scenario, worker)


def test_an_expired_deadline_sends_nothing(worker):
    """A deadline that has passed is expired without a request."""

    async def scenario(client):
        await connected(client)
        assert await code(client.call("place_order", ORDER, deadline=time.monotonic() - 1)) == "expired"
        assert worker.executed() == []

    run(scenario, worker)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xc1", msgpack.packb({"v": 1, "id": "someone else's", "ok": True, "result": 1}), msgpack.packb([])],
)
def test_a_wrong_answer_is_nobodys(tmp_path_factory, answer):
    """Garbage and answers with a foreign id are counted and dropped; the caller learns at its deadline."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bb-") as run_dir:
        context = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.bind(f"ipc://{run_dir}/i.req")

        def answer_wrongly():
            frames = router.recv_multipart()
            router.send_multipart([*frames[:-1], answer])

        thread = threading.Thread(target=answer_wrongly)
        thread.start()

        async def scenario():
            client = Client(run_dir, "i")
            await asyncio.wait_for(client.ready(), 5)
            outcome = await code(client.call("place_order", ORDER, deadline=time.monotonic() + 0.3))
            assert (outcome, client.strays) == ("unknown_outcome", 1)
            client.close()

        asyncio.run(scenario())
        thread.join()
        router.close(0)
        context.term()


def test_the_blocking_client_takes_no_late_answer_for_its_own(worker):
    """After a time-out the next call gets its own answer, not the late one of the call before."""
    assert worker.code("raw", {"name": "echo", "params": {"n": 0}}, timeout=-1) == "expired"
    os.kill(worker.process.pid, signal.SIGSTOP)
    assert worker.code("raw", {"name": "echo", "params": {"n": 1}}, timeout=0.1) == "unavailable"
    os.kill(worker.process.pid, signal.SIGCONT)
    assert worker.call("raw", {"name": "echo", "params": {"n": 2}}) == {"n": 2}
    until(lambda: worker.status()["inflight"] == 0, what="nothing in flight")
