"""Both servers and the broker that they share, started once for all tests here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import oracle, servers
from .exchange import Pair
from .servers import OpenD


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter with httptrading 1.0.8; without one these tests are skipped, with the reason."""
    try:
        return oracle.python()
    except oracle.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def gateway(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of the simulated OpenD."""
    with servers.simulator(python, tmp_path_factory.mktemp("opend")) as ports:
        yield ports


@pytest.fixture(scope="session")
def opend(gateway: dict[str, int]) -> Iterator[OpenD]:
    """What happens at the broker is decided here."""
    with contextlib.closing(OpenD(gateway["control"])) as control:
        yield control


@pytest.fixture(scope="session")
def pair(python: Path, gateway: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """httptrading 1.0.8 and brokerbus, both at once, before the same OpenD."""
    with contextlib.ExitStack() as stack:
        theirs = servers.httptrading(python, gateway["port"], tmp_path_factory.mktemp("httptrading"))
        ours = servers.brokerbus(gateway["port"], tmp_path_factory.mktemp("brokerbus"))
        yield Pair(stack.enter_context(theirs), stack.enter_context(ours))
