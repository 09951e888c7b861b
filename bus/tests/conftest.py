"""Starts workers of the problem broker for the tests of the bus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from brokerbus.testing.processes import WorkerProcess

PROBLEM = Path(__file__).with_name("problem_broker.py")


class ProblemWorker(WorkerProcess):
    """A worker that goes wrong on request, and what its broker was asked to execute."""

    def executed(self) -> List[str]:
        path = self.home / "orders"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def start_worker() -> Iterator[Callable[..., ProblemWorker]]:
    """Starts workers of the problem broker: ``start_worker(settings={}, in_child=False)``."""
    started: List[ProblemWorker] = []

    def start(settings: Optional[Dict[str, Any]] = None, in_child: bool = False) -> ProblemWorker:
        environment = {"PROBLEM_IN_CHILD": "1" if in_child else "0"}
        command = [sys.executable, str(PROBLEM)]
        started.append(ProblemWorker(command, settings, broker="problem", environment=environment))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def worker(start_worker: Callable[..., ProblemWorker]) -> ProblemWorker:
    """A ready worker of the problem broker."""
    made = start_worker()
    made.ready()
    return made
