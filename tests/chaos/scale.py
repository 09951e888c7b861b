"""How much chaos: a few trials in `make test`, the promised numbers in `make chaos`; and the seed of all chance."""

from __future__ import annotations

import os
import random
import time

FIGURES: list[str] = []
"""What was measured, a line each."""

LONG = os.environ.get("BROKERBUS_CHAOS") == "long"


def trials(short: int, long: int) -> int:
    """The number of trials of this run."""
    return long if LONG else short


def chance(name: str) -> random.Random:
    """Draws for one test; BROKERBUS_SEED repeats them. Told on stdout, which pytest shows when the test fails."""
    seed = int(os.environ.get("BROKERBUS_SEED") or time.time_ns() % 1_000_000)
    print(f"{name}: BROKERBUS_SEED={seed}")
    return random.Random(f"{name} {seed}")


def report(figure: str) -> None:
    """Keeps a figure for the end of the run."""
    FIGURES.append(figure)
