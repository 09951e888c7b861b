"""Finds the sources that go into workers' virtualenvs: the bus and the built-in workers of this checkout."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from brokerbus_deploy.installers import BuildFailed

_IGNORED = frozenset(("__pycache__", "tests", "build", "dist", "node_modules", "venv"))
"""Folders that do not change what is installed."""


def checkout() -> Path:
    """The folder that holds bus/, workers/ and deploy/."""
    return Path(__file__).resolve().parents[2]


def bus_project() -> Path:
    """The project of the bus; raises BuildFailed where this package is not used from a checkout."""
    return _project(checkout() / "bus")


def worker_project(name: str) -> Path:
    """The project of a built-in worker."""
    return _project(checkout() / "workers" / name)


def _project(folder: Path) -> Path:
    if not (folder / "pyproject.toml").is_file():
        raise BuildFailed(
            f"expected a project at {folder}, found none; install brokerbus-deploy editable from a whole checkout"
        )
    return folder


def hash_sources(path: Path) -> bytes:
    """A digest of a file, or of every file of a project folder that can change what is installed."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(_files(path)):
        digest.update(f"{file.relative_to(path)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.digest()


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if name not in _IGNORED and not name.startswith(".") and "egg-info" not in name
        ]
        yield from (Path(parent, name) for name in names if not name.startswith(".") and not name.endswith(".pyc"))
