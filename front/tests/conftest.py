"""One front with two raw workers for the tests that leave it as it is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # pytest's importlib mode leaves helpers to us
from front_support import ONE, TWO, Front, running


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Shared: do not stop its processes."""
    with running(tmp_path_factory.mktemp("front"), (ONE, TWO)) as started:
        yield started


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory for a front of the test's own."""
    return tmp_path
