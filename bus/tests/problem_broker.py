"""A broker that misbehaves on request: it hangs, raises, keeps the GIL, dies, or answers what it must not."""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Sequence

from brokerbus import errors, model
from brokerbus.broker import Broker, Context, OrderRequest, SettingKind
from brokerbus.contract import Contract


def hold_the_gil(seconds: float) -> None:
    """Sleeps without letting any other Python thread run, as some SDKs wait for the network."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


class ProblemBroker(Broker):
    """``symbol`` of a quote says how it goes wrong; each executed order is a line in the file ``orders``."""

    name = "problem"
    display = "Problem"
    regions = ("US",)
    kinds = ("status", "tick", "order", "fill")
    absence_proves_after = 0.5
    invents_cancels = True
    settings: ClassVar[Dict[str, SettingKind]] = {
        "connect": SettingKind(str, "how connecting goes: ok, refused, hang, leak"),
        "app_secret": SettingKind(str, "told by connect = leak", secret=True),
    }

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self._connect = settings.get("connect", "ok")
        self._secret = settings.get("app_secret", "")
        self._orders = Path(context.home) / "orders"

    def connect(self) -> None:
        if self._connect == "leak":
            raise RuntimeError(f"GET /?secret={self._secret} failed")
        if self._connect == "hang":
            time.sleep(3600)
        if self._connect == "refused" and not (Path(self.context.home) / "gateway").exists():
            raise errors.Unavailable("the gateway refuses connections")

    def ping(self) -> bool:
        if (Path(self.context.home) / "slow-ping").exists():
            time.sleep(3600)
        return True

    def quote(self, contract: Contract) -> model.Quote:
        _misbehave(contract.symbol)
        price = math.nan if contract.symbol == "NAN" else 1.5
        return model.Quote(contract, "USD", True, price, 1.0, 1.0, 2.0, 1.0, 1_700_000_000_000)

    def market_status(self) -> model.MarketStatusMap:
        return {"Securities": {"US": model.MarketStatus("US", "MORNING", "RTH")}}

    def place_order(self, request: OrderRequest) -> str:
        symbol = request.contract.symbol
        if symbol == "DROP":
            raise errors.UnknownOutcome("no answer")
        if symbol == "DIE-BEFORE":
            os._exit(3)
        if symbol == "REFUSE":
            raise errors.RateLimited("not now", retry_after=0.1)
        if symbol.startswith("REJECT"):
            _misbehave(symbol)
        if symbol == "LATE":
            time.sleep(0.8)  # longer than absence proves anything: the request leaves at the end of the call
            threading.Timer(0.3, self._execute, (request.client_order_id,)).start()
            raise errors.UnknownOutcome("no answer")
        self._execute(request.client_order_id)
        order_id = str(len(self._executed()))
        _misbehave(symbol)
        if symbol == "LOSE":
            raise errors.UnknownOutcome("no answer")
        order = model.Order(order_id, "USD", request.qty, client_order_id=request.client_order_id)
        self.context.push("order", order_id, order.to_map())
        return order_id

    def _execute(self, tag: str) -> None:
        with self._orders.open("a") as executed:
            executed.write(tag + "\n")

    def _executed(self) -> List[str]:
        return self._orders.read_text().split() if self._orders.exists() else []

    def orders(self, open_only: bool, since: Optional[int]) -> List[model.Order]:
        if (Path(self.context.home) / "hidden").exists():
            raise errors.Unavailable("the list cannot be had")
        return [
            model.Order(str(number), "USD", 1, client_order_id=tag) for number, tag in enumerate(self._executed(), 1)
        ]

    def order(self, order_id: str) -> model.Order:
        found = [order for order in self.orders(False, None) if order.order_id == order_id]
        if not found:
            raise errors.NotFound(f"no order {order_id}")
        return found[0]

    def fills(self, since: Optional[int]) -> List[model.Fill]:
        return []

    def modify_order(self, order_id: str, qty: Optional[model.Number], price: Optional[model.Number]) -> None:
        self.order(order_id)

    def cancel_order(self, order_id: str) -> None:
        self.order(order_id)

    def raw(self, name: str, params: Mapping[str, Any]) -> Any:
        if name == "push":
            for number in range(params.get("count", 1)):
                self.context.push("tick", params.get("subject", "US.AAPL"), {"n": number})
            return None
        if name == "fork":
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
            return None
        if name == "push-garbage":
            for data in ({"price": math.nan}, None, {"x": object()}):
                self.context.push("tick", "US.AAPL", data)  # type: ignore[arg-type]
            return None
        if name == "report":
            self.context.push(params["kind"], params["subject"], params["data"])
            return None
        if name == "session":
            self.context.session(params["state"], params.get("reason", ""))
            return None
        if name == "fail":
            self.context.fail("told to")
        if name == "huge":
            return "x" * (2 * 1024 * 1024)
        return params

    def quotes(self, contracts: Sequence[Contract]) -> List[model.Quote]:
        return [self.quote(contract) for contract in contracts]


def _misbehave(symbol: str) -> Optional[Any]:
    how, _, amount = symbol.partition("-")
    if how == "SLEEP":
        time.sleep(float(amount))
    elif how == "GIL":
        hold_the_gil(float(amount))
    elif how == "RAISE":
        raise RuntimeError("a secret that must not travel")
    elif how == "REJECT":
        raise errors.Rejected("not enough buying power", detail={"code": "1001"})
    elif how == "DIE":
        os._exit(3)
    elif how == "EXIT":
        raise SystemExit(1)
    return None


if __name__ == "__main__":
    import sys

    from brokerbus.worker import main

    sys.path.insert(0, str(Path(__file__).parent))
    main("problem_broker:ProblemBroker", in_child=os.environ.get("PROBLEM_IN_CHILD") == "1")
