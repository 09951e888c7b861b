"""Workers that lie, hang and die: what the caller is told is true (R4, R5), and other instances do not notice."""

import json
import threading
import time
from pathlib import Path

from front_support import ONE, OTHER_TOKEN, TWO, Front, running, wait_for
from test_httptrading import ORDER

from brokerbus_front import limits

QUOTE = "market/quote?tradeType=Securities&region=US&symbol="


def place(front: Front, whim: str) -> dict:
    return front.post("order/place", json.dumps({**ORDER, "clientOrderId": whim}).encode())


def test_no_worker(home: Path) -> None:
    """Without a worker a read is unavailable at once, an order after a restart's time; it does not go out later."""
    with running(home) as front:
        started = time.monotonic()
        assert front.get(QUOTE + "AAPL")["ex"].startswith("unavailable: ")
        assert time.monotonic() - started < 1
        assert place(front, "c1")["ex"].startswith("unavailable: ")
        assert time.monotonic() - started < limits.RESTART_SECONDS + 2
        front.start_worker(ONE)
        assert front.get("ping/state")["pong"] is True
        assert [request["method"] for request in front.seen()] == ["ping"]


def test_garbage_and_strays_are_dropped(front: Front) -> None:
    """Unreadable replies and answers to nothing asked are passed over; the right answer is taken."""
    for whim in ("GARBAGE", "STRAY"):
        assert front.get(QUOTE + whim)["quote"]["latest"] == 1.0


def test_a_late_answer_is_taken_and_holds_up_nobody(front: Front) -> None:
    """While one answer takes 500 ms, other requests to the same worker are answered at once."""
    late: list[dict] = []
    thread = threading.Thread(target=lambda: late.append(front.get(QUOTE + "LATE")))
    thread.start()
    started = time.monotonic()
    assert front.get("ping/state")["pong"] is True
    assert time.monotonic() - started < 0.4
    thread.join(10)
    assert late[0]["quote"]["latest"] == 1.0


def test_an_answer_of_the_wrong_shape(front: Front) -> None:
    """A quote that is none is an internal error; an order's answer that cannot be read is asked for again."""
    assert front.get(QUOTE + "MISFIT")["ex"].startswith("internal: ")
    before = len(front.seen())
    assert place(front, "MISFIT_ONCE")["orderId"] == "o1"
    first, second = front.seen()[before:]
    assert (first["params"], first["deadline"]) == (second["params"], second["deadline"])


def test_numbers_that_are_none(front: Front) -> None:
    """NaN and Infinity from a worker are null in JSON."""
    quote = front.get(QUOTE + "NAN")["quote"]
    assert (quote["latest"], quote["highPrice"]) == (None, None)


def test_a_reply_that_would_blow_up(front: Front) -> None:
    """A reply of a million empty maps is dropped before it becomes objects; the worker serves on."""
    before = front.rss()
    with_deadline = threading.Thread(target=front.get, args=(QUOTE + "HUGE",), daemon=True)
    with_deadline.start()
    assert front.get("ping/state")["pong"] is True
    assert front.rss() - before < 10_000_000


def test_the_brokers_no(front: Front) -> None:
    """A rejection comes with the broker's words."""
    assert place(front, "REFUSED")["ex"] == "rejected: no cash"


def test_a_worker_that_dies_in_flight(home: Path) -> None:
    """When a worker dies in mid-call a read is unavailable at once; meanwhile the other instance answers.

    The dead one serves as soon as its worker is back.
    """
    with running(home, (ONE, TWO)) as front:
        started = time.monotonic()
        assert front.get(QUOTE + "DIE")["ex"].startswith("unavailable: ")
        assert time.monotonic() - started < 1
        assert front.ask("GET", front.path("ping/state", TWO), token=OTHER_TOKEN).json["pong"] is True
        front.stop_worker(ONE)
        front.start_worker(ONE)
        wait_for(lambda: front.get("ping/state").get("pong") is True, "the instance to serve again")
