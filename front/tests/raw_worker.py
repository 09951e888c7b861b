"""A worker in raw bytes, without the bus package: it speaks protocol 1 over a ROUTER and misbehaves on request.

    python raw_worker.py RUN_DIR INSTANCE [--session down]

The symbol of a quote, or the clientOrderId of an order, says how to misbehave. `seen` answers with every
request that came, so that a test knows what reached a worker.
"""

import argparse
import os
import threading
import time
from typing import Any

import msgpack
import zmq

CONTRACT = {"type": "contract", "tradeType": "Securities", "region": "US", "symbol": "AAPL"}
QUOTE = {
    "type": "quote",
    "contract": CONTRACT,
    "currency": "USD",
    "isTradable": True,
    "latest": 1.0,
    "preClose": 2,
    "highPrice": 3.0,
    "lowPrice": None,
    "openPrice": 1.5,
    "timestamp": 1700000000000,
}
ORDER = {
    "type": "order",
    "orderId": "o1",
    "currency": "USD",
    "qty": 3,
    "filledQty": 0,
    "avgPrice": 0.0,
    "errorReason": "",
    "isCanceled": False,
    "isFilled": False,
    "isCompleted": False,
    "isCancelable": True,
    "clientOrderId": "c1",
    "origin": "bus",
    "price": 1.5,
}
POSITION = {
    "type": "position",
    "broker": "stub",
    "brokerDisplay": "Stub",
    "contract": CONTRACT,
    "unit": "Share",
    "currency": "USD",
    "qty": 3,
}
RESULTS: dict[str, Any] = {
    "ping": {"pong": True},
    "quote": QUOTE,
    "cash": {"type": "cash", "currency": "USD", "amount": 1.5},
    "positions": [POSITION],
    "market_status": {
        "securities": {
            "US": {"type": "marketStatus", "region": "US", "originStatus": "x", "unifiedStatus": "RTH"},
        },
        "type": "marketStatusMap",
    },
    "order": ORDER,
    "cancel_order": {"canceled": True},
}


class RawWorker:
    """One instance being served, well or badly."""

    def __init__(self, address: str, session: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(address)
        self.session = session
        self.seen: list[dict[str, Any]] = []
        self.later: list[tuple[float, list[bytes]]] = []

    def serve(self) -> None:
        while True:
            if self.socket.poll(20):
                identity, _, body = self.socket.recv_multipart()
                self.take(identity, msgpack.unpackb(body))
            due = [entry for entry in self.later if entry[0] <= time.monotonic()]
            for entry in due:
                self.later.remove(entry)
                self.socket.send_multipart(entry[1])

    def take(self, identity: bytes, request: dict[str, Any]) -> None:
        method, params = request["method"], request["params"]
        if method not in ("status", "seen"):
            self.seen.append(request)
        contract = params.get("contract")
        asked = contract.get("symbol") if isinstance(contract, dict) else contract
        whim = self.whim(params.get("clientOrderId")) or self.whim(asked)
        reply = {"v": 1, "id": request["id"], "ok": True, "result": self.result(method, params)}
        frames = [identity, b"", msgpack.packb(reply)]
        if whim is None:
            self.socket.send_multipart(frames)
        else:
            whim(frames, reply)

    def whim(self, word: Any) -> Any:
        return getattr(self, f"whim_{word}".lower(), None)

    def result(self, method: str, params: dict[str, Any]) -> Any:
        if method == "status":
            return {"state": "ready", "session": self.session, "reason": "the gateway is away"}
        if method == "seen":
            return list(self.seen)
        if method == "place_order":
            return {"orderId": "o1", "clientOrderId": params.get("clientOrderId")}
        return RESULTS[method]

    # -- whims -------------------------------------------------------------------------------------
    def whim_die(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        os._exit(1)

    def whim_silent(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        pass

    def whim_late(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.later.append((time.monotonic() + 0.5, frames))

    def whim_garbage(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        for body in (b"", b"\xc1", b"\x80", b"\xdd\xff\xff\xff\xff", b"\x81" * 5000, os.urandom(100)):
            self.socket.send_multipart([frames[0], b"", body])
        self.socket.send_multipart(frames)

    def whim_stray(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        stray = {**reply, "id": "not-yours", "result": {**QUOTE, "latest": 666}}
        self.socket.send_multipart([frames[0], b"", msgpack.packb(stray)])
        self.socket.send_multipart(frames)

    def whim_misfit(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.socket.send_multipart(
            [frames[0], b"", msgpack.packb({**reply, "result": {"type": "quote", "latest": "1"}})]
        )

    def whim_nan(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        odd = {**QUOTE, "latest": float("nan"), "highPrice": float("inf")}
        self.socket.send_multipart([frames[0], b"", msgpack.packb({**reply, "result": odd})])

    def whim_huge(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        bomb = msgpack.packb({"v": 1, "id": reply["id"], "ok": True})[:-1]
        body = b"\x84" + bomb[1:] + b"\xc3" + msgpack.packb("result") + b"\xdd\x00\x0f\x00\x00" + b"\x80" * 0xF0000
        self.socket.send_multipart([frames[0], b"", body])

    def whim_refused(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        error = {"code": "rejected", "message": "no cash", "detail": {"code": "7"}}
        self.socket.send_multipart(
            [frames[0], b"", msgpack.packb({"v": 1, "id": reply["id"], "ok": False, "error": error})]
        )


def die_with(parent: int) -> None:
    """Ends this process when the test that started it is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir")
    parser.add_argument("instance")
    parser.add_argument("--session", default="up")
    options = parser.parse_args()
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    RawWorker(f"ipc://{options.run_dir}/{options.instance}.req", options.session).serve()
