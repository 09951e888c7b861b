"""Every execution once, whatever shows it: pushes in any order, lists, reconnects, restarts."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest
from broker_support import now
from hypothesis import given, settings
from hypothesis import strategies as st
from worker_support import PASSWORD_MD5, eventually, needs_sdk

from brokerbus.contract import parse
from brokerbus.errors import Unavailable
from brokerbus.model import Order
from brokerbus_futu.progress import Progress

real_sdk = [
    needs_sdk,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # the SDK's own
]


def state(total: float, average: float, order_id: str = "F1", at: int = 1000) -> Order:
    return Order(
        order_id, "USD", 100, total, average, contract=parse("US.AAPL"), direction="BUY", updated_at=at,
        client_order_id="tag",
    )  # fmt: skip


@pytest.fixture
def open_progress(tmp_path: Path) -> Iterator[Callable[..., Progress]]:
    """Opens the steps in one file, as often as asked; closes them."""
    opened: List[Progress] = []

    def make(name: str = "fills") -> Progress:
        opened.append(Progress(str(tmp_path / name)))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


# -- steps -----------------------------------------------------------------------------------------
def test_steps_of_an_order(open_progress: Callable[..., Progress]) -> None:
    """Each state adds what it is further than the last, at the price that the average implies."""
    progress = open_progress()
    assert progress.note([state(0, 0)]) == []
    [first], [second] = progress.note([state(1, 229.5)]), progress.note([state(3, (229.5 + 2 * 229) / 3, at=2000)])
    assert (first.fill_id, first.qty, first.price, first.timestamp) == ("F1-1", 1, 229.5, 1000)
    assert (second.fill_id, second.qty, second.price, second.timestamp) == ("F1-3", 2, 229.0, 2000)
    assert progress.note([state(3, 229.2), state(1, 229.5)]) == []  # again, and late
    assert progress.fills([state(3, 229.2)]) == [first, second]
    assert (second.client_order_id, second.direction) == ("tag", "BUY")


def test_an_order_that_is_listed_twice(open_progress: Callable[..., Progress]) -> None:
    """In two lists at once, in two states, an order counts by the one that is further."""
    progress = open_progress()
    [only] = progress.note([state(2, 100), state(3, 100), state(1, 100)])
    assert (only.fill_id, only.qty) == ("F1-3", 3)
    assert progress.fills([state(3, 100)]) == [only]


def test_steps_are_kept(open_progress: Callable[..., Progress], tmp_path: Path) -> None:
    """After a restart what was told keeps its id and size, and only what is new is added."""
    [first] = open_progress().note([state(0.1, 10)])
    again = open_progress()
    [second] = again.note([state(0.3, 10)])
    assert [(fill.fill_id, fill.qty) for fill in (first, second)] == [("F1-0.1", 0.1), ("F1-0.3", 0.2)]
    assert again.fills([state(0.3, 10)]) == [first, second]
    assert (tmp_path / "fills").stat().st_mode & 0o777 == 0o600


def test_an_average_that_cannot_be(open_progress: Callable[..., Progress]) -> None:
    """An average that would imply a price below zero is the price itself; without one there is none."""
    progress = open_progress()
    progress.note([state(2, 100)])
    [odd] = progress.note([state(3, 10)])
    [none] = progress.note([state(1, 0, "F2")])
    assert (odd.price, none.price) == (10, None)


def test_a_file_that_cannot_be_written(open_progress: Callable[..., Progress], tmp_path: Path) -> None:
    """Executions that cannot be kept are not told either: they are told once they can be."""
    progress = open_progress("missing/fills")
    with pytest.raises(Unavailable):
        progress.note([state(1, 1)])
    (tmp_path / "missing").mkdir()
    assert len(progress.note([state(1, 1)])) == 1


def test_a_file_of_a_later_version(open_progress: Callable[..., Progress], tmp_path: Path) -> None:
    """A file written by a later version is refused in words."""
    with sqlite3.connect(tmp_path / "fills") as file:
        file.execute("PRAGMA user_version = 9")
    file.close()
    with pytest.raises(Unavailable, match="expected version 1, found 9"):
        open_progress().note([state(1, 1)])


lots = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 50_000)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(lots, st.randoms(use_true_random=False))
def test_any_order_of_arrival_adds_up(parts: List[Tuple[int, int]], chance: Any) -> None:
    """States told in any order, any number of times, over restarts, give executions that sum to the order's own."""
    states, total, paid = [], 0, 0.0
    for qty, cents in parts:
        total, paid = total + qty, paid + qty * cents / 100
        states.append(state(total, paid / total))
    told = [chance.choice(states) for _ in range(2 * len(states))] + [states[-1]]
    restarts = [chance.random() < 0.3 for _ in told]
    fills = []
    with tempfile.TemporaryDirectory() as folder:
        progress = Progress(folder + "/fills")
        for one, restart in zip(told, restarts):
            fills += progress.note([one])
            if restart:
                progress.close()
                progress = Progress(folder + "/fills")
        progress.close()
    assert sum(fill.qty for fill in fills) == total
    assert len({fill.fill_id for fill in fills}) == len(fills)
    assert all(fill.price > 0 for fill in fills)


# -- against OpenD ---------------------------------------------------------------------------------
class OpenD:
    """Marks for tests with the SDK."""

    pytestmark = real_sdk


@pytest.fixture(params=[True, False], ids=["deals", "no-deals"])
def desk(request: Any, opend: Any, inside: Callable[..., Any]) -> Any:
    """A SIMULATE broker whose orders fill at the test's word, with deals and without as at the vendor."""
    opend.control.do("set", simulate_deals=request.param, auto_fill=False)
    return inside()


def fill(opend: Any, order_id: str, *parts: Tuple[float, float]) -> None:
    for qty, price in parts:
        opend.control.do("fill", order_id=order_id, qty=qty, price=price)


class TestAgainstOpenD(OpenD):
    """The broker on the real SDK."""

    def test_pushes_and_lists_agree(self, opend: Any, desk: Any) -> None:
        """Each execution is pushed once, and listed afterwards under the same id with the same numbers."""
        order_id = desk.place("two", qty=3, price=230.0)
        fill(opend, order_id, (1, 229.5), (2, 229.0))
        eventually(lambda: len(desk.pushed("fill")) == 2)
        assert [(each["qty"], each["price"], each["clientOrderId"]) for each in desk.pushed("fill")] == [
            (1, 229.5, "two"),
            (2, 229.0, "two"),
        ]
        for since in (None, 0):
            assert [each.to_map() for each in desk.broker.fills(since)] == desk.pushed("fill")

    def test_pushes_in_trouble(self, opend: Any, desk: Any) -> None:
        """Pushes that come twice, late, in another order or not at all leave executions that sum to the order's."""
        order_id = desk.place("trouble", qty=5, price=230.0)
        for kind, steps in (("duplicate_push", 1), ("reorder_push", 2), ("suppress_push", 1)):
            opend.control.fault(kind, 2208)
            for _ in range(steps):
                fill(opend, order_id, (1, 229.0))
        fill(opend, order_id, (1, 224.0))
        eventually(lambda: any(each["isFilled"] for each in desk.pushed("order", order_id)))
        kept = desk.journal()
        assert sum(each["qty"] for each in kept.values()) == 5
        assert sum(each["qty"] * each["price"] for each in kept.values()) == pytest.approx(4 * 229 + 224)

    def test_a_fill_that_no_push_showed(self, opend: Any, desk: Any) -> None:
        """A look at the order shows an execution whose push was lost, and tells it at once."""
        order_id = desk.place("lost", qty=2, price=230.0)
        opend.control.fault("suppress_push", 2208, times=None)
        fill(opend, order_id, (2, 229.0))
        assert desk.broker.order(order_id).is_filled
        assert [each["fillId"] for each in desk.pushed("fill")] == [f"{order_id}-2"]
        assert list(desk.journal()) == [f"{order_id}-2"]

    @pytest.mark.parametrize("how", ["cut", "restart"])
    def test_fills_while_the_link_is_down(self, opend: Any, desk: Any, how: str) -> None:
        """What fills while nobody listens is told afterwards, once, beside what was told before."""
        order_id = desk.place("down", qty=10, price=230.0)
        fill(opend, order_id, (1, 229.0), (2, 228.0))
        eventually(lambda: len(desk.pushed("fill")) == 2)
        if how == "cut":
            opend.control.do("stop_listening")
            eventually(lambda: not desk.broker._session.up)
        else:
            desk.broker.close()
        before = now()
        fill(opend, order_id, (3, 227.0), (1, 226.0))
        if how == "cut":
            opend.control.do("listen")
        else:
            desk.start()
        desk.up()
        missed = desk.broker.fills(before)
        assert [(each.fill_id, each.qty) for each in missed] == [(f"{order_id}-7", 4)]
        fill(opend, order_id, (3, 225.0))
        eventually(lambda: any(each["isFilled"] for each in desk.pushed("order", order_id)))
        kept = desk.journal()
        assert [each["qty"] for each in kept.values()] == [1, 2, 4, 3]
        assert sum(each["qty"] * each["price"] for each in kept.values()) == pytest.approx(229 + 456 + 681 + 226 + 675)

    def test_real_accounts_have_the_vendors_ids(self, opend: Any, inside: Callable[..., Any]) -> None:
        """REAL executions are the vendor's deals, from pushes and lists alike, today's and older."""
        opend.control.do("set", auto_fill=False)
        desk = inside(trade_env="REAL", unlock_pin=PASSWORD_MD5)
        order_id = desk.place("real", qty=3, price=230.0)
        fill(opend, order_id, (1, 229.5), (2, 229.0))
        eventually(lambda: len(desk.pushed("fill")) == 2)
        ids = [each["fill_id"] for each in opend.control.do("fills")]
        assert [each["fillId"] for each in desk.pushed("fill")] == ids
        opend.control.do("age", order_id=order_id, days=2)
        assert desk.broker.fills(None) == []
        assert sorted(each.fill_id for each in desk.broker.fills(0)) == ids
