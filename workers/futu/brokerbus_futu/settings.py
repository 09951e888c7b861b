"""Reads the settings of one Futu or moomoo instance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping

from brokerbus.broker import SettingKind
from brokerbus.errors import BadRequest

ENVIRONMENTS = ("SIMULATE", "REAL")

FIRMS = ("FUTUSECURITIES", "FUTUINC", "FUTUSG", "FUTUAU", "FUTUCA", "FUTUMY", "FUTUJP")
"""Source: SDK source, ``SecurityFirm``."""

KINDS: Dict[str, SettingKind] = {
    "host": SettingKind(str, "name or address of OpenD", "127.0.0.1"),
    "port": SettingKind(int, "port of OpenD", 11111),
    "trade_env": SettingKind(str, "SIMULATE or REAL; REAL when absent (httptrading's)", "REAL", choices=ENVIRONMENTS),
    "pk_path": SettingKind(str, "file with the RSA key (PKCS#1) shared with OpenD; encrypts the link", ""),
    "unlock_pin": SettingKind(str, "MD5 of the trade password in hexadecimal; needed for REAL orders", "", secret=True),
    "acc_id": SettingKind(int, "the one account to use; when absent the first active one that may trade the market", 0),
    "pace": SettingKind(int, "for a simulated OpenD: this many times the vendor's limits of calls; SIMULATE only", 1),
    "security_firm": SettingKind(str, "the firm that keeps the account; all when absent", "", choices=FIRMS),
}

MOST_PACE = 100_000
"""No limit at all: for a simulator under load."""

_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_DIGITS = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class Settings:
    """The settings as they are used; ``acc_id`` 0 lets the worker choose."""

    host: str
    port: int
    trade_env: str
    pk_path: str
    unlock_pin: str
    acc_id: int
    security_firm: str
    pace: int = 1

    def __repr__(self) -> str:
        return f"Settings({self.host}:{self.port} {self.trade_env})"

    @property
    def real(self) -> bool:
        return self.trade_env == "REAL"


def parse(values: Mapping[str, Any]) -> Settings:
    """The settings of a map; raises BadRequest naming the one that does not fit, never its secret."""
    unknown = sorted(set(values) - set(KINDS))
    if unknown:
        raise BadRequest(f"settings.{unknown[0]}: unknown; known are {', '.join(KINDS)}")
    settings = Settings(
        host=_text(values, "host"),
        port=_number(values, "port", 65535),
        trade_env=_choice(values, "trade_env", ENVIRONMENTS),
        pk_path=_text(values, "pk_path"),
        unlock_pin=_text(values, "unlock_pin"),
        acc_id=_number(values, "acc_id", 2**64 - 1),
        security_firm=_choice(values, "security_firm", FIRMS),
        pace=_number(values, "pace", MOST_PACE),
    )
    if settings.pace < 1 or (settings.real and settings.pace != 1):
        raise BadRequest(f"settings.pace: expected 1 in REAL, and from 1 to {MOST_PACE} in SIMULATE")
    if settings.port < 1:
        raise BadRequest("settings.port: expected 1 to 65535, found 0")
    if settings.unlock_pin and not _MD5.fullmatch(settings.unlock_pin):
        raise BadRequest("settings.unlock_pin: expected the MD5 of the trade password, 32 hexadecimal digits")
    return settings


def _given(values: Mapping[str, Any], name: str) -> Any:
    value = values.get(name)
    return KINDS[name].default if value in (None, "") else value


def _text(values: Mapping[str, Any], name: str) -> str:
    value = _given(values, name)
    if not isinstance(value, str):
        raise BadRequest(f"settings.{name}: expected text, found {type(value).__name__}")
    return value


def _choice(values: Mapping[str, Any], name: str, choices: Any) -> str:
    value = _text(values, name).upper()
    if value and value not in choices:
        raise BadRequest(f"settings.{name}: expected one of {', '.join(choices)}, found {value!r:.40}")
    return value


def _number(values: Mapping[str, Any], name: str, most: int) -> int:
    """A whole number; also as text, because TOML and JSON readers cut ids above 2^53 or 2^63."""
    value = _given(values, name)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadRequest(f"settings.{name}: expected a whole number from 0 to {most}, found {value!r:.40}")
    return value
