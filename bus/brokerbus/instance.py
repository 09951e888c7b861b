"""The one private file that a worker is started with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Tuple


class BadInstanceFile(ValueError):
    """The file is no instance file; the message says what is missing."""


@dataclass(frozen=True)
class Instance:
    """One configured broker connection: what a worker has to know, and nothing of the others."""

    id: str
    broker: str
    run_dir: Path
    state_dir: Path
    home: Path
    path: Path
    settings: Dict[str, Any] = field(default_factory=dict)
    subscribe: Tuple[str, ...] = ()
    secrets: Tuple[str, ...] = ()
    """Values of settings that came from the environment or a file: never to be told or logged."""

    @property
    def request_address(self) -> str:
        return request_address(self.run_dir, self.id)

    @property
    def push_address(self) -> str:
        return push_address(self.run_dir, self.id)


def request_address(run_dir: Path, instance: str) -> str:
    """Where the worker of an instance answers requests."""
    return f"ipc://{run_dir}/{instance}.req"


def push_address(run_dir: Path, instance: str) -> str:
    """Where the worker of an instance publishes."""
    return f"ipc://{run_dir}/{instance}.pub"


def load(path: Path) -> Instance:
    """Reads an instance file; raises BadInstanceFile."""
    try:
        fields = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInstanceFile(f"{path}: {error}") from None
    if not isinstance(fields, dict) or fields.get("version") != 1:
        raise BadInstanceFile(f"{path}: expected an instance file of version 1")
    missing = [name for name in ("instance", "broker", "run_dir", "state_dir") if not isinstance(fields.get(name), str)]
    if missing:
        raise BadInstanceFile(f"{path}: expected text under {', '.join(missing)}")
    state_dir = Path(fields["state_dir"])
    return Instance(
        id=fields["instance"],
        broker=fields["broker"],
        run_dir=Path(fields["run_dir"]),
        state_dir=state_dir,
        home=Path(fields.get("home") or state_dir / "home" / fields["instance"]),
        path=path,
        settings=dict(fields.get("settings") or {}),
        subscribe=tuple(fields.get("subscribe") or ()),
        secrets=tuple(str(value) for value in fields.get("secrets") or ()),
    )
