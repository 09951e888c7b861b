"""Writes a first configuration, with ids and tokens of its own."""

from __future__ import annotations

import secrets
import string
from importlib import resources
from pathlib import Path

from brokerbus_deploy.files import write_private

CONFIG_NAME = "brokerbus.toml"

_ALPHABET = string.ascii_letters + string.digits


class AlreadyThere(Exception):
    """The directory has a configuration."""


def made_up(length: int = 16) -> str:
    """A random id or token."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def write_config(folder: Path, demo: bool, port: int = 8080) -> Path:
    """Writes ``brokerbus.toml`` into a folder; ``demo`` adds a futu instance on the bundled OpenD simulator."""
    path = folder / CONFIG_NAME
    if path.exists():
        raise AlreadyThere(f"{path} is there already; remove it or name another directory")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ids = {f"{name}_id": made_up() for name in ("paper", "futu", "own")}
    tokens = {f"{name}_token": made_up(32) for name in ("paper", "futu")}
    futu = _template("futu.toml").substitute(ids, **tokens, futu_host="simulator" if demo else "127.0.0.1")
    if not demo:
        futu = "".join(f"# {line}\n" for line in futu.splitlines())
    write_private(path, _template("brokerbus.toml").substitute(ids, **tokens, futu=futu, port=port, file=CONFIG_NAME))
    return path


def _template(name: str) -> string.Template:
    return string.Template(resources.files("brokerbus_deploy").joinpath("templates", name).read_text("utf-8"))
