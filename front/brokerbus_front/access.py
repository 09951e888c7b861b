"""Who asks: tokens to the instances that they open, in the same time whether they open any or not."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.types import Scope

from brokerbus_front.instances import Instance

TOKEN_HEADER = b"ht-token"
_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"))


@dataclass(eq=False)
class Grant:
    """What one token opens; the grant of a wrong token opens nothing."""

    digest: bytes
    instances: list[Instance] = field(default_factory=list)


class Access:
    """Every token's grant, found by the SHA-256 of the token.

    A look-up costs one digest, one table and one comparison, and does not know which instance is asked
    for: an unknown instance and a wrong token cannot differ in time.
    """

    def __init__(self, instances: Iterable[Instance]) -> None:
        self._nobody = Grant(secrets.token_bytes(32))
        self._grants: dict[bytes, Grant] = {}
        for instance in instances:
            for digest in instance.token_digests:
                self._grants.setdefault(digest, Grant(digest)).instances.append(instance)

    @property
    def grants(self) -> list[Grant]:
        return list(self._grants.values())

    def grant(self, scope: Scope) -> Grant:
        """The grant of the first HT-TOKEN header, as at httptrading."""
        return self._of(_first(scope, TOKEN_HEADER))

    def bearer(self, scope: Scope) -> Grant:
        """The grant of ``Authorization: Bearer``."""
        scheme, _, token = _first(scope, b"authorization").partition(b" ")
        return self._of(token if scheme.lower() == b"bearer" else b"")

    def sees_ids(self, scope: Scope) -> bool:
        """Whether this caller may read instance ids: any valid token, or a peer on this host itself.

        Ids are half a secret at httptrading. A request that a proxy passed on is not from this host.
        """
        if self.grant(scope).instances or self.bearer(scope).instances:
            return True
        client: tuple[str, int] | None = scope.get("client")
        if client is None or any(name in _FORWARDED for name, _ in scope["headers"]):
            return False
        return ipaddress.ip_address(client[0]).is_loopback

    def _of(self, token: bytes) -> Grant:
        digest = hashlib.sha256(token).digest()
        found = self._grants.get(digest, self._nobody)
        return found if hmac.compare_digest(found.digest, digest) else self._nobody


def _first(scope: Scope, wanted: bytes) -> bytes:
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value).strip(b" \t")
    return b""
