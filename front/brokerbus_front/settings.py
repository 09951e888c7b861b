"""The one private file that the front is started with."""

import stat
from pathlib import Path
from typing import Literal

import msgspec


class BadFrontFile(ValueError):
    """The file is no front file; the message says what was expected."""


class InstanceEntry(msgspec.Struct, frozen=True):
    """An instance as the front sees it; ``name`` is httptrading's name of the broker, ``tokens`` are SHA-256 in hex."""

    id: str
    broker: str
    name: str
    display: str
    tokens: list[str] = []


class FrontFile(msgspec.Struct, frozen=True):
    """Where to listen, where the workers are, and who may ask which of them."""

    version: Literal[1]
    host: str
    port: int
    run_dir: str
    instances: list[InstanceEntry]
    state_dir: str = ""
    tls_cert: str | None = None
    tls_key: str | None = None
    insecure: bool = False
    keys_file: str | None = None
    futu_instance: str | None = None
    publish: list[str] = []


def load(path: Path) -> FrontFile:
    """Reads a front file that no one else can read; raises BadFrontFile."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        body = path.read_bytes()
    except OSError as error:
        raise BadFrontFile(f"{path}: {error.strerror}") from None
    if mode & 0o077:
        raise BadFrontFile(f"{path}: expected mode 0600, found {mode:04o}; it says who may trade")
    try:
        found = msgspec.json.decode(body, type=FrontFile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrontFile(f"{path}: {error}") from None
    for entry in found.instances:
        for token in entry.tokens:
            if not _is_digest(token):
                raise BadFrontFile(f"{path}: instance {entry.id}: a token is no SHA-256 in hex")
    if bool(found.tls_cert) != bool(found.tls_key):
        raise BadFrontFile(f"{path}: expected both tls_cert and tls_key, or neither")
    return found


def _is_digest(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32
    except ValueError:
        return False
