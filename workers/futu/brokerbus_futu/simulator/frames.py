"""Cuts the byte stream of a connection into OpenD frames and builds them."""

from __future__ import annotations

import hashlib
import struct
from typing import Iterator, NamedTuple

HEADER = struct.Struct("<2sI2B2I20s8s")
"""Magic, protocol id, format, version, serial, body length, SHA-1 of the plaintext, reserved (``MESSAGE_HEAD_FMT``)."""

MAGIC = b"FT"
MAX_BODY = 16 * 1024 * 1024
"""Bytes; longer claims close the connection."""


class Frame(NamedTuple):
    """One request as it came: the body still encrypted, the digest that of its plaintext."""

    proto: int
    format: int
    serial: int
    digest: bytes
    body: bytes


class BadFrame(Exception):
    """The stream cannot be understood any more: the connection has to be closed."""


class FrameReader:
    """Collects bytes and yields the frames that are whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames completed by these bytes; raises BadFrame for a wrong magic or an absurd length."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            magic, proto, form, _, serial, length, digest, _ = HEADER.unpack_from(self._buffer)
            if magic != MAGIC or length > MAX_BODY:
                raise BadFrame(f"expected magic {MAGIC!r} and at most {MAX_BODY} bytes, found {magic!r} and {length}")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield Frame(proto, form, serial, digest, body)


def pack(proto: int, serial: int, wire_body: bytes, digest: bytes) -> bytes:
    """A frame around a body as it goes over the wire and the SHA-1 of its plaintext."""
    return HEADER.pack(MAGIC, proto, 0, 0, serial & 0xFFFFFFFF, len(wire_body), digest, bytes(8)) + wire_body


def sha1(plaintext: bytes) -> bytes:
    """Digest that the header carries (the vendor's choice: it detects damage, it protects nothing)."""
    return hashlib.sha1(plaintext).digest()  # noqa: S324  the protocol says so
