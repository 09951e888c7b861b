"""Finds the Python interpreter that an instance asks for: by version or by path."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEAST = (3, 8)
"""The oldest Python that a worker runs on."""

PROBE_SECONDS = 20.0
"""An interpreter that has not told its version by then is none."""

_PROBE = (
    "import json,os,platform,sys;"
    "print(json.dumps([platform.python_version(),platform.python_implementation(),"
    "os.path.realpath(getattr(sys,'_base_executable',None) or sys.executable)]))"
)


class InterpreterMissing(Exception):
    """No interpreter fits; the message says what was looked for and where."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was started and told its version; ``executable`` is no shim and in no virtualenv."""

    executable: Path
    version: str
    implementation: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """Major and minor."""
        return tuple(int(part) for part in self.version.split(".")[:2])


def find(spec: str) -> Interpreter:
    """The interpreter for ``3.10``, ``3.10.13``, a path, or (empty) the one that runs this; InterpreterMissing."""
    if not spec:
        found = probe(sys.executable)
    elif os.sep in spec:
        found = probe(spec)
    else:
        found = next((one for one in map(probe, _candidates(spec)) if one and _is(one, spec)), None)
    if found is None:
        raise InterpreterMissing(_missing(spec))
    if found.numbers < LEAST:
        raise InterpreterMissing(
            f"expected Python {LEAST[0]}.{LEAST[1]} or newer, found {found.version} at {found.executable}"
        )
    return found


@functools.lru_cache(maxsize=64)
def probe(executable: str) -> Interpreter | None:
    """What an executable says of itself; None when it is no Python that starts."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", _PROBE],
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        version, implementation, real = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(Path(real), version, implementation)


def _is(interpreter: Interpreter, spec: str) -> bool:
    return re.match(re.escape(spec) + r"(?!\d)", interpreter.version) is not None


def _candidates(spec: str) -> Iterator[str]:
    """PATH, then pyenv's versions, then uv's; the first that starts and fits is taken."""
    minor = ".".join(spec.split(".")[:2])
    for name in (f"python{spec}", f"python{minor}", "python3", "python"):
        found = shutil.which(name)
        if found:
            yield found
    yield from _pyenv(spec)
    yield from _uv(spec)


def _pyenv(spec: str) -> list[str]:
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [
        path
        for path in versions.glob(f"{spec}*/bin/python")
        if path.parents[1].name == spec or "." in path.parents[1].name
    ]
    return [str(path) for path in sorted(found, key=lambda path: _numbers(path.parents[1].name), reverse=True)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _uv(spec: str) -> list[str]:
    uv = find_uv()
    if not uv:
        return []
    command = [uv, "python", "find", "--no-project", "--no-python-downloads", spec]
    try:
        answer = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [answer.stdout.strip()] if answer.returncode == 0 and answer.stdout.strip() else []


def find_uv() -> str | None:
    """uv's executable: the one installed beside this package, else one on PATH."""
    try:
        from uv import find_uv_bin

        return os.fspath(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _missing(spec: str) -> str:
    if os.sep in spec:
        return f"expected a Python interpreter at {spec}, found none that starts"
    return (
        f"expected a Python {spec}, found none on PATH, under pyenv or uv; install it (uv python install {spec}) "
        "or give the path of one"
    )
