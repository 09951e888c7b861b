"""Fixtures: a simulated OpenD and workers against it, all ended with their test."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

sys.path.insert(0, str(Path(__file__).parent))

HAS_SDK = importlib.util.find_spec("futu") is not None

if HAS_SDK:
    from worker_support import WorkerProcess

    from brokerbus_futu.simulator import SimulatorProcess


@pytest.fixture
def opend() -> Iterator[Any]:
    """A simulated OpenD in a process of its own."""
    with SimulatorProcess(words=["--seed", "1"]) as simulator:
        yield simulator


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """Starts workers: ``start(port, **settings)``; waits until the session is up unless ``up=False``."""
    started: List[Any] = []

    def begin(port: int, up: bool = True, **settings: Any) -> Any:
        worker = WorkerProcess(port, **settings)
        started.append(worker)
        if up:
            worker.wait_session("up", 20)
        return worker

    yield begin
    for worker in started:
        worker.stop()


@pytest.fixture
def worker(opend: Any, start: Callable[..., Any]) -> Any:
    """A SIMULATE worker whose session is up."""
    return start(opend.port)


@pytest.fixture
def inside(opend: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts brokers in this process against the simulated OpenD: ``inside(**settings)``."""
    from broker_support import InProcess

    started: List[Any] = []

    def begin(**settings: Any) -> Any:
        started.append(InProcess(opend.port, str(tmp_path), **settings))
        return started[-1]

    yield begin
    for one in started:
        one.broker.close()
