"""The paper broker passes the conformance cards, in a worker process of its own."""

from __future__ import annotations

import pytest

from brokerbus.testing.cards import CARDS, Backend, Card
from brokerbus.testing.processes import WorkerProcess, this_python

BACKEND = Backend(symbol="US.AAPL", resting_price=1.0, filling_price=10_000.0, spellings=("aapl.us",))


@pytest.fixture(scope="module")
def worker():
    """One paper worker in a market that stands still."""
    with WorkerProcess(this_python("brokerbus_paper"), {"tick_interval": 0, "cash": 100_000_000}) as made:
        yield made.ready()


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_card(card: Card, worker: WorkerProcess):
    """A conformance card, by its number and title."""
    if not card.applies(worker):
        pytest.skip(card.reason(worker))
    card.run(worker, BACKEND)
