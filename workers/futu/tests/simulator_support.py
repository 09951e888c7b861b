"""Builds contexts of the unmodified SDK against a simulator, and waits for conditions instead of for time."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

WORKER = Path(__file__).resolve().parents[1]
if str(WORKER) not in sys.path:
    sys.path.insert(0, str(WORKER))
if "futu" not in sys.modules:
    os.environ["HOME"] = tempfile.mkdtemp(prefix="futu-home-")  # the SDK writes its log there at import

import futu  # noqa: E402
from futu.common.ft_logger import logger  # noqa: E402

from brokerbus_futu.simulator.codes import Proto  # noqa: E402, F401
from brokerbus_futu.simulator.server import Simulator  # noqa: E402

logger.file_level = logger.console_level = 50
futu.SysConfig.set_all_thread_daemon(True)

US, HK, CN, REAL = 281756455988247102, 281756455988247101, 281756455988247103, 281756455988248201
DISABLED = 281756455988247011
PASSWORD = "e10adc3949ba59abbe56e057f20f883e"


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 10.0) -> Any:
    """The first true result of a condition; fails with a sentence when the deadline passes."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def in_thread(build: Callable[[], Any], timeout: float = 20.0) -> Any:
    """Run a constructor of the SDK in a thread: with OpenD absent it never returns."""
    results: list = []
    thread = threading.Thread(target=lambda: results.append(build()), daemon=True)
    thread.start()
    thread.join(timeout)
    assert results, f"the SDK did not connect within {timeout} s"
    return results[0]


def quote_context(sim: Any) -> Any:
    """An OpenQuoteContext that never blocks for ever."""
    context = in_thread(lambda: futu.OpenQuoteContext("127.0.0.1", sim.port))
    context.set_sync_query_connect_timeout(1)
    return context


def trade_context(sim: Any) -> Any:
    """An OpenSecTradeContext for all markets; for all firms where the SDK knows how to say so (10.4)."""
    newer = tuple(int(part) for part in futu.__version__.split(".")[:2]) >= (10, 4)
    firm = futu.SecurityFirm.NONE if newer else futu.SecurityFirm.FUTUSECURITIES
    context = in_thread(
        lambda: futu.OpenSecTradeContext(futu.TrdMarket.NONE, "127.0.0.1", sim.port, security_firm=firm)
    )
    context.set_sync_query_connect_timeout(1)
    return context


def ok(answer: Any) -> Any:
    """The data of an SDK answer that must have succeeded."""
    assert answer[0] == futu.RET_OK, answer[1]
    return answer[1]


def refused(answer: Any) -> str:
    """The text of an SDK answer that must have failed."""
    assert answer[0] != futu.RET_OK, answer[1]
    return str(answer[1])


def ready_for_pushes(sim: Any) -> Any:
    """A trade context whose 2008, which the SDK sends by itself, has arrived."""
    context = trade_context(sim)
    wait_until(lambda: sim.do("links")[0]["acc_push"], "the SDK's 2008")
    return context


def opened(build: Callable[[Any], Any], **options: Any) -> Iterator[Any]:
    """A simulator and a context on it, both closed afterwards."""
    with Simulator(seed=1, **options) as sim:
        context = build(sim)
        context.sim = sim
        try:
            yield context
        finally:
            context.close()


class Orders(futu.TradeOrderHandlerBase):
    """Collects order pushes as the SDK hands them over."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list = []

    def on_recv_rsp(self, rsp_pb: Any) -> Any:
        """Keep account, remark and status."""
        order = rsp_pb.s2c.order
        self.seen.append((rsp_pb.s2c.header.accID, order.remark, order.orderStatus, order.orderIDEx))
        return super().on_recv_rsp(rsp_pb)

    def statuses(self, remark: str) -> list:
        """Statuses of one order in the order of arrival."""
        return [status for _, kept, status, _ in self.seen if kept == remark]


class Deals(futu.TradeDealHandlerBase):
    """Collects fill pushes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list = []

    def on_recv_rsp(self, rsp_pb: Any) -> Any:
        """Keep quantity and price."""
        fill = rsp_pb.s2c.orderFill
        self.seen.append((fill.orderIDEx, fill.qty, fill.price))
        return super().on_recv_rsp(rsp_pb)
