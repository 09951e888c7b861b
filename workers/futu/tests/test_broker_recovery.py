"""Lost answers: what the caller is told at once, and what a look-up by tag finds or proves afterwards."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from broker_support import InProcess, now
from worker_support import US, eventually, needs_sdk

from brokerbus.errors import BusError, NotFound, RateLimited, Rejected, Unavailable, UnknownOutcome

pytestmark = [
    needs_sdk,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # the SDK's own
]

DAY_MS = 86_400_000


def sent(opend: Any, proto: int = 2202) -> List[Dict[str, Any]]:
    return [request["c2s"] for request in opend.control.requests(proto)]


@pytest.fixture
def desk(inside: Callable[..., Any]) -> Any:
    """A broker in SIMULATE."""
    return inside()


def lose(opend: Any, desk: Any, fault: str, tag: str) -> None:
    """Places an order whose answer is lost; the caller is told so at once."""
    opend.control.fault(fault, 2202)
    start = time.monotonic()
    with pytest.raises(UnknownOutcome, match="may have arrived"):
        desk.place(tag)
    assert time.monotonic() - start < 3
    desk.up()


# -- placing ---------------------------------------------------------------------------------------
def test_an_order_is_one_request(opend: Any, desk: Any) -> None:
    """Placing lists the accounts and sends the order; the SDK's look at the new order is left out."""
    opend.control.do("reset_evidence")
    desk.place("one")
    assert [each["proto"] for each in opend.control.evidence()["requests"] if each["proto"] != 1004] == [2001, 2202]


def test_a_failure_before_the_order(opend: Any, desk: Any) -> None:
    """When the account list in front of the order fails, nothing was sent and the caller is told so."""
    opend.control.fault("error", 2001, message="server busy")
    with pytest.raises(Unavailable, match="server busy"):
        desk.place("never")
    opend.control.fault("drop_before", 2001)
    with pytest.raises(Unavailable):
        desk.place("never")
    assert sent(opend) == []


def test_a_failure_after_the_order(opend: Any, desk: Any) -> None:
    """Order lists that fail after the order was taken change nothing: its id is returned."""
    opend.control.fault("error", 2201, times=None, message="no list today")
    order_id = desk.place("listless")
    assert [order["order_id_ex"] for order in opend.control.orders()] == [order_id]


def test_the_words_of_a_time_out_prove_nothing(opend: Any, desk: Any) -> None:
    """A refusal in words of a lost line leaves it open whether the order went on."""
    opend.control.fault("error", 2202, message="request time out")
    with pytest.raises(UnknownOutcome, match="request time out"):
        desk.place("open")


@pytest.mark.parametrize("fault", ["drop_after", "half_frame", "bad_sha1"])
def test_a_lost_answer_is_found_by_tag(opend: Any, desk: Any, fault: str) -> None:
    """An order that was taken, and whose answer was lost, is found by its remark; it is never sent again."""
    before = now()
    lose(opend, desk, fault, "lost")
    [order] = opend.control.orders()
    found = desk.broker.order_by_tag("lost", before)
    assert (found.order_id, found.client_order_id) == (order["order_id_ex"], "lost")
    assert len(sent(opend)) == 1


def test_an_order_that_never_arrived(opend: Any, desk: Any) -> None:
    """None is answered only when each account's list was asked afresh, and the history after it."""
    before = now()
    lose(opend, desk, "drop_before", "never")
    opend.control.do("reset_evidence")
    assert desk.broker.order_by_tag("never", before) is None
    lists = sent(opend, 2201)
    assert len(lists) == len(sent(opend, 2221)) == 3
    assert all(request["refreshCache"] for request in lists)
    assert desk.broker.absence_proves_after >= 13  # the SDK's time-out, checked once a second


def test_an_order_that_shows_late(opend: Any, desk: Any) -> None:
    """An order that is not in the lists yet is not found, and found once it is: sooner than absence proves anything."""
    opend.control.do("set", hide_orders=1.0)
    before = now()
    lose(opend, desk, "drop_after", "late")
    assert desk.broker.order_by_tag("late", before) is None
    eventually(lambda: desk.broker.order_by_tag("late", before), 5)


def test_a_look_up_that_cannot_be_made(opend: Any, desk: Any) -> None:
    """A list that fails, that is limited, or a session that is down raises: never is it taken for absence."""
    for proto, words, expected in (
        (2201, "server busy", Rejected),
        (2221, "server busy", Rejected),
        (2221, "too frequent", RateLimited),
        (2201, "time out", Unavailable),
    ):
        opend.control.fault("error", proto, message=words)
        with pytest.raises(expected):
            desk.broker.order_by_tag("any", now())
    opend.control.do("stop_listening")
    with pytest.raises(Unavailable):
        desk.broker.order_by_tag("any", now())


def test_the_vendors_limit_is_no_absence(opend: Any, inside: Callable[..., Any]) -> None:
    """Within the vendor's limits only so many lists can be fresh: beyond them a look-up is refused, with the time."""
    desk = inside(pace=1)
    for _ in range(10):
        assert desk.broker.order_by_tag("any", now()) is None
    with pytest.raises(RateLimited) as refusal:
        desk.broker.order_by_tag("any", now())
    assert refusal.value.retry_after > 10


def test_an_early_look_spares_the_limits(opend: Any, inside: Callable[..., Any]) -> None:
    """While absence proves nothing yet, looks beyond half of the limit cost none of it, and still find the order."""
    desk = inside(pace=1)
    opend.control.do("set", hide_orders=0.5)
    before = now()
    lose(opend, desk, "drop_after", "spared")
    look = lambda: asked(lambda: desk.broker.order_by_tag("spared", before))  # noqa: E731
    told = [look() for _ in range(12)]
    assert told[:3] == [None] * 3
    assert isinstance(told[-1], Unavailable)
    assert told[-1].retry_after <= 1.0
    eventually(lambda: getattr(look(), "client_order_id", "") == "spared", 5)


def test_polls_leave_room_for_look_ups(opend: Any, inside: Callable[..., Any]) -> None:
    """However often lists are read on a link, what looks for an order finds room; a new link is read in whole."""
    desk = inside(pace=1)
    since = now() - 1000
    order_id = desk.place("polled")
    for _ in range(20):
        assert [order.order_id for order in desk.broker.orders(False, since)] == [order_id]
        assert desk.broker.fills(since) == []
    for _ in range(4):
        assert desk.broker.order_by_tag("other", since) is None
    links = desk.broker._session.require()
    opend.control.do("drop")
    eventually(lambda: desk.broker._session.up and desk.broker._session.require() is not links)
    eventually(lambda: asked(lambda: desk.broker.order_by_tag("other", since)), pause=0)
    with pytest.raises(RateLimited):
        desk.broker.orders(False, since)


def test_an_order_of_days_ago(opend: Any, desk: Any) -> None:
    """A restarted worker finds an order of an earlier day by its tag; one from before the tag's time is another."""
    order_id = desk.place("old", price=500.0)
    opend.control.do("age", order_id=order_id, days=3)
    desk.restart()
    assert desk.broker.order_by_tag("old", now() - 4 * DAY_MS).order_id == order_id
    assert desk.broker.order_by_tag("old", now()) is None


def asked(act: Callable[[], Any]) -> Any:
    """What a call came to: its answer or its error."""
    try:
        return act()
    except BusError as error:
        return error


def timed(act: Callable[[], Any]) -> Any:
    """What a call came to, and after how many seconds."""
    start = time.monotonic()
    return asked(act), time.monotonic() - start


# -- changing --------------------------------------------------------------------------------------
def test_changing(opend: Any, desk: Any) -> None:
    """Quantity and price of an order can be changed, one or both; what is not named stays as it is."""
    order_id = desk.place("change", qty=2, price=1.5)
    desk.broker.modify_order(order_id, 5, None)
    desk.broker.modify_order(order_id, None, 1.25)
    changed = desk.broker.order(order_id)
    assert (changed.qty, changed.price) == (5, 1.25)
    desk.broker.modify_order(order_id, 7, 2)
    assert [(each["modifyOrderOp"], each["qty"], each["price"]) for each in sent(opend, 2205)] == [
        (1, 5, 1.5),
        (1, 5, 1.25),
        (1, 7, 2),
    ]


def test_changes_that_are_refused(opend: Any, desk: Any) -> None:
    """The vendor's no is rejected, an order that is not there not_found, and nothing is sent for it."""
    filled = desk.place("filled", price=500.0)
    with pytest.raises(Rejected, match="cannot be modified"):
        desk.broker.modify_order(filled, 5, None)
    with pytest.raises(NotFound):
        desk.broker.modify_order("no-such-order", 5, None)
    assert len(sent(opend, 2205)) == 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost answer of a change is looked for during a second."""
    monkeypatch.setattr("brokerbus_futu.orders.CONFIRM_SECONDS", 1.0)


@pytest.mark.usefixtures("impatient")
def test_changes_whose_answer_is_lost(opend: Any, desk: Any) -> None:
    """A change that was applied shows in the order and is done; one that was not is unknown_outcome within seconds."""
    order_id = desk.place("cut")
    opend.control.fault("drop_after", 2205)
    desk.broker.modify_order(order_id, 3, None)
    opend.control.fault("drop_before", 2205)
    start = time.monotonic()
    with pytest.raises(UnknownOutcome):
        desk.broker.modify_order(order_id, 4, None)
    assert time.monotonic() - start < 3
    assert desk.broker.order(order_id).qty == 3


@pytest.mark.usefixtures("impatient")
def test_a_cut_cancellation(opend: Any, desk: Any) -> None:
    """A cancellation cut after it was applied is confirmed by the order; cut before it, it is unknown_outcome."""
    order_id, second = desk.place("one"), desk.place("two")
    opend.control.fault("drop_after", 2205)
    desk.broker.cancel_order(order_id)
    opend.control.fault("drop_before", 2205)
    with pytest.raises(UnknownOutcome):
        desk.broker.cancel_order(second)
    assert len(sent(opend, 2205)) == 2


# -- lists -----------------------------------------------------------------------------------------
def test_an_order_placed_long_ago_and_changed_now(opend: Any, desk: Any) -> None:
    """An order that ends while the worker is down is listed by its change, however long ago it was placed."""
    order_id = desk.place("gtc", time_in_force="GTC")
    opend.control.do("age", order_id=order_id, days=40)
    desk.broker.close()
    down = now()
    opend.control.do("fill", order_id=order_id, price=0.9)
    desk.start()
    assert desk.broker.orders(False, now() + 1000) == []  # which must not narrow what is read for an earlier time
    [order] = desk.broker.orders(False, down)
    assert (order.order_id, order.is_filled) == (order_id, True)
    assert [fill.order_id for fill in desk.broker.fills(down)] == [order_id]


def test_later_lists_read_no_more_than_they_must(opend: Any, desk: Any) -> None:
    """The first list since a time reads all of the history, the next from the oldest open order on."""
    order_id = desk.place("open")
    opend.control.do("reset_evidence")
    for _ in range(2):
        assert [order.order_id for order in desk.broker.orders(False, now() - 60_000)] == [order_id]
    starts = [each["filterConditions"]["beginTime"][:10] for each in sent(opend, 2221)]
    days = [(time.time() - time.mktime(time.strptime(start, "%Y-%m-%d"))) / 86_400 for start in starts]
    assert min(days[:3]) > 80
    assert max(days[3:]) < 5


def test_todays_orders_and_older_ones(opend: Any, desk: Any) -> None:
    """Without a time today's orders and the open ones are listed, with one everything since; executions likewise."""
    open_id, done_id = desk.place("rests"), desk.place("fills", "HK.00700", qty=100, price=500.0)
    old_id = desk.place("is-old", "SH.600519", qty=100, price=1600.0)
    opend.control.do("age", order_id=old_id, days=3)
    assert [order.order_id for order in desk.broker.orders(True, None)] == [open_id]
    assert {order.order_id for order in desk.broker.orders(False, None)} == {open_id, done_id}
    assert {order.order_id for order in desk.broker.orders(False, 0)} == {open_id, done_id, old_id}
    assert {fill.order_id for fill in desk.broker.fills(None)} == {done_id}
    assert {fill.order_id for fill in desk.broker.fills(0)} == {done_id, old_id}
    assert desk.broker.order(old_id).is_filled


def test_orders_made_elsewhere(opend: Any, desk: Any) -> None:
    """What was done in the vendor's own app while the link was down is listed, with its executions."""
    desk.broker.close()
    down = now()
    made = opend.control.do("place", acc_id=US, code="US.AAPL", side="BUY", qty=2, price=500.0)["order_id_ex"]
    desk.start()
    [order] = desk.broker.orders(False, down)
    assert (order.order_id, order.client_order_id, order.is_filled) == (made, "", True)
    assert sum(fill.qty for fill in desk.broker.fills(down)) == 2


@pytest.mark.parametrize(("fault", "orders"), [("die_before", 0), ("die_after", 1)])
def test_opend_dies_in_mid_order(tmp_path: Path, fault: str, orders: int) -> None:
    """An OpenD that is killed inside the call, before and after acting, comes back, and tells what it had taken."""
    from brokerbus_futu.simulator import SimulatorProcess
    from brokerbus_futu.simulator.state import executed

    words = ["--seed", "1", "--state", str(tmp_path / "state")]
    with SimulatorProcess(words=words) as opend:
        desk = InProcess(opend.port, str(tmp_path))
        try:
            before = now()
            opend.control.fault(fault, 2202)
            with pytest.raises(UnknownOutcome):
                desk.place("dies")
            assert [tag for _, tag in executed(words[-1])] == ["dies"] * orders
            with SimulatorProcess(words=words, port=opend.port):
                desk.up()
                found = desk.broker.order_by_tag("dies", before)
                assert (found is not None) == bool(orders)
        finally:
            desk.broker.close()


# -- no answer at all -----------------------------------------------------------------------------
@pytest.fixture(scope="module", autouse=True)
def begun() -> Iterator[Dict[str, Any]]:
    """Two orders and a cancellation that OpenD never answers, begun before the tests that need not wait for them."""
    from brokerbus_futu.simulator import SimulatorProcess

    with SimulatorProcess(words=["--seed", "1"]) as opend, tempfile.TemporaryDirectory() as home:
        desk = InProcess(opend.port, home)
        found: Dict[str, Any] = {"opend": opend, "desk": desk, "before": now(), "threads": []}
        resting = desk.place("rests")
        calls = {
            "swallowed": ("swallow", 2202, lambda: desk.place("swallowed")),
            "applied": ("no_answer", 2202, lambda: desk.place("applied")),
            "cancel": ("no_answer", 2205, lambda: desk.broker.cancel_order(resting)),
        }
        for name, (fault, proto, act) in calls.items():
            count = len(sent(opend, proto))
            opend.control.fault(fault, proto)
            thread = threading.Thread(target=lambda name=name, act=act: found.update({name: timed(act)}))
            found["threads"].append(thread)
            thread.start()
            eventually(lambda proto=proto, count=count: len(sent(opend, proto)) > count)
        eventually(lambda: desk.pushed("order", resting)[-1]["isCanceled"])
        found["early"] = desk.broker.order_by_tag("applied", found["before"])
        yield found
        desk.broker.close()


@pytest.fixture
def silent(begun: Dict[str, Any]) -> Dict[str, Any]:
    """What the calls came to that OpenD never answered: the SDK waits 12 s."""
    for thread in begun["threads"]:
        thread.join(30)
    return begun


def test_a_swallowed_order(silent: Any) -> None:
    """An order that OpenD never answers is unknown_outcome once the SDK gives up, and then not found."""
    answer, seconds = silent["swallowed"]
    assert isinstance(answer, UnknownOutcome)
    assert 11.5 < seconds < silent["desk"].broker.absence_proves_after
    assert silent["desk"].broker.order_by_tag("swallowed", silent["before"]) is None


def test_an_order_without_answer(silent: Any) -> None:
    """An order that OpenD took without an answer is unknown_outcome, and was known by its push long before."""
    assert isinstance(silent["applied"][0], UnknownOutcome)
    [order] = [each for each in silent["opend"].control.orders() if each["remark"] == "applied"]
    assert silent["early"].order_id == order["order_id_ex"]


def test_a_cancellation_without_answer(silent: Any) -> None:
    """A cancellation whose answer is missing counts as asked for once the order says so itself."""
    assert silent["cancel"][0] is None
    assert silent["cancel"][1] < 14
