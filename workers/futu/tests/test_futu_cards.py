"""The Futu worker passes the conformance cards, on the real SDK against a simulated OpenD."""

from __future__ import annotations

from typing import Iterator

import pytest
from worker_support import needs_sdk

from brokerbus.testing.cards import CARDS, Backend, Card
from brokerbus.testing.processes import WorkerProcess, this_python

pytestmark = needs_sdk

BACKEND = Backend(symbol="US.AAPL", resting_price=1.0, filling_price=500.0, spellings=("aapl.us",))


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    """One SIMULATE worker."""
    from brokerbus_futu.simulator import SimulatorProcess

    with SimulatorProcess(words=["--seed", "1"]) as opend:
        settings = {"host": "127.0.0.1", "port": opend.port, "trade_env": "SIMULATE"}
        with WorkerProcess(this_python("brokerbus_futu"), settings, broker="futu") as made:
            yield made.ready()


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_card(card: Card, worker: WorkerProcess) -> None:
    """A conformance card, by its number and title."""
    if not card.applies(worker):
        pytest.skip(card.reason(worker))
    card.run(worker, BACKEND)
