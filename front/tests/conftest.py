"""One front with two raw workers for the tests that leave it as it is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # pytest's importlib mode leaves helpers to us
from front_support import ONE, TWO, Front, running

MAKE_CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Shared: do not stop its processes."""
    with running(tmp_path_factory.mktemp("front"), (ONE, TWO)) as started:
        yield started


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory for a front of the test's own."""
    return tmp_path


@pytest.fixture
def certificate(home: Path) -> tuple[str, str]:
    """A certificate of our own and its key."""
    cert, key = home / "cert.pem", home / "key.pem"
    subprocess.run(
        [*MAKE_CERTIFICATE.split(), "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return str(cert), str(key)
