"""What reconciliation takes for evidence, and what not: desk, blotter and reconciler over a vendor in this process."""

from __future__ import annotations

import threading
import time

import pytest

from brokerbus.blotter import Blotter, older
from brokerbus.broker import Broker, OrderRequest
from brokerbus.contract import Contract
from brokerbus.errors import BusError, NotFound, RateLimited, Rejected, UnknownOutcome
from brokerbus.journal import Journal
from brokerbus.model import Order
from brokerbus.orders import OrderDesk
from brokerbus.reconcile import Reconciler

AAPL = Contract("US", "AAPL")


class Vendor(Broker):
    """A list of orders that can be hidden, and a place_order that loses every answer."""

    absence_proves_after = 0.0

    def __init__(self):
        self.listed = []
        self.sends = 0
        self.asked = []
        self.order_fails = False

    def place_order(self, request):
        self.sends += 1
        raise UnknownOutcome("no answer")

    def orders(self, open_only, since):
        self.asked.append(since)
        return self.listed

    def order(self, order_id):
        if self.order_fails:
            raise RuntimeError("broken")
        raise NotFound(order_id)


class House:
    """The order side of a worker, with its rounds done by hand."""

    def __init__(self, path):
        self.vendor, self.journal = Vendor(), Journal(path)
        self.blotter = Blotter(self.journal, lambda *push: None, lambda: None)
        self.desk = OrderDesk(self.journal, self.vendor, self.blotter.adopt, lambda tag: None)
        self.reconciler = Reconciler(self.journal, self.desk, self.blotter, self.vendor)
        self.answers = []

    def place(self, tag="k", symbol=AAPL):
        request = OrderRequest(symbol, "BUY", "Limit", 1, 1.0, "DAY", "RTH", tag, time.monotonic() + 30)
        self.desk.place(request, lambda result, error: self.answers.append(result or error))

    def round(self):
        before = set(threading.enumerate())
        self.reconciler._turns.clear()
        self.reconciler._round()
        for thread in set(threading.enumerate()) - before:
            thread.join(5)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "orders.sqlite3")
    yield made
    made.journal.close()


def order(order_id, tag, contract=AAPL, direction="BUY"):
    return Order(order_id, "USD", 1, client_order_id=tag, contract=contract, direction=direction)


def test_a_pushed_order_is_evidence_whatever_the_list_says(house):
    """The vendor pushed the order and lists it late: it is adopted from the journal, not sent again."""
    house.place()
    house.blotter.report("order", order("9", "k").to_map())
    house.round()
    assert (house.answers, house.vendor.sends) == ([{"orderId": "9", "clientOrderId": "k"}], 1)


@pytest.mark.parametrize("other", [{"contract": Contract("US", "MSFT")}, {"direction": "SELL"}])
def test_another_order_with_the_same_tag_is_not_adopted(house, other):
    """A tag that somebody typed into the vendor's own application proves nothing of our order."""
    house.vendor.listed = [order("55", "k", **other)]
    house.place()
    house.round()
    assert house.journal.intent("k").order_id is None


def test_a_no_of_an_order_that_was_reported_is_not_believed(house):
    """The vendor refuses in words and executes: its own report of the order outweighs the words."""

    def refuse_and_execute(request):
        house.vendor.sends += 1
        house.blotter.report("order", order("9", request.client_order_id).to_map())
        raise house.vendor.words

    house.vendor.place_order = refuse_and_execute
    for tag, words in (("r", Rejected("system busy")), ("l", RateLimited("too many requests", retry_after=1.0))):
        house.vendor.words = words
        house.place(tag)
        house.round()
    assert house.answers == [{"orderId": "9", "clientOrderId": tag} for tag in ("r", "l")]


def test_an_order_that_was_reported_first_is_not_sent(house):
    """An id whose order the broker has shown already, as after a lost journal, is looked up instead of sent."""
    house.blotter.report("order", order("9", "k").to_map())
    house.place()
    house.round()
    assert (house.answers, house.vendor.sends) == ([{"orderId": "9", "clientOrderId": "k"}], 0)


def test_a_wrong_clock_hides_no_order(house):
    """The look-up begins a day before the intent's wall time."""
    house.place()
    house.round()
    assert house.vendor.asked[0] <= (time.time() - 23 * 3600) * 1000


def test_a_broken_query_stops_no_list(house):
    """An exception while one doubted order is asked for keeps the lists from being read no longer than itself."""
    house.vendor.order_fails = True
    house.reconciler.doubt("1")
    house.round()
    assert house.vendor.asked == [None]


def test_a_halt_counts_until_the_call(house):
    """Halted after the intent was journaled: nothing goes out, and the id is free."""
    house.desk._reached = lambda point: house.desk.halt("now") if point == "before the SDK call" else None
    house.place()
    assert isinstance(house.answers[0], BusError)
    assert (house.answers[0].code, house.vendor.sends) == ("halted", 0)
    assert house.journal.intent("k") is None


def test_a_completed_order_is_never_reopened():
    """A late report of an open order is older than a cancelled one, however much it calls filled."""
    known = Order("1", "USD", 10, 4, is_canceled=True).to_map()
    assert older(Order("1", "USD", 10, 5).to_map(), known)
    assert not older(Order("1", "USD", 10, 5, is_canceled=True).to_map(), known)


def test_a_cursor_of_another_file_is_a_gap(house):
    """A subscriber whose cursor is above the newest learns that it cannot go on from there."""
    assert house.journal.events(7) == ([], True)
    assert house.journal.events(0) == ([], False)
