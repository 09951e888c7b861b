"""Private directories and files: modes and whole contents, whatever umask the caller has."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRIVATE_DIRECTORY, PRIVATE_FILE = 0o700, 0o600


def private_directory(path: Path) -> Path:
    """Makes a directory, with its parents, that its owner alone can enter; an existing one is closed to others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    if path.stat().st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user; expected a directory of this one")
    path.chmod(PRIVATE_DIRECTORY)
    return path


def read_text(path: Path) -> str | None:
    """The content of a file; None when it is absent or unreadable."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write_private(path: Path, text: str) -> bool:
    """Replaces a file as a whole, readable for its owner alone; tells whether the content is new."""
    if read_text(path) == text:
        path.chmod(PRIVATE_FILE)
        return False
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), PRIVATE_FILE)
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    return True


def write_json(path: Path, content: Mapping[str, Any]) -> bool:
    """A private file of JSON; tells whether the content is new."""
    return write_private(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The map in a file of JSON; empty when there is none."""
    try:
        content = json.loads(read_text(path) or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
