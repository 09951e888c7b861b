"""Runs what builds virtualenvs: uv, or venv and pip where uv is absent or fails."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from brokerbus_deploy.interpreters import Interpreter, find_uv

BUILD_SECONDS = 900.0
"""One installer command that takes longer is given up."""

KEPT_LINES = 30
"""Lines of an installer's output that are shown when it fails."""

_NOT_FOR_BUILDS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")

Say = Callable[[str], None]


class BuildFailed(Exception):
    """A virtualenv could not be built; the message ends with what the installer said."""


@dataclass(frozen=True)
class Uv:
    """uv: fast, shares its cache between virtualenvs."""

    executable: str
    name: str = "uv"

    def create(self, interpreter: Interpreter, folder: Path) -> list[str]:
        return [self.executable, "venv", "-q", "--no-project", "--python", str(interpreter.executable), str(folder)]

    def install(self, python: Path, arguments: Sequence[str]) -> list[str]:
        return [self.executable, "pip", "install", "-q", "--python", str(python), *arguments]


@dataclass(frozen=True)
class Pip:
    """venv and pip of the interpreter itself."""

    name: str = "pip"

    def create(self, interpreter: Interpreter, folder: Path) -> list[str]:
        return [str(interpreter.executable), "-I", "-m", "venv", str(folder)]

    def install(self, python: Path, arguments: Sequence[str]) -> list[str]:
        return [str(python), "-I", "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]


def available() -> list[Uv | Pip]:
    """The installers in the order in which they are tried; ``BROKERBUS_INSTALLER`` names one alone."""
    uv = find_uv()
    found: list[Uv | Pip] = [*([Uv(uv)] if uv else []), Pip()]
    chosen = os.environ.get("BROKERBUS_INSTALLER", "")
    return [one for one in found if one.name == chosen] or found


def run(command: Sequence[str], timeout: float = BUILD_SECONDS, home: str = "") -> str:
    """The output of a command, in another home if one is named; raises BuildFailed with the end of what it said."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_BUILDS}
    if home:
        environment["HOME"] = home
    shown = " ".join(Path(part).name if os.sep in part else part for part in command[:4])
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{shown} ...: no end after {timeout:g} s") from None
    except OSError as error:
        raise BuildFailed(f"{shown} ...: {error.strerror}") from None
    if done.returncode:
        tail = deque((done.stderr + done.stdout).strip().splitlines(), maxlen=KEPT_LINES)
        raise BuildFailed(f"{shown} ... ended with {done.returncode}:\n" + "\n".join(f"  {line}" for line in tail))
    return done.stdout
