"""Encrypts and decrypts bodies the way OpenD and its SDK do."""

from __future__ import annotations

import secrets
import string
from pathlib import Path
from typing import Any

PLAIN_BLOCK = 100
"""Plaintext bytes of one RSA block (SDK: RsaCrypt; 1024-bit key, PKCS#1 v1.5)."""

AES_BLOCK = 16
ALPHABET = string.ascii_uppercase + string.digits


class RsaKey:
    """The private key that OpenD and client share, used for InitConnect alone."""

    def __init__(self, path: str) -> None:
        from Crypto.Cipher import PKCS1_v1_5
        from Crypto.PublicKey import RSA

        key = RSA.import_key(Path(path).read_bytes())
        self._block = key.size_in_bytes()
        self._cipher: Any = PKCS1_v1_5.new(key)

    def encrypt(self, body: bytes) -> bytes:
        """Plaintext in blocks of 100 bytes, each one RSA block."""
        blocks = (body[at : at + PLAIN_BLOCK] for at in range(0, len(body), PLAIN_BLOCK))
        return b"".join(self._cipher.encrypt(block) for block in blocks)

    def decrypt(self, body: bytes) -> bytes:
        """Raises ValueError when the body is not made of RSA blocks of this key."""
        if not body or len(body) % self._block:
            raise ValueError("not RSA blocks of this key")
        blocks = (body[at : at + self._block] for at in range(0, len(body), self._block))
        return b"".join(self._cipher.decrypt(block, b"") for block in blocks)


class PlainCipher:
    """No encryption."""

    def encrypt(self, body: bytes) -> bytes:
        """The body as it is."""
        return body

    def decrypt(self, body: bytes) -> bytes:
        """The body as it is."""
        return body


class CbcCipher(PlainCipher):
    """AES-CBC with PKCS#7; the vendor starts afresh with the same key and IV for every packet."""

    def __init__(self, key: str, iv: str) -> None:
        self._key, self._iv = key.encode(), iv.encode()

    def _aes(self) -> Any:
        from Crypto.Cipher import AES

        return AES.new(self._key, AES.MODE_CBC, iv=self._iv)

    def encrypt(self, body: bytes) -> bytes:
        """Padded and encrypted."""
        pad = AES_BLOCK - len(body) % AES_BLOCK
        encrypted: bytes = self._aes().encrypt(body + bytes([pad]) * pad)
        return encrypted

    def decrypt(self, body: bytes) -> bytes:
        """Raises ValueError when the body is no whole number of blocks."""
        decrypted: bytes = self._aes().decrypt(body)
        return decrypted[: -decrypted[-1]] if decrypted else decrypted


class FtEcbCipher(PlainCipher):
    """The vendor's ECB variant, used when InitConnect names no IV: a last block tells the length of the one before."""

    def __init__(self, key: str) -> None:
        from Crypto.Cipher import AES

        self._aes: Any = AES.new(key.encode(), AES.MODE_ECB)

    def encrypt(self, body: bytes) -> bytes:
        """Zero-padded, encrypted, with the length block added in the clear."""
        rest = len(body) % AES_BLOCK
        padded = body + bytes((AES_BLOCK - rest) % AES_BLOCK)
        encrypted: bytes = self._aes.encrypt(padded)
        return encrypted + bytes(AES_BLOCK - 1) + bytes([rest])

    def decrypt(self, body: bytes) -> bytes:
        """Raises ValueError when the body is no whole number of blocks."""
        rest = body[-1] if body else 0
        decrypted: bytes = self._aes.decrypt(body[:-AES_BLOCK])
        return decrypted[: len(decrypted) - (AES_BLOCK - rest)] if rest else decrypted


def session_secret() -> str:
    """Sixteen characters, as OpenD hands out for key and IV."""
    return "".join(secrets.choice(ALPHABET) for _ in range(AES_BLOCK))
