"""Orders through real worker processes that are killed: one answer, one order, no lie."""

from __future__ import annotations

import os
import resource
import threading
import time

import msgpack
import pytest
import zmq

from brokerbus import errors
from brokerbus.client import BlockingClient
from brokerbus.model import Order
from brokerbus.testing.processes import until


def order(symbol="AAPL", **changes):
    base = {"contract": f"US.{symbol}", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 1.0}
    return {**base, **changes}


def placed(worker, timeout=10.0, **params):
    return worker.call("place_order", order(**params), timeout=timeout)


def test_the_same_id_gets_the_same_answer_over_restarts(worker):
    """Byte for byte, in the same worker and after kill -9; the broker is asked once (R6)."""
    first = placed(worker, clientOrderId="a")
    assert first == {"orderId": "1", "clientOrderId": "a"}
    assert placed(worker, clientOrderId="a", qty=1.0) == first
    worker.kill()
    worker.start()
    worker.ready()
    assert placed(worker, clientOrderId="a") == first
    assert worker.executed() == ["a"]


def test_another_content_under_the_same_id_is_a_conflict(worker):
    """Every field counts; the detail says that it is the content (R6)."""
    placed(worker, clientOrderId="a")
    for change in ({"qty": 2}, {"price": 2.0}, {"direction": "SELL"}, {"timeInForce": "GTC"}, {"symbol": "MSFT"}):
        with pytest.raises(errors.Conflict) as raised:
            placed(worker, clientOrderId="a", **change)
        assert raised.value.detail == {"reason": "content", "orderId": "1"}
    assert worker.executed() == ["a"]


def test_a_refusal_is_the_answer_for_ever_and_a_not_sent_is_not(worker):
    """A rejected id stays rejected in the same words; an id of which nothing was sent may be used again."""
    for _ in range(2):
        with pytest.raises(errors.Rejected, match="buying power") as raised:
            placed(worker, clientOrderId="r", symbol="REJECT")
        assert raised.value.detail == {"code": "1001"}
    assert worker.code("place_order", order("REFUSE", clientOrderId="n")) == "rate_limited"
    assert placed(worker, clientOrderId="n")["clientOrderId"] == "n"


def test_a_hundred_duplicates_at_once_are_one_order(worker):
    """While the first is in flight the others are conflicts, afterwards they get its answer (R6)."""
    codes = []

    def ask():
        with BlockingClient(worker.run_dir, worker.instance) as client:
            try:
                client.call("place_order", order("SLEEP-0.3", clientOrderId="d"), timeout=10)
                codes.append("ok")
            except errors.BusError as error:
                codes.append(error.code + ":" + str(error.detail.get("reason")))

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 100
    assert set(codes) <= {"ok", "conflict:in_flight"}
    assert "ok" in codes
    assert worker.executed() == ["d"]
    assert placed(worker, clientOrderId="d", symbol="SLEEP-0.3")["orderId"] == "1"


def test_a_lost_answer_is_looked_up_and_told_to_the_same_caller(worker):
    """The broker acted and did not answer: the caller gets the order's id, found by its tag (R7)."""
    start = time.monotonic()
    assert placed(worker, clientOrderId="lost", symbol="LOSE") == {"orderId": "1", "clientOrderId": "lost"}
    assert time.monotonic() - start < 2
    assert worker.executed() == ["lost"]


def test_an_exception_of_the_broker_proves_nothing(worker):
    """A defect in the broker's code after the order went out is looked up like any lost answer."""
    assert placed(worker, clientOrderId="x", symbol="RAISE")["orderId"] == "1"
    assert worker.executed() == ["x"]


def test_what_provably_never_arrived_is_sent_once_more_in_time(worker):
    """Nothing at the broker after the grace time: sent again while the deadline holds, else expired."""
    start = time.monotonic()
    assert worker.code("place_order", order("DROP", clientOrderId="drop"), timeout=1.2) == "unknown_outcome"
    assert time.monotonic() - start < 1.5
    until(lambda: worker.status()["unknown"] == 0, 5, "the outcome known")
    assert worker.executed() == []
    assert placed(worker, clientOrderId="drop")["clientOrderId"] == "drop"


@pytest.mark.parametrize(("symbol", "times"), [("DIE", 1), ("DIE-BEFORE", 0)])
def test_a_worker_that_dies_in_the_call_knows_afterwards(worker, symbol, times):
    """Killed inside the SDK call, after or before acting: the next worker answers the same id rightly (R7)."""
    code = worker.code("place_order", order(symbol, clientOrderId="x", qty=1), timeout=1.0)
    assert code in ("unknown_outcome", "unavailable")
    worker.process.wait(5)
    assert len(worker.executed()) == times
    (worker.home / "hidden").touch()
    worker.start()
    worker.ready()
    until(lambda: worker.status()["unknown"] == 1, 5, "an unknown outcome in the status")
    assert worker.code("order", {"clientOrderId": "x"}) == "unknown_outcome"
    (worker.home / "hidden").unlink()
    if times:
        assert placed(worker, clientOrderId="x", symbol=symbol, timeout=10)["orderId"] == "1"
    until(lambda: worker.status()["unknown"] == 0, 10, "the outcome known")
    assert len(worker.executed()) == times


def test_a_person_may_resolve_what_the_broker_cannot(worker):
    """An open id is resolved by an order id or by the word that there is none; a settled one is not."""
    (worker.home / "hidden").touch()
    for tag in ("p", "q"):
        assert worker.code("place_order", order("DROP", clientOrderId=tag), timeout=0.3) == "unknown_outcome"
    assert worker.call("resolve_order", {"clientOrderId": "p", "orderId": "77"})["orderId"] == "77"
    assert placed(worker, clientOrderId="p", symbol="DROP") == {"orderId": "77", "clientOrderId": "p"}
    assert worker.call("resolve_order", {"clientOrderId": "q", "neverSent": True})["orderId"] is None
    assert worker.code("resolve_order", {"clientOrderId": "p", "orderId": "78"}) == "bad_request"
    assert worker.code("resolve_order", {"clientOrderId": "nobody", "orderId": "1"}) == "not_found"
    assert worker.code("resolve_order", {"clientOrderId": "p"}) == "bad_request"


def test_halt_stops_orders_over_restarts_and_cancel_goes_on(worker):
    """halted for place and modify, not for cancel and reading; kept over kill -9; resume ends it."""
    placed(worker, clientOrderId="a")
    assert worker.call("halt", {"reason": "a storm"}) == {"halted": True, "reason": "a storm"}
    for _ in range(2):
        assert worker.code("place_order", order(clientOrderId="b")) == "halted"
        assert worker.code("modify_order", {"orderId": "1", "qty": 2}) == "halted"
        assert worker.call("cancel_order", {"orderId": "1"}) == {"canceled": True}
        assert placed(worker, clientOrderId="a")["orderId"] == "1"
        assert worker.status()["halted"] == "a storm"
        worker.kill()
        worker.start()
        worker.ready()
    assert worker.call("resume") == {"halted": False, "reason": None}
    assert placed(worker, clientOrderId="b")["orderId"] == "2"


def test_a_full_disk_refuses_orders_and_heals(worker):
    """No room for the journal: orders unavailable, not sent; reading goes on; it heals without a restart (R16)."""
    placed(worker, clientOrderId="before")
    unlimited = resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    assert worker.code("place_order", order(clientOrderId="full")) == "unavailable"
    assert worker.code("quote", {"contract": "US.AAPL"}) == "ok"
    assert worker.executed() == ["before"]
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert placed(worker, clientOrderId="full")["orderId"] == "2"


def test_a_disk_that_fills_during_the_call_hides_no_order(worker):
    """The order went out and its outcome cannot be journaled: the caller is told its id, never 'not sent' (R5, R16)."""
    answers = []
    asked = threading.Thread(target=lambda: answers.append(_code(worker, "SLEEP-0.6", "k")))
    asked.start()
    until(lambda: worker.executed() == ["k"], 5, "the order inside the broker")
    unlimited = resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    asked.join()
    assert answers == ["ok"]
    assert worker.code("orders") == "ok"
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert placed(worker, clientOrderId="k", symbol="SLEEP-0.6")["orderId"] == "1"
    assert worker.executed() == ["k"]


def _code(worker, symbol, tag):
    with BlockingClient(worker.run_dir, worker.instance) as client:
        try:
            client.call("place_order", order(symbol, clientOrderId=tag), timeout=10)
        except errors.BusError as error:
            return error.code
    return "ok"


def test_absence_is_counted_from_the_end_of_the_call(worker):
    """A call that takes longer than the grace time, and a request that leaves at its end: one order, not two."""
    assert placed(worker, clientOrderId="late", symbol="LATE") == {"orderId": "1", "clientOrderId": "late"}
    until(lambda: worker.status()["unknown"] == 0, 5, "nothing unknown")
    assert worker.executed() == ["late"]


def test_a_known_id_is_answered_while_the_broker_is_down(worker):
    """A settled id gets its answer, an open one unknown_outcome; only a new one is unavailable (R6)."""
    placed(worker, clientOrderId="settled")
    (worker.home / "hidden").touch()
    assert worker.code("place_order", order("DROP", clientOrderId="open"), timeout=0.3) == "unknown_outcome"
    worker.call("raw", {"name": "session", "params": {"state": "down", "reason": "cut"}})
    assert placed(worker, clientOrderId="settled")["orderId"] == "1"
    assert worker.code("place_order", order("DROP", clientOrderId="open"), timeout=0.3) == "unknown_outcome"
    assert worker.code("place_order", order(clientOrderId="new"), timeout=0.3) == "unavailable"
    assert worker.code("order", {"clientOrderId": "open"}) == "unknown_outcome"


def report(worker, kind, data):
    params = {"kind": kind, "subject": data["orderId"], "data": data}
    worker.call("raw", {"name": "report", "params": params})


def events(worker, after=0):
    got = worker.call("replay", {"cursor": after})
    return [(push["cursor"], push["kind"], push["data"]) for push in got["pushes"]]


def test_reports_are_journaled_once_and_never_go_backwards(worker):
    """Twice, late and out of order: one event for each change, executions known by their id, no order re-opened."""
    states = [Order("9", "USD", 10, filled) for filled in (0, 4, 4, 0, 10, 4)]
    for state in states:
        report(worker, "order", state.to_map())
    fill = {"fillId": "f1", "orderId": "9", "qty": 4, "price": 1.0}
    for _ in range(3):
        report(worker, "fill", fill)
    until(lambda: len(events(worker)) == 4, 5, "four events")
    got = events(worker)
    assert [data.get("filledQty") for _, kind, data in got if kind == "order"] == [0, 4, 10]
    assert [data["fillId"] for _, kind, data in got if kind == "fill"] == ["f1"]
    assert {data["origin"] for _, kind, data in got if kind == "order"} == {"external"}
    assert [cursor for cursor, _, _ in got] == [1, 2, 3, 4]
    worker.kill()
    worker.start()
    worker.ready()
    assert events(worker)[:4] == got
    assert worker.call("replay", {"cursor": 3})["gap"] is False


def test_an_invented_cancel_is_not_believed(worker):
    """A push that calls an open order cancelled is checked with the broker first, which knows better."""
    placed(worker, clientOrderId="a")
    report(worker, "order", Order("1", "USD", 1, is_canceled=True, client_order_id="a").to_map())
    report(worker, "fill", {"fillId": "f", "orderId": "1", "qty": 1, "price": 1.0})
    until(lambda: [kind for _, kind, _ in events(worker)][-1:] == ["fill"], 5, "the report after it")
    assert not [data for _, kind, data in events(worker) if kind == "order" and data["isCanceled"]]
    assert worker.call("order", {"orderId": "1"})["isCanceled"] is False


def test_what_happened_while_the_worker_was_down_appears_after_it(worker):
    """Orders made elsewhere, and those whose worker died, are events with a cursor after the restart."""
    worker.kill()
    with (worker.home / "orders").open("a") as vendor:
        vendor.write("made-elsewhere\n")
    worker.start()
    worker.ready()
    until(lambda: events(worker), 5, "the event")
    ((cursor, kind, data),) = events(worker)
    assert (cursor, kind, data["clientOrderId"], data["origin"]) == (1, "order", "made-elsewhere", "external")


def test_order_events_are_pushed_with_their_cursor(worker):
    """A placement's order appears on the PUB socket with cursor, origin bus and its clientOrderId."""
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.setsockopt(zmq.RCVTIMEO, 5000)
    sub.setsockopt(zmq.SUBSCRIBE, f"{worker.instance}/".encode())
    sub.connect(f"ipc://{worker.run_dir}/{worker.instance}.pub")
    sub.recv_multipart()
    placed(worker, clientOrderId="mine")
    while True:
        topic, body = sub.recv_multipart()
        push = msgpack.unpackb(body)
        if push["kind"] == "order" and push["data"]["clientOrderId"] == "mine":
            break
    assert topic == f"{worker.instance}/order/1/".encode()
    assert (push["cursor"], push["data"]["origin"]) == (1, "bus")
    sub.close(0)
    context.term()


def test_orders_are_answered_by_id_and_by_client_id(worker):
    """order takes either id; a rejected id answers its rejection, an unknown one not_found."""
    placed(worker, clientOrderId="a")
    assert worker.call("order", {"orderId": "1"})["clientOrderId"] == "a"
    assert worker.call("order", {"clientOrderId": "a"})["orderId"] == "1"
    assert worker.code("place_order", order("REJECT", clientOrderId="r")) == "rejected"
    assert worker.code("order", {"clientOrderId": "r"}) == "rejected"
    assert worker.code("order", {"clientOrderId": "nobody"}) == "not_found"
    assert [got["orderId"] for got in worker.call("orders")] == ["1"]
    assert worker.call("fills") == []


def test_the_journal_is_private(worker):
    """The file and its companions are 0600 (S1)."""
    placed(worker, clientOrderId="a")
    files = list(worker.state_dir.glob("*.sqlite3*"))
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    assert os.path.basename(files[0]).startswith(worker.instance)


def test_an_accepted_order_is_there_before_the_vendor_shows_it(worker):
    """While the vendor's lists hide it, the order is answered as it was asked for, never not_found (R3)."""
    tag = placed(worker, clientOrderId="mine", qty=3)["clientOrderId"]
    (worker.home / "orders").write_text("")  # the vendor's list has forgotten it for now
    until(lambda: events(worker), 5, "its event")
    for params in ({"orderId": "1"}, {"clientOrderId": tag}):
        seen = worker.call("order", params)
        assert (seen["orderId"], seen["qty"], seen["origin"], seen["isCompleted"]) == ("1", 3, "bus", False)
    assert [got["orderId"] for got in worker.call("orders")] == ["1"]
