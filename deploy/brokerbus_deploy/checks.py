"""The rules that single values of the configuration have to keep."""

from __future__ import annotations

import ipaddress
import re
import ssl
from pathlib import Path

from brokerbus.contract import parse
from brokerbus.errors import BadRequest
from brokerbus_deploy.values import Reading, Table

MAX_SOCKET_PATH = 107
"""Bytes that the path of a Unix socket may have (Linux)."""

TOKEN_LENGTH = (16, 64)
"""Least and most characters of a token."""

SUBSCRIBABLE = ("quote", "tick", "depth", "candle")
"""Kinds of pushes that are asked for per contract."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._, -]*\])?\s*([<>=!~@;].*)?")
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*((==|>=|<=|~=|!=|<|>)[^;@]+)?")


_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


def reachable(host: str) -> str:
    """An address under which this host reaches a server that listens on ``host``."""
    return _ANY_ADDRESS.get(host, host)


def is_loopback(host: str) -> bool:
    """Whether only processes of this host can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def front_address(table: Table, host: str, tls_cert: str, tls_key: str, insecure: bool) -> None:
    """TLS takes both files; an address that others can reach takes TLS, or a word that says so."""
    for key, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if table.has(other) and not table.has(key):
            table.refuse(key, f"missing: {other} is set, and TLS needs both")
    if tls_cert and tls_key:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls_cert, tls_key, password="")
        except (OSError, ValueError) as error:
            table.refuse("tls_cert", f"expected a PEM certificate, and in tls_key its key without password: {error}")
    if not is_loopback(host) and not (tls_cert and tls_key) and not insecure:
        table.refuse(
            "host", f"{host} is not loopback: set tls_cert and tls_key, or insecure = true to serve without TLS"
        )


def directories(table: Table, config: Path, run_dir: Path, state_dir: Path) -> None:
    """Both directories are made private (0700), so neither may be one that others live in."""
    for key, path in (("run_dir", run_dir), ("state_dir", state_dir)):
        if path.exists() and not path.is_dir():
            table.refuse(key, f"{path} is a file; name a directory")
        if path == config.parent or path in config.parent.parents:
            table.refuse(key, f"{path} holds the configuration itself; name a directory of its own, such as {key[:-4]}")
        if re.search(r"[\x00-\x1f\"'\\%;#]", str(path)):
            table.refuse(
                key,
                "the path holds a quote, backslash, % ; # or control character, which supervisord.conf cannot carry",
            )
    if run_dir == state_dir:
        table.refuse("run_dir", "is the same as bus.state_dir; name two directories")


def socket_path(reading: Reading, run_dir: Path, name: str) -> None:
    """The path of a socket must fit into the kernel's structure."""
    length = len(str(run_dir / name).encode())
    if length > MAX_SOCKET_PATH:
        room = MAX_SOCKET_PATH - len(name) - 1
        reading.refuse(
            "bus.run_dir",
            f"too long for Unix sockets: {run_dir} has {len(str(run_dir).encode())} bytes; at most {room} fit",
        )


def endpoint(reading: Reading, key: str, text: str) -> str:
    """A ``publish`` endpoint with an absolute path; off loopback it would need CURVE."""
    scheme, _, rest = text.partition("://")
    if scheme == "ipc" and rest:
        path = str(reading.path(rest))
        if len(path.encode()) > MAX_SOCKET_PATH:
            reading.refuse(key, f"{path} is too long for a Unix socket: at most {MAX_SOCKET_PATH} bytes")
        return f"ipc://{path}"
    host, colon, port = rest.rpartition(":")
    if scheme != "tcp" or not (colon and host and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        reading.refuse(key, f"expected ipc://PATH or tcp://HOST:PORT, found {text!r:.80}")
        return ""
    if not is_loopback(host):
        reading.refuse(
            key, f"{host} is not loopback: tcp there needs CURVE, which is not in this version; use 127.0.0.1"
        )
    return text


def token(reading: Reading, key: str, text: str, seen: dict[str, str]) -> str:
    """A token that is long enough to be a secret, short enough for a header, and of one instance alone."""
    least, most = TOKEN_LENGTH
    if not least <= len(text) <= most:
        reading.refuse(key, f"expected {least} to {most} characters, found {len(text)}")
    elif not re.fullmatch(r"[\x21-\x7e]+", text):
        reading.refuse(key, "expected printable ASCII without blanks, as a header carries it")
    if text in seen:
        reading.refuse(key, f"the same token as {seen[text]}; every token stands for one instance, once")
    seen.setdefault(text, key)
    return text


def subscription(reading: Reading, key: str, text: str) -> str:
    """``kind:SYMBOL`` such as ``tick:US.AAPL``."""
    kind, _, symbol = text.partition(":")
    if kind not in SUBSCRIBABLE:
        reading.refuse(key, f"expected KIND:SYMBOL with a kind of {', '.join(SUBSCRIBABLE)}, found {text!r:.60}")
        return text
    try:
        parse(symbol, "symbol")
    except BadRequest as error:
        reading.refuse(key, error.message)
    return text


def requirement(reading: Reading, key: str, text: str) -> str:
    """What pip would install: a path (made absolute), or a requirement; never an option."""
    if text.startswith((".", "/", "~")) or text.endswith((".whl", ".tar.gz")):
        path = reading.path(text)
        if not path.exists():
            reading.refuse(key, f"expected a project folder or an archive, found nothing at {path}")
        return str(path)
    if not _REQUIREMENT.fullmatch(text):
        reading.refuse(key, 'expected a requirement such as "my-broker==1.0" or a path such as "./my-broker"')
    return text


def sdk_pin(table: Table, text: str, sdks: tuple[str, ...]) -> str:
    """A pin of the SDK that the worker imports."""
    match = _PIN.fullmatch(text.strip())
    if not match or re.sub(r"[-_.]+", "-", match[1]).lower() not in sdks:
        table.refuse("sdk", f'expected a pin such as "{sdks[0]}==1.2.3" of {" or ".join(sdks)}, found {text!r:.60}')
    return text.strip()
