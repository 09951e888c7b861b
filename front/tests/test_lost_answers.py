"""Answers that get lost on their way: an HTTP client sees one right answer, and the worker one clientOrderId."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from front_support import ONE, Answer, Front, running, wait_for
from test_httptrading import ORDER

from brokerbus import limits

V1_ORDER = {"contract": "US.AAPL", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 10.5}


def old(front: Front, tag: str) -> Answer:
    return front.ask("POST", front.path("order/place"), json.dumps({**ORDER, "clientOrderId": tag}).encode())


def new(front: Front, tag: str) -> Answer:
    return front.v1("POST", "/orders", V1_ORDER, headers={"Idempotency-Key": tag})


def behind(call: Callable[[], Answer]) -> tuple[threading.Thread, list[Answer]]:
    """A call in a thread, and where its answer will be."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


def tags(front: Front) -> list[str]:
    return [request["params"]["clientOrderId"] for request in front.seen() if request["method"] == "place_order"]


def test_a_worker_killed_in_mid_order(home: Path) -> None:
    """On both surfaces the answer comes from the next worker, which is asked under the same id and deadline."""
    with running(home, (ONE,)) as front:
        for ask, tag in ((old, "die_once"), (new, "Die_Once")):
            started = time.monotonic()
            thread, answers = behind(lambda ask=ask, tag=tag: ask(front, tag))
            front.workers[ONE].wait(10)
            front.start_worker(ONE)
            thread.join(10)
            assert answers[0].json["orderId"] == "o1"
            assert answers[0].json["clientOrderId"] == tag
            (again,) = front.seen()
            assert again["params"]["clientOrderId"] == tag
            assert again["deadline"] - started < limits.ORDER_SECONDS + 0.5, "the deadline is the first try's"


def test_an_order_that_finds_no_worker_waits_for_one(home: Path) -> None:
    """An order that comes while its worker restarts is placed when it is back."""
    with running(home) as front:
        thread, answers = behind(lambda: new(front, "c1"))
        wait_for(lambda: front.connections() >= 2, "the order to wait")
        front.start_worker(ONE)
        thread.join(10)
        assert (answers[0].status, tags(front)) == (201, ["c1"])


def test_an_outcome_that_the_worker_does_not_know_yet(front: Front) -> None:
    """`unknown_outcome` from a live worker is asked again until it knows."""
    for ask, tag in ((old, "unsure_once"), (new, "Unsure_Once")):
        assert ask(front, tag).json["orderId"] == "o1"
        assert tags(front)[-2:] == [tag, tag]


def test_a_broker_that_is_away_is_told_at_once(front: Front) -> None:
    """`unavailable` from a live worker is no restart: it is the answer, with its Retry-After (R11)."""
    old(front, "c1")
    started = time.monotonic()
    assert old(front, "DOWN").json["ex"] == "unavailable: the broker's session is down"
    answer = new(front, "DOWN")
    assert (answer.status, answer.headers["retry-after"]) == (503, "4")
    assert time.monotonic() - started < 0.5


def test_the_clients_own_twin(front: Front) -> None:
    """A clientOrderId that is in flight already is a conflict at once: 409, or ex."""
    answer = new(front, "TWIN")
    assert (answer.status, answer.json["code"], answer.json["info"]) == (409, "conflict", {"reason": "in_flight"})
    assert answer.headers["retry-after"] == "1"
    assert old(front, "TWIN").json["ex"].startswith("conflict: ")


def test_a_client_that_goes_away(home: Path) -> None:
    """An order whose client has left goes on: it is asked for until the worker has it."""
    with running(home, (ONE,)) as front:
        body = json.dumps({**ORDER, "clientOrderId": "die_once"}).encode()
        head = f"POST {front.path('order/place')} HTTP/1.1\r\nHost: x\r\nHT-TOKEN: Vt5UCW2sLBvgPXjR\r\n"
        with front.connect() as connection:
            connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            front.workers[ONE].wait(10)
        front.start_worker(ONE)
        wait_for(lambda: tags(front) == ["die_once"], "the order to be asked for again")
        assert "Traceback" not in front.log


def test_a_lost_cancel(home: Path) -> None:
    """A cancel whose answer was lost with its worker is asked for again; a change is told as unknown at once."""
    with running(home, (ONE,)) as front:
        thread, answers = behind(lambda: front.v1("DELETE", "/orders/die_once"))
        front.workers[ONE].wait(10)
        front.start_worker(ONE)
        thread.join(10)
        assert (answers[0].status, answers[0].json) == (202, {"canceled": True})
        answer = front.v1("PATCH", "/orders/DIE", {"qty": 2})
        assert (answer.status, answer.json["code"], answer.json["info"]) == (504, "unknown_outcome", {"orderId": "DIE"})
