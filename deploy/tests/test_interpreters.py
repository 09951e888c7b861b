"""Interpreters are found by version or path, proven by starting them, and named when missing."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from brokerbus_deploy import interpreters
from brokerbus_deploy.interpreters import InterpreterMissing, find, probe


def script(path: Path, *lines: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o700)
    return str(path)


def fake(path: Path, version: str) -> str:
    """Something that answers like an interpreter of that version."""
    return script(path, f"""echo '["{version}", "CPython", "{path}"]'""")


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No interpreter of this host is found by accident."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin:/usr/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(interpreters, "find_uv", lambda: None)


def test_default_is_the_one_that_runs_this() -> None:
    """Without a wish an instance gets brokerbus's own Python, outside of its virtualenv."""
    found = find("")
    assert found.version == platform.python_version()
    assert probe(str(found.executable)) == found


def test_a_path() -> None:
    """A path is taken as it is."""
    assert find(os.path.realpath(sys.executable)).version == platform.python_version()


def test_a_version_on_path(tmp_path: Path) -> None:
    """python3.10 on PATH is Python 3.10."""
    fake(tmp_path / "bin" / "python3.10", "3.10.7")
    assert find("3.10").version == "3.10.7"


def test_a_shim_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    """pyenv's shim of a version that is not active fails; its versions folder has the real one, newest first."""
    script(tmp_path / "bin" / "python3.10", "exit 127")
    for version in ("3.10.4", "3.10.13", "3.1.9"):
        fake(tmp_path / "pyenv" / "versions" / version / "bin" / "python", version)
    assert find("3.10").version == "3.10.13"
    assert find("3.10.4").version == "3.10.4"


def test_3_1_is_not_3_10(tmp_path: Path) -> None:
    """A version is compared number by number."""
    fake(tmp_path / "pyenv" / "versions" / "3.10.4" / "bin" / "python", "3.10.4")
    with pytest.raises(InterpreterMissing):
        find("3.1")


def test_missing_is_named() -> None:
    """The message says what was looked for and how to get it."""
    with pytest.raises(InterpreterMissing, match=r"Python 3\.77.*uv python install 3\.77"):
        find("3.77")
    with pytest.raises(InterpreterMissing, match="/no/such/python"):
        find("/no/such/python")


def test_too_old(tmp_path: Path) -> None:
    """A Python that no worker runs on is refused."""
    with pytest.raises(InterpreterMissing, match=r"expected Python 3\.8 or newer, found 3\.6\.15"):
        find(fake(tmp_path / "old", "3.6.15"))
