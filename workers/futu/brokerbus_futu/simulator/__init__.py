"""Stands in for Futu OpenD at the wire, so that the unmodified vendor SDK connects, trades and fails on request."""

# The command line and the commands of the control port are described in the README of this worker, section "Simulator".
from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["ControlClient", "Simulator", "SimulatorProcess"]

HOMES = {"ControlClient": ".control", "Simulator": ".server", "SimulatorProcess": ".launch"}
"""Loaded at first use: a test in a virtualenv without protobuf needs ``ControlClient`` alone."""


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
