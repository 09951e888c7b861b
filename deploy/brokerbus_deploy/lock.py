"""Locks the requirements of workers, with hashes: for every Python, or for one SDK pin of an instance."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from brokerbus_deploy.files import private_directory
from brokerbus_deploy.installers import BuildFailed, run
from brokerbus_deploy.interpreters import LEAST, Interpreter, find_uv

_HEADER = "# Locked by: python -m brokerbus_deploy.lock\n"


def _compile(source: Path, target: Path, arguments: list[str]) -> None:
    uv = find_uv()
    if not uv:
        raise BuildFailed("locking needs uv, found none; install it: python -m pip install uv")
    options = ["-q", "--no-header", "--no-annotate", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    run([uv, "pip", "compile", *options, *arguments, str(source), "-o", str(target)])
    target.write_text(_HEADER + target.read_text("utf-8"), "utf-8")


def lock_all_pythons(source: Path) -> Path:
    """Locks ``requirements.in`` for every Python that workers run on; each gets the newest that still supports it."""
    target = source.with_suffix(".lock")
    least = ".".join(map(str, LEAST))
    _compile(
        source, target, ["--universal", "--upgrade", "--python-version", least, "--fork-strategy", "requires-python"]
    )
    return target


def replace_sdk(source: Path, sdks: tuple[str, ...], pin: str, interpreter: Interpreter, state_dir: Path) -> Path:
    """A lock with another pin of the SDK for one interpreter; kept under state_dir, so that it stays the same."""
    lines = [line for line in source.read_text("utf-8").splitlines() if distribution(line) not in sdks]
    wanted = "\n".join([*lines, pin]) + "\n"
    name = hashlib.sha256(f"{wanted}\0{interpreter.version}".encode()).hexdigest()[:16]
    folder = private_directory(private_directory(state_dir) / "locks")
    target = folder / f"{name}.lock"
    if not target.is_file():
        requirements = folder / f"{name}.in"
        requirements.write_text(wanted, "utf-8")
        draft = folder / f"{name}.draft"
        _compile(requirements, draft, ["--python", str(interpreter.executable)])
        draft.replace(target)
    return target


def distribution(line: str) -> str:
    """The normalised name of the distribution that a line of requirements asks for; empty for a comment."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


def main() -> None:
    """Locks every worker of the checkout anew."""
    from brokerbus_deploy.projects import checkout

    for source in sorted((checkout() / "workers").glob("*/requirements*.in")):
        print(f"{lock_all_pythons(source).relative_to(checkout())}", flush=True)


if __name__ == "__main__":
    main()
