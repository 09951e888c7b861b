"""Runs httptrading 1.0.8 with its real Futu broker, by the Python of its own virtualenv."""

from __future__ import annotations

import json
import sys

import httptrading  # type: ignore[import-not-found]
from httptrading.broker.futu_sec import Futu  # type: ignore[import-not-found]


def main() -> None:
    """The one argument is JSON: port, instances, token and the broker's settings."""
    told = json.loads(sys.argv[1])
    brokers = [Futu(told["settings"], instance, [told["token"]]) for instance in told["instances"]]
    httptrading.run("127.0.0.1", told["port"], brokers=brokers)


if __name__ == "__main__":
    main()
