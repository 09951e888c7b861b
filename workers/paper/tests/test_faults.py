"""Faults on request: what the caller is told, what the vendor executed, and what is pushed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, List

import pytest

from brokerbus.errors import BadRequest, NotFound, Rejected, Unavailable, UnknownOutcome, Unsupported
from brokerbus.testing.processes import WorkerProcess, this_python, until
from brokerbus_paper.broker import FILE
from brokerbus_paper.faults import Faults, TroubledPushes
from brokerbus_paper.ledger import executed

DAY_MS = 86_400_000


@pytest.fixture
def desk(open_desk: Callable[..., Any]) -> Any:
    """An account that may be troubled."""
    return open_desk(test_controls=True)


def fault(desk: Any, kind: str, **fields: Any) -> Any:
    return desk.broker.raw("fault", {"kind": kind, **fields})


def tags(desk: Any) -> List[str]:
    return [tag for _, tag in executed(f"{desk.host.home}/{FILE}")]


def place(desk: Any, tag: str, price: float = 200) -> str:
    order_id: str = desk.place("US.AAPL", "BUY", 1, price, client_order_id=tag)
    return order_id


# -- calls -----------------------------------------------------------------------------------------
def test_a_lost_answer(desk: Any) -> None:
    """The order exists once, the caller knows nothing, and a look-up by its tag finds it."""
    fault(desk, "lose_answer")
    with pytest.raises(UnknownOutcome):
        place(desk, "acted")
    found = desk.broker.order_by_tag("acted", desk.now)
    assert (tags(desk), found.client_order_id, found.status) == (["acted"], "acted", "SUBMITTED")
    assert place(desk, "next") != found.order_id


def test_a_lost_request(desk: Any) -> None:
    """The caller is told the same, and no order exists."""
    fault(desk, "lose_request")
    with pytest.raises(UnknownOutcome):
        place(desk, "never")
    assert desk.broker.order_by_tag("never", desk.now) is None
    assert tags(desk) == []


def test_a_late_request(desk: Any) -> None:
    """A request that is told as lost and still arrives does so within the time after which absence proves anything."""
    assert desk.broker.absence_proves_after > fault(desk, "late", seconds=0.05)["seconds"]
    with pytest.raises(UnknownOutcome):
        place(desk, "late")
    assert tags(desk) == []
    until(lambda: desk.broker.order_by_tag("late", desk.now), 5, "the late order")


def test_a_hidden_order(desk: Any) -> None:
    """A hidden order is in no look-up and no list until its time has come, and is executed all the same."""
    fault(desk, "hide", seconds=0.3)
    order_id = place(desk, "hidden", 300)
    assert tags(desk) == ["hidden"]
    assert desk.broker.order_by_tag("hidden", desk.now) is None
    assert [*desk.broker.orders(False, None), *desk.broker.fills(None)] == []
    with pytest.raises(NotFound):
        desk.order(order_id)
    until(lambda: desk.broker.order_by_tag("hidden", desk.now), 5, "the hidden order")
    assert len(desk.broker.orders(False, 0)) == len(desk.broker.fills(0)) == 1


def test_faults_meet(desk: Any) -> None:
    """Faults of different kinds strike the same call: a lost answer of an order that shows late."""
    fault(desk, "lose_answer")
    fault(desk, "hide", seconds=0.2)
    with pytest.raises(UnknownOutcome):
        place(desk, "both")
    assert desk.broker.order_by_tag("both", desk.now) is None
    until(lambda: desk.broker.order_by_tag("both", desk.now), 5, "the order")


def test_slow_calls(desk: Any) -> None:
    """A call can be held before and after acting, so that it can be killed or stopped there."""
    for kind, acted in (("slow", []), ("slow_answer", ["slow_answer"])):
        fault(desk, kind, seconds=30)
        threading.Thread(target=place, args=(desk, kind), daemon=True).start()
        until(lambda: not desk.broker.raw("faults", {}), 5, "the fault to strike")
        until(lambda acted=acted: tags(desk) == acted, 5, "what was acted")


def test_readers_fail_without_doubt(desk: Any) -> None:
    """A look-up that is hit raises unavailable: it never answers that there is no order."""
    place(desk, "there")
    for method, ask in (
        ("order_by_tag", lambda: desk.broker.order_by_tag("there", desk.now)),
        ("orders", lambda: desk.broker.orders(False, 0)),
        ("fills", lambda: desk.broker.fills(0)),
    ):
        fault(desk, "lose_answer", method=method)
        with pytest.raises(Unavailable):
            ask()
        ask()


def test_cancel_and_modify_fail_too(desk: Any) -> None:
    """Cancelling and changing can lose request or answer like placing."""
    order_id = place(desk, "one")
    fault(desk, "lose_request", method="cancel_order")
    fault(desk, "lose_answer", method="modify_order")
    with pytest.raises(UnknownOutcome):
        desk.broker.cancel_order(order_id)
    with pytest.raises(UnknownOutcome):
        desk.broker.modify_order(order_id, 2, None)
    assert (desk.order(order_id).status, desk.order(order_id).qty) == ("SUBMITTED", 2)


def test_a_refusal_is_no_fault(desk: Any) -> None:
    """With its answer to be lost an order that the vendor refuses is still refused, and leaves nothing."""
    fault(desk, "lose_answer")
    with pytest.raises(Rejected):
        desk.place("US.NOPE", "BUY", 1, 1)
    assert tags(desk) == []


def test_counts_and_chances(desk: Any) -> None:
    """``times``, ``skip`` and ``probability`` say how often; the same seed draws the same."""
    fault(desk, "lose_request", times=2, skip=1)
    told: Dict[str, str] = {}
    for tag in "abcd":
        try:
            told[tag] = place(desk, tag) and "ok"
        except UnknownOutcome:
            told[tag] = "lost"
    assert told == {"a": "ok", "b": "lost", "c": "lost", "d": "ok"}
    draws = []
    for _ in range(2):
        faults = Faults("seed")
        faults.add({"kind": "slow", "times": None, "probability": 0.5})
        draws.append([bool(faults.strike("place_order", {"slow": ""})) for _ in range(200)])
    assert draws[0] == draws[1]
    assert 60 < sum(draws[0]) < 140


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({}, "fault.kind"),
        ({"kind": "burn"}, "fault.kind"),
        ({"kind": ["slow"]}, "fault.kind"),
        ({"kind": "slow", "method": "quote"}, "fault.method"),
        ({"kind": "hide", "method": "orders"}, "fault.method"),
        ({"kind": "late", "method": "orders"}, "fault.method"),
        ({"kind": "lose_push", "method": "cash"}, "fault.method"),
        ({"kind": "slow", "times": 0}, "fault.times"),
        ({"kind": "slow", "skip": True}, "fault.skip"),
        ({"kind": "slow", "probability": 2}, "fault.probability"),
        ({"kind": "slow", "seconds": float("nan")}, "fault.seconds"),
        ({"kind": "slow", "when": 1}, "fault.when"),
    ],
)
def test_refusals_name_the_field(desk: Any, fields: Dict[str, Any], key: str) -> None:
    """A fault that does not fit is refused in words that begin with its field."""
    with pytest.raises(BadRequest) as refusal:
        desk.broker.raw("fault", fields)
    assert refusal.value.message.startswith(key + ":")


# -- pushes ----------------------------------------------------------------------------------------
def test_pushes_in_trouble() -> None:
    """Pushes are lost, doubled, delayed and overtaken, those of the market never."""
    faults, told = Faults(""), []
    push = TroubledPushes(faults, lambda kind, subject, data: told.append(subject))
    faults.add({"kind": "lose_push"})
    faults.add({"kind": "duplicate_push", "method": "fill"})
    for kind, subject in (("quote", "Q"), ("order", "lost"), ("order", "o"), ("fill", "f")):
        push(kind, subject, {})
    assert told == ["Q", "o", "f", "f"]
    faults.add({"kind": "reorder_push", "seconds": 30})
    push("order", "first", {})
    push("order", "second", {})
    assert told[4:] == ["second", "first"]
    for kind in ("reorder_push", "delay_push"):
        faults.add({"kind": kind, "seconds": 0.05})
        push("order", kind, {})
        until(lambda kind=kind: told[-1] == kind, 5, kind)


def test_pushes_of_the_account(desk: Any) -> None:
    """The account's own order and fill pushes pass through the faults."""
    fault(desk, "duplicate_push", times=2)
    order_id = place(desk, "twice", 300)
    assert [subject for subject, _ in desk.pushed("order")] == [order_id] * 2
    assert [data["fillId"] for _, data in desk.pushed("fill")] == [desk.broker.fills(0)[0].fill_id] * 2


# -- elsewhere -------------------------------------------------------------------------------------
def test_orders_made_elsewhere(desk: Any) -> None:
    """An order past the bus has no clientOrderId and no faults, and is pushed and listed as external."""
    fault(desk, "lose_request")
    placed = desk.broker.raw("vendor_place", {"contract": "US.AAPL", "qty": 2, "price": 228})
    assert desk.pushed("order")[-1][1]["origin"] == "external"
    desk.broker.raw("vendor_move", {"contract": "US.AAPL", "price": 225})
    assert desk.order(placed["orderId"]).is_filled
    assert [fill.order_id for fill in desk.broker.fills(None)] == [placed["orderId"]]
    second = desk.broker.raw("vendor_place", {"contract": "US.AAPL", "qty": 2, "price": 100})
    desk.broker.raw("vendor_cancel", second)
    assert desk.order(second["orderId"]).is_canceled


def test_what_happens_while_the_session_is_down(desk: Any) -> None:
    """Offline nothing is answered and nothing pushed; what happened meanwhile is in the lists afterwards."""
    commands = [{"name": "vendor_place", "params": {"contract": "US.AAPL", "qty": 1, "price": 300}}]
    placed = desk.broker.raw("offline", {"seconds": 0.2, "do": commands})[0]
    with pytest.raises(Unavailable):
        desk.broker.orders(False, 0)
    assert (desk.broker.ping(), desk.pushed("order")) == (False, [])
    until(lambda: desk.host.sessions[-1][0] == "up", 5, "the session")
    assert [state for state, _ in desk.host.sessions] == ["down", "up"]
    assert [fill.order_id for fill in desk.broker.fills(0)] == [placed["orderId"]]


def test_what_happens_while_the_worker_is_down(desk: Any) -> None:
    """A process of its own trades in the account while no worker runs; the next worker lists it."""
    desk.broker.close()
    commands = json.dumps([{"name": "vendor_place", "params": {"contract": "US.AAPL", "qty": 1, "price": 300}}])
    module = [sys.executable, "-m", "brokerbus_paper.elsewhere"]
    done = subprocess.run([*module, desk.host.home, commands], stdout=subprocess.PIPE, check=True, timeout=30)
    desk.reopen()
    assert [fill.order_id for fill in desk.broker.fills(0)] == [json.loads(done.stdout)[0]["orderId"]]


def test_nothing_of_this_without_the_setting(open_desk: Callable[..., Any]) -> None:
    """Without ``test_controls`` raw shows what was executed and refuses all else, and settings take no faults."""
    plain = open_desk()
    order_id = place(plain, "seen")
    assert plain.broker.raw("executed", {}) == [[order_id, "seen"]]
    with pytest.raises(Unsupported, match="test_controls"):
        plain.broker.raw("fault", {"kind": "slow"})
    with pytest.raises(BadRequest, match=r"settings\.faults"):
        open_desk(faults=[{"kind": "slow"}])


def test_unknown_commands(desk: Any) -> None:
    """A command that does not exist, or does not fit, is refused."""
    with pytest.raises(NotFound, match="vendor_place"):
        desk.broker.raw("burn", {})
    for name, params in (
        ("vendor_place", {"contract": "US.AAPL"}),
        ("vendor_place", {"contract": "US.AAPL", "qty": 1, "direction": "UP"}),
        ("offline", {"seconds": -1}),
        ("offline", {"seconds": 1, "do": [{"name": "offline"}]}),
    ):
        with pytest.raises(BadRequest):
            desk.broker.raw(name, params)
    with pytest.raises(NotFound):
        desk.broker.raw("vendor_move", {"contract": "US.NOPE", "price": 1})


# -- processes -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "orders"), [("die_before", 0), ("die_after", 1)])
def test_a_worker_dies_inside_the_call(kind: str, orders: int) -> None:
    """kill -9 inside the vendor's call, before and after acting: the file tells from outside what was executed."""
    settings = {"tick_interval": 0, "test_controls": True}
    with WorkerProcess(this_python("brokerbus_paper"), settings) as worker:
        path = str(worker.home / FILE)
        worker.ready()
        worker.call("raw", {"name": "fault", "params": {"kind": kind}})
        params = {"contract": "US.AAPL", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 1}
        assert worker.code("place_order", {**params, "clientOrderId": "dies"}, timeout=2.0) != "ok"
        assert worker.process.wait(10) == -9
        assert [tag for _, tag in executed(path)] == ["dies"] * orders


# -- complete lists --------------------------------------------------------------------------------
def test_lists_since_are_complete(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``since`` every order and fill is listed, beyond what one answer of the newest holds, up to a limit."""
    monkeypatch.setattr("brokerbus_paper.vendor.LISTED", 2)
    placed = [place(desk, f"t{number}", 300) for number in range(5)]
    assert [order.order_id for order in desk.broker.orders(False, None)] == placed[-2:]
    assert [order.order_id for order in desk.broker.orders(False, desk.now)] == placed
    assert [fill.order_id for fill in desk.broker.fills(desk.now)] == placed
    resting = [place(desk, f"r{number}", 100) for number in range(3)]
    assert [order.order_id for order in desk.broker.orders(True, desk.now)] == resting
    monkeypatch.setattr("brokerbus_paper.vendor.LISTED_SINCE", 4)
    assert len(desk.broker.orders(False, 0)) == len(desk.broker.fills(0)) == 4


def test_old_twins_of_a_tag(desk: Any) -> None:
    """A tag used long before means another order; one placed by a clock that was set back is found."""
    old = place(desk, "again")
    desk.now += 8 * DAY_MS
    assert desk.broker.order_by_tag("again", desk.now) is None
    new = place(desk, "again")
    assert desk.broker.order_by_tag("again", desk.now).order_id == new != old
    assert desk.broker.order_by_tag("again", desk.now + 3_600_000).order_id == new


def test_nothing_executed_without_a_file(tmp_path: Any) -> None:
    """A file that is not there yet holds no orders, and asking makes none."""
    assert executed(str(tmp_path / FILE)) == []
    assert list(tmp_path.iterdir()) == []
