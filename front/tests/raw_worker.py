"""A worker in raw bytes, without the bus package: it speaks protocol 1 over a ROUTER and misbehaves on request.

    python raw_worker.py RUN_DIR INSTANCE [--session down]

The symbol of a quote, or the clientOrderId or orderId of an order, says how to misbehave; a word that ends in
_ONCE does so once, over restarts too. `seen` answers with every request that came, so that a test knows what
reached a worker.
"""

import argparse
import os
import threading
import time
from pathlib import Path
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
FILL = {
    "type": "fill",
    "fillId": "f1",
    "orderId": "o1",
    "contract": CONTRACT,
    "direction": "BUY",
    "qty": 1,
    "price": 1.5,
    "timestamp": 1700000000000,
    "clientOrderId": None,
    "fee": 0.1,
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
    "orders": [ORDER],
    "fills": [FILL],
    "quotes": [QUOTE],
    "accounts": [{"accountId": "1", "env": "SIMULATE", "type": "CASH", "status": "ACTIVE", "markets": ["US"]}],
    "balances": [{"type": "balance", "currency": "USD", "cash": 1, "available": None, "netAssets": 2.5}],
    "cancel_order": {"canceled": True},
    "modify_order": {"orderId": "o1"},
    "resume": {"halted": False, "reason": None},
    "capabilities": {"methods": ["ping"], "kinds": [], "regions": ["US"], "sdk": None, "python": "3.12.1"},
}


class RawWorker:
    """One instance being served, well or badly."""

    def __init__(self, run_dir: Path, instance: str, session: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(f"ipc://{run_dir}/{instance}.req")
        self.done = run_dir / f"{instance}.done"
        self.session = session
        self.halted: str | None = None
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
        words = (params.get("clientOrderId"), params.get("orderId"), asked)
        whim = next(filter(None, map(self.whim, words)), None)
        reply = {"v": 1, "id": request["id"], "ok": True, "result": self.result(method, params)}
        frames = [identity, b"", msgpack.packb(reply)]
        if whim is None:
            self.socket.send_multipart(frames)
        else:
            whim(frames, reply)

    def whim(self, word: Any) -> Any:
        if not isinstance(word, str) or not word.lower().endswith("_once"):
            return getattr(self, f"whim_{word}".lower(), None)
        done = self.done.read_text().split() if self.done.exists() else []
        if word in done:
            return None
        self.done.write_text(" ".join([*done, word]))
        return getattr(self, f"whim_{word}".lower().removesuffix("_once"))

    def result(self, method: str, params: dict[str, Any]) -> Any:
        if method == "status":
            told = {"state": "ready", "session": self.session, "reason": "the gateway is away"}
            return {**told, "halted": self.halted, "unknown": 3 if self.halted else 0}
        if method == "seen":
            return list(self.seen)
        if method == "place_order":
            return {"orderId": "o1", "clientOrderId": params.get("clientOrderId")}
        if method == "halt":
            self.halted = params["reason"]
            return {"halted": True, "reason": self.halted}
        if method == "resume":
            self.halted = None
        return RESULTS[method]

    def fail(self, frames: list[bytes], reply: dict[str, Any], code: str, message: str, **more: Any) -> None:
        failed = {"v": 1, "id": reply["id"], "ok": False, "error": {"code": code, "message": message, **more}}
        self.socket.send_multipart([frames[0], b"", msgpack.packb(failed)])

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
        self.fail(frames, reply, "rejected", "no cash", detail={"code": "7"})

    def whim_unsure(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.fail(frames, reply, "unknown_outcome", "no answer from the broker")

    def whim_twin(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.fail(frames, reply, "conflict", "in flight", detail={"reason": "in_flight"}, retryAfter=0.1)

    def whim_other(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.fail(frames, reply, "conflict", "another order", detail={"reason": "content", "orderId": "o1"})

    def whim_halted(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.fail(frames, reply, "halted", "trading is halted: lunch")

    def whim_down(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.fail(frames, reply, "unavailable", "the broker's session is down", retryAfter=4.0)

    def whim_unknown(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        self.fail(frames, reply, "not_found", "no such order")

    def whim_odd(self, frames: list[bytes], reply: dict[str, Any]) -> None:
        odd = {
            "detail": {"x": float("nan"), "y": b"\xff", "z": {1: msgpack.ExtType(5, b"x")}},
            "retryAfter": float("inf"),
        }
        self.fail(frames, reply, "rate_limited", "slowly", **odd)


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
    RawWorker(Path(options.run_dir), options.instance, options.session).serve()
