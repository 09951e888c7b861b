"""httptrading 1.0.8 with a stub broker, run by its own Python: the other side of the comparison."""

from __future__ import annotations

import argparse
import json
import platform
import socket
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import httptrading  # type: ignore[import-not-found]
from httptrading.broker.base import SecuritiesBroker, broker_register  # type: ignore[import-not-found]
from httptrading.model import Quote  # type: ignore[import-not-found]


def build_quote(contract: Any, values: dict[str, Any]) -> Any:
    """A new Quote for each request, as the real brokers make one."""
    return Quote(
        contract=contract,
        currency=values["currency"],
        is_tradable=values["isTradable"],
        latest=values["latest"],
        pre_close=values["preClose"],
        open_price=values["openPrice"],
        high_price=values["highPrice"],
        low_price=values["lowPrice"],
        time=datetime.fromtimestamp(values["timestamp"] / 1000, UTC),
    )


@broker_register(name="stub", display="Stub")
class AsyncStub(SecuritiesBroker):  # type: ignore[misc]
    """Case (a): the answer is made on the event loop."""

    async def quote(self, contract: Any) -> Any:
        return build_quote(contract, self.broker_args)


@broker_register(name="stub", display="Stub")
class SyncStub(SecuritiesBroker):  # type: ignore[misc]
    """Case (b): the answer is made in the thread pool, through call_sync, as every real broker of 1.0.8 does."""

    async def quote(self, contract: Any) -> Any:
        return await self.call_sync(lambda: build_quote(contract, self.broker_args))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--async-instance", required=True)
    parser.add_argument("--sync-instance", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--quote", type=json.loads, required=True, help="the values of the quote, in JSON")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0))
    brokers = [
        AsyncStub(options.quote, options.async_instance, [options.token]),
        SyncStub(options.quote, options.sync_instance, [options.token]),
    ]

    def announce(*_: object) -> None:
        packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "httptrading"))
        versions = f"Python {platform.python_version()}, {packages}"
        print(json.dumps({"port": listener.getsockname()[1], "versions": versions}), flush=True)

    httptrading.run(None, None, brokers, sock=listener, print=announce, access_log=None)


if __name__ == "__main__":
    main()
