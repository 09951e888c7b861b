"""The built-in brokers: which worker project runs them, which SDK, which names, which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Setting:
    """One setting of a broker: the types its value may have, which texts, and whether it names a file."""

    kinds: tuple[type, ...]
    choices: tuple[str, ...] = ()
    path: bool = False
    pattern: str = ""
    words: str = ""
    """What ``pattern`` means."""

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        if self.words:
            return self.words
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        return " or ".join(_WORDS[kind] for kind in self.kinds)


@dataclass(frozen=True)
class BuiltIn:
    """A broker that brokerbus brings; ``project`` is empty for one that is not in this version.

    ``sdks`` are the distributions that may be its SDK, ``imports`` is the module by which the SDK is imported.
    """

    name: str
    display: str
    httptrading: str
    project: str = ""
    sdks: tuple[str, ...] = ()
    imports: str = ""
    simulator: str = ""
    settings: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module that is run in the worker's virtualenv."""
        return f"brokerbus_{self.project}"

    @property
    def requirements(self) -> str:
        """Stem of the requirements files; a second broker of one worker has files of its own."""
        return "requirements" if self.name == self.project else f"requirements.{self.name}"


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}

_TEXT, _INT, _BOOL = Setting((str,)), Setting((int,)), Setting((bool,))
_NUMBER, _FILE = Setting((int, float)), Setting((str,), path=True)

_FIRMS = ("FUTUSECURITIES", "FUTUINC", "FUTUSG", "FUTUAU", "FUTUCA", "FUTUMY", "FUTUJP")

_FUTU = {
    "host": _TEXT,
    "port": _INT,
    "trade_env": Setting((str,), choices=("SIMULATE", "REAL")),
    "pk_path": _FILE,
    "unlock_pin": Setting(
        (str,), pattern="[0-9A-Fa-f]{32}", words="the MD5 of the trade password, 32 hexadecimal digits"
    ),
    "acc_id": Setting((int, str)),
    "security_firm": Setting((str,), choices=_FIRMS),
    "pace": _INT,
}

_PAPER = {
    "cash": _NUMBER,
    "currency": Setting((str,), choices=("USD", "HKD", "CNY")),
    "seed": _INT,
    "tick_interval": _NUMBER,
    "test_controls": _BOOL,
    "faults": Setting((list,)),
    "symbols": Setting((list,)),
}

SIMULATOR_HOST = "simulator"
"""As ``host`` of a broker that brings a simulator: run the bundled one beside the worker."""

BUILT_IN: Mapping[str, BuiltIn] = {
    broker.name: broker
    for broker in (
        BuiltIn("futu", "富途证券", "futu", "futu", ("futu-api",), "futu", "brokerbus_futu.simulator", _FUTU),
        BuiltIn("moomoo", "moomoo", "moomoo", "futu", ("moomoo-api",), "moomoo", "brokerbus_futu.simulator", _FUTU),
        BuiltIn("ib", "盈透证券", "interactiveBrokers", sdks=("ib-insync", "ib-async")),
        BuiltIn("longport", "长桥证券", "longBridge", sdks=("longport",)),
        BuiltIn("longbridge", "长桥证券", "longBridge", sdks=("longbridge",)),
        BuiltIn("tiger", "老虎证券", "tiger", sdks=("tigeropen",)),
        BuiltIn("paper", "Paper", "paper", "paper", settings=_PAPER),
    )
}

FUTU_FAMILY = ("futu", "moomoo")
"""Brokers whose gateway speaks the REST routes of ``/api/*``."""


def names(broker: str) -> tuple[str, str]:
    """httptrading's name of a broker, and its name for people; a broker of the user's own is called by its key."""
    built_in = BUILT_IN.get(broker)
    return (built_in.httptrading, built_in.display) if built_in else (broker, broker)
