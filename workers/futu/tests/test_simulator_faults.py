"""Shows what each fault of the simulator does to the unmodified SDK."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from simulator_support import (
    US,
    Orders,
    Proto,
    Simulator,
    futu,
    ok,
    opened,
    quote_context,
    ready_for_pushes,
    refused,
    wait_until,
)

SIMULATED = {"trd_env": "SIMULATE", "acc_id": US}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the SDK's own


@pytest.fixture
def desk():
    yield from opened(ready_for_pushes)


@pytest.fixture
def quotes():
    yield from opened(quote_context)


def place(desk, remark, price=300.0, qty=1):
    return desk.place_order(price, qty, "US.AAPL", "BUY", remark=remark, **SIMULATED)


def remarks(desk):
    return [order["remark"] for order in desk.sim.orders()]


def test_drop_before_applying(desk):
    """The call in flight ends with 'Disconnect' at once and no order exists."""
    desk.sim.fault("drop_before", Proto.PLACE_ORDER)
    assert "Disconnect" in refused(place(desk, "lost"))
    assert remarks(desk) == []


def test_drop_after_applying(desk):
    """The call ends with the same 'Disconnect', yet the order exists."""
    desk.sim.fault("drop_after", Proto.PLACE_ORDER)
    assert "Disconnect" in refused(place(desk, "there"))
    assert remarks(desk) == ["there"]


def test_swallow_and_applied_but_unanswered(desk):
    """Both time out and look the same to the SDK; only one of the orders exists, found by its remark."""
    desk._query_timeout = 1  # the SDK's is 12 s
    desk.sim.fault("swallow", Proto.PLACE_ORDER)
    desk.sim.fault("no_answer", Proto.PLACE_ORDER)
    answers = {}
    threads = [
        threading.Thread(target=lambda tag=tag: answers.update({tag: place(desk, tag)})) for tag in ("first", "second")
    ]
    for thread, seen in zip(threads, (1, 2)):
        thread.start()
        wait_until(lambda seen=seen: desk.sim.evidence()["counts"].get("2202") == seen, "the order to arrive")
    for thread in threads:
        thread.join(20)
    assert all("Timeout" in refused(answer) for answer in answers.values())
    assert list(ok(desk.order_list_query(refresh_cache=True, **SIMULATED))["remark"]) == ["second"]
    assert [request["c2s"]["remark"] for request in desk.sim.evidence(proto=2202)["requests"]] == ["first", "second"]


def test_delays(desk):
    """delay applies at once, delay_apply only when it answers; both answers come late but well."""
    desk.sim.fault("delay", Proto.PLACE_ORDER, seconds=0.6)
    thread = threading.Thread(target=lambda: ok(place(desk, "applied")))
    started = time.monotonic()
    thread.start()
    wait_until(lambda: remarks(desk) == ["applied"], "the order", timeout=0.5)
    thread.join(5)
    assert time.monotonic() - started >= 0.6
    desk.sim.fault("delay_apply", Proto.PLACE_ORDER, seconds=0.6)
    thread = threading.Thread(target=lambda: ok(place(desk, "waiting")))
    thread.start()
    wait_until(lambda: desk.sim.evidence()["counts"]["2202"] == 2, "the request")
    assert remarks(desk) == ["applied"]
    thread.join(5)
    assert remarks(desk) == ["applied", "waiting"]


def test_errors(desk):
    """error refuses without applying, error_after applies and still says no."""
    desk.sim.fault("error", Proto.PLACE_ORDER, message="system busy")
    assert refused(place(desk, "a")) == "system busy"
    desk.sim.fault("error_after", Proto.PLACE_ORDER, message="system busy")
    assert refused(place(desk, "b")) == "system busy"
    assert remarks(desk) == ["b"]


def test_wrong_digest(quotes):
    """A wrong digest is noticed by the SDK and only that call fails."""
    quotes.sim.fault("bad_sha1", Proto.SNAPSHOT)
    assert "sha" in refused(quotes.get_market_snapshot(["US.AAPL"]))
    ok(quotes.get_market_snapshot(["US.AAPL"]))


def test_split_frames(quotes):
    """An answer that comes byte by byte is put together, and what follows it stays in order."""
    quotes.sim.fault("split", Proto.MARKET_STATE, times=2)
    for _ in range(2):
        assert ok(quotes.get_market_state(["US.AAPL"])).iloc[0]["market_state"] == "AFTERNOON"
    ok(quotes.get_global_state())


def test_half_a_frame(quotes):
    """Half an answer and a cut end the call with a disconnect."""
    quotes.sim.fault("half_frame", Proto.SNAPSHOT)
    assert "Disconnect" in refused(quotes.get_market_snapshot(["US.AAPL"]))


def test_times_skip_and_clear(quotes):
    """A fault lets `skip` requests pass, hits `times`, and is gone; clear removes what is left."""
    quotes.sim.fault("error", Proto.SNAPSHOT, skip=1, times=1)
    results = [quotes.get_market_snapshot(["US.AAPL"])[0] for _ in range(3)]
    assert results == [futu.RET_OK, futu.RET_ERROR, futu.RET_OK]
    assert [(hit["kind"], hit["proto"]) for hit in quotes.sim.evidence()["faults"]] == [("error", 3203)]
    quotes.sim.fault("error", times=None)
    refused(quotes.get_global_state())
    assert quotes.sim.clear() == 1
    ok(quotes.get_global_state())
    with pytest.raises(ValueError, match="proto of a fault wants a number"):
        quotes.sim.fault("error", "2202")
    with pytest.raises(ValueError, match="no fault 'nonsense'"):
        quotes.sim.fault("nonsense")


def test_push_faults(desk):
    """Pushes are left out, doubled, and reordered; the orders themselves are right."""
    orders = Orders()
    desk.set_handler(orders)
    desk.sim.fault("suppress_push", Proto.UPDATE_ORDER, times=3)
    ok(place(desk, "silent"))
    desk.sim.fault("duplicate_push", Proto.UPDATE_ORDER, times=1)
    ok(place(desk, "double"))
    wait_until(lambda: orders.statuses("double") == [2, 2, 5, 11], "a doubled push")
    desk.sim.fault("reorder_push", Proto.UPDATE_ORDER, times=1)
    ok(place(desk, "swapped"))
    wait_until(lambda: orders.statuses("swapped") == [5, 2, 11], "a reordered push")
    assert orders.statuses("silent") == []
    assert [order["status"] for order in desk.sim.orders()] == ["FILLED_ALL"] * 3


def test_hidden_orders(desk):
    """An accepted order is kept out of the lists for a while: an empty list does not prove that none was placed."""
    desk.sim.do("set", hide_orders=0.5)
    ok(place(desk, "late"))
    assert len(ok(desk.order_list_query(**SIMULATED))) == 0
    wait_until(lambda: len(ok(desk.order_list_query(**SIMULATED))) == 1, "the order to appear")


# -- what waits for the SDK's pauses of 6 s ---------------------------------------------------------
def late_listener():
    with Simulator(seed=1) as sim:
        port = sim.port
        sim.do("stop_listening")
        built: list = []
        thread = threading.Thread(target=lambda: built.append(futu.OpenQuoteContext("127.0.0.1", port)), daemon=True)
        thread.start()
        thread.join(0.3)
        assert not built
        sim.do("listen")
        quotes = wait_until(lambda: built, "the constructor to return", timeout=15)[0]
        quotes.set_sync_query_connect_timeout(0.5)
        ok(quotes.subscribe(["US.AAPL"], ["TICKER"]))
        sim.fault("error", Proto.SUB)
        assert sim.do("stop_listening", seconds=0.5) == 1
        wait_until(lambda: quotes.status != "READY", "the SDK to notice")
        assert "Connect timeout" in refused(quotes.get_global_state())
        wait_until(lambda: quotes.status == "READY", "the SDK to reconnect", timeout=15)
        wait_until(lambda: not sim.do("faults"), "the failed resubscription")
        ok(quotes.get_global_state())
        assert ok(quotes.query_subscription())["total_used"] == 0
        quotes.close()


def refused_then_mute():
    with Simulator(seed=1) as sim:
        sim.fault("error", Proto.INIT_CONNECT, message="not now")
        built: list = []
        port = sim.port
        thread = threading.Thread(target=lambda: built.append(futu.OpenQuoteContext("127.0.0.1", port)), daemon=True)
        thread.start()
        wait_until(lambda: sim.evidence()["counts"].get("1001") == 1, "the first try")
        assert not built
        wait_until(lambda: built, "the second try, 6 s later", timeout=15)
        assert sim.evidence()["counts"]["1001"] == 2
        built[0].close()
        sim.fault("mute")
        threading.Thread(target=lambda: futu.OpenQuoteContext("127.0.0.1", port), daemon=True).start()
        wait_until(lambda: not sim.do("faults"), "the muted connection")
        assert sim.evidence()["counts"]["1001"] == 2


@pytest.fixture(scope="module", autouse=True)
def begun():
    """Both begin before the other tests, which need not wait for them."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield {act: pool.submit(act) for act in (late_listener, refused_then_mute)}


def test_listener_that_comes_late_and_goes_and_returns(begun):
    """A constructor waits for an absent OpenD; calls while it is gone fail; it comes back with its subscriptions.

    The resubscription that fails once leaves the SDK READY without subscriptions, as a real failure would.
    """
    begun[late_listener].result(40)


def test_init_connect_faults_and_mute(begun):
    """InitConnect refused at the start, then a link that says nothing: the constructor goes on trying."""
    begun[refused_then_mute].result(40)
