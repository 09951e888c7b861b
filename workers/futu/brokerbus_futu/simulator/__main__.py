"""Starts the simulator from the command line."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from .options import Options
from .server import Running

PR_SET_PDEATHSIG = 1


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m brokerbus_futu.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=11111, help="0 takes a free one")
    parser.add_argument("--control", type=int, metavar="PORT", help="control port, 0 takes a free one; none by default")
    parser.add_argument("--rsa-key", metavar="FILE", help="PKCS#1 private key shared with the client: encrypted links")
    parser.add_argument("--state", metavar="FILE", help="keep orders and fills in this file, over a kill -9 too")
    parser.add_argument("--seed", type=int, help="same prices and order ids every time")
    parser.add_argument("--scenario", metavar="FILE", help='JSON: {"options": {...}, "do": [{...}, ...]}')
    parser.add_argument("--tick-interval", type=float, metavar="SECONDS", help="let prices walk, 0 keeps them still")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=JSON", help="any option, e.g. quota=10")
    parser.add_argument("--quiet", action="store_true", help="no log on stderr")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the process that started it ends")
    return parser.parse_args(words)


def options_of(given: argparse.Namespace, scenario: dict[str, Any]) -> Options:
    """Options of the scenario, overruled by the command line; raises ValueError for one that does not exist."""
    chosen = dict(scenario.get("options", {}))
    fixed = {"accounts": chosen.pop("accounts", []), "securities": chosen.pop("securities", [])}
    options = Options(host=given.host, port=given.port, control_port=given.control, rsa_key=given.rsa_key, **fixed)
    options.state = given.state
    options.seed = given.seed if given.seed is not None else chosen.pop("seed", None)
    chosen.pop("seed", None)
    options.change(chosen)
    options.change({name: json.loads(value) for name, _, value in (item.partition("=") for item in given.set)})
    if given.tick_interval is not None:
        options.tick_interval = given.tick_interval
    return options


async def serve(options: Options, commands: list[dict[str, Any]]) -> None:
    """Run until SIGTERM, SIGINT or the command ``stop``."""
    running = Running(options)
    loop = asyncio.get_event_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.finish)
    await running.start()
    for item in commands:
        answer = await running.do(item)
        if not answer["ok"]:
            raise ValueError(f"scenario, {item}: {answer['error']}")
    print(json.dumps({"host": options.host, "port": running.port, "control": running.control_port}), flush=True)
    await running.wait()


def die_with_parent() -> None:
    """Ask the kernel for SIGHUP at the parent's end.

    The kernel means the thread that started us, which may end while its process lives on: hence the look at the ppid.
    """
    parent = os.getppid()

    def parent_gone(number: int, frame: Any) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGHUP, parent_gone)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def main(words: list[str] | None = None) -> int:
    """Exit status: 0, or 2 when the options, the scenario or the port do not work."""
    given = arguments(words)
    if given.die_with_parent:
        die_with_parent()
    level = logging.ERROR if given.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        scenario = json.loads(Path(given.scenario).read_text(encoding="utf-8")) if given.scenario else {}
        asyncio.run(serve(options_of(given, scenario), scenario.get("do", [])))
    except (ValueError, TypeError, ImportError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
