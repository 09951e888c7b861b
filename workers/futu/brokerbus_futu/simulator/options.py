"""Holds what a user of the simulator may choose, at start or later through the control port."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

DEFAULT_PASSWORD_MD5 = "e10adc3949ba59abbe56e057f20f883e"  # noqa: S105  a simulated one
"""MD5 of ``123456``: opens the REAL accounts unless another is set."""

FIXED = frozenset({"host", "port", "control_port", "rsa_key", "state", "seed", "accounts", "securities"})
"""Cannot change while the simulator runs."""


@dataclass
class Options:
    """Behaviour of one simulator; times in seconds.

    ``port`` and ``control_port`` 0 take a free port, ``control_port`` None opens none. ``rsa_key`` is the path of the
    PKCS#1 private key that OpenD and client share. ``state`` is a file that keeps orders and fills over a kill -9.
    ``accounts`` replace the built-in ones, ``securities`` add to them.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None
    rsa_key: str | None = None
    state: str | None = None
    seed: int | None = None
    accounts: list[dict[str, Any]] = field(default_factory=list)
    securities: list[dict[str, Any]] = field(default_factory=list)

    auto_accept: bool = True
    auto_fill: bool = True
    auto_cancel: bool = True
    fill_parts: int = 1
    push_before_answer: bool = False
    hide_orders: float = 0.0
    simulate_deals: bool = True
    tick_interval: float = 0.0
    quota: int = 1000
    keep_alive_interval: int = 10
    aes_iv: bool = True
    same_conn_id: bool = False
    refuse_plain: bool = False
    unlock_shared: bool = False
    password_md5: str = DEFAULT_PASSWORD_MD5
    qot_logined: bool = True
    trd_logined: bool = True
    program_status: int = 10

    def change(self, values: dict[str, Any]) -> dict[str, Any]:
        """Set behaviour by name; raises ValueError for a name or type that does not fit, before anything changes."""
        known = {item.name: type(getattr(self, item.name)) for item in fields(self) if item.name not in FIXED}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"no option {name!r}; those that can change: {', '.join(sorted(known))}")
            if not _fits(value, known[name]):
                raise ValueError(f"option {name} wants {known[name].__name__}, got {value!r}")
        for name, value in values.items():
            setattr(self, name, value)
        return {name: value for name, value in asdict(self).items() if name in known}


def _fits(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is wanted
