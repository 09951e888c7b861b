"""The virtualenv that httptrading 1.0.8 runs in: built once from requirements.lock, kept outside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().with_name("requirements.lock")
PYTHON = "3.13"
BUILD_TIMEOUT = 900.0


class Missing(Exception):
    """This machine has no Python that httptrading 1.0.8 runs on, and what would mend it."""


class Broken(Exception):
    """The virtualenv could not be built, and what the installer said."""


def cache_directory() -> Path:
    """`$BROKERBUS_CACHE`, `$XDG_CACHE_HOME/brokerbus` or `~/.cache/brokerbus`."""
    named = os.environ.get("BROKERBUS_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "brokerbus"


def _runs(candidate: Path) -> bool:
    """Whether this interpreter starts and is the wanted version; a pyenv shim may be neither."""
    command = [str(candidate), "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == PYTHON


def interpreter() -> Path:
    """A Python 3.13 on PATH, under pyenv or under uv."""
    found = [Path(entry) / f"python{PYTHON}" for entry in os.get_exec_path()]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += sorted(pyenv.glob(f"versions/{PYTHON}.*/bin/python{PYTHON}"))
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    found += sorted(data.glob(f"uv/python/cpython-{PYTHON}.*/bin/python{PYTHON}"))
    for candidate in found:
        if candidate.is_file() and _runs(candidate):
            return candidate
    raise Missing(f"httptrading 1.0.8 needs Python {PYTHON}: none on PATH, under pyenv or under uv; install one")


def _run(*command: str) -> None:
    """Runs one step of the build; its output is shown only when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise Broken(f"{command[0]} took longer than {BUILD_TIMEOUT:.0f} s to install httptrading 1.0.8") from None
    if done.returncode:
        raise Broken(f"httptrading 1.0.8 could not be installed: {(done.stderr or done.stdout)[-2000:].strip()}")


def _install(base: Path, home: Path) -> None:
    """uv where there is one, else venv and pip; either way every hash of the lock is checked."""
    python = str(home / "bin" / "python")
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))
    if uv:
        _run(uv, "venv", "--quiet", "--python", str(base), str(home))
        _run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(LOCK))
        return
    _run(str(base), "-m", "venv", str(home))
    _run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK))


def python() -> Path:
    """The interpreter of the virtualenv, which is built when it is not there; raises Missing or Broken."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    home = cache_directory() / "oracle" / digest
    ready = home / "bin" / "python"
    if ready.exists() and _runs(ready):
        return ready
    fresh = home.with_name(f"{digest}.{os.getpid()}")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    try:
        _install(interpreter(), fresh)
        if not (ready.exists() and _runs(ready)):  # another run may have been faster
            shutil.rmtree(home, ignore_errors=True)
            fresh.rename(home)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return ready


if __name__ == "__main__":
    try:
        print(python())
    except (Missing, Broken) as why:
        sys.exit(str(why))
