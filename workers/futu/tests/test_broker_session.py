"""The session with OpenD: absent, lost, silent, refusing, encrypted; and that nothing leaks on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest
from worker_support import eventually, needs_sdk

from brokerbus.errors import Unavailable

pytestmark = needs_sdk

Start = Callable[..., Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_opend_absent_at_start(start: Start) -> None:
    """Without OpenD the worker starts, says so, answers unavailable within 50 ms, and is up 5 s after OpenD came."""
    from brokerbus_futu.simulator import SimulatorProcess

    port = free_port()
    worker = start(port, up=False)
    status = worker.wait_session("down", 10)
    assert "does not listen" in status["reason"]
    start_of_call = time.monotonic()
    with pytest.raises(Unavailable, match="does not listen"):
        worker.place()
    assert time.monotonic() - start_of_call < 0.05
    assert worker.call("ping") == {"pong": False}
    with SimulatorProcess(port=port):
        came = time.monotonic()
        worker.wait_session("up", 5)
        assert time.monotonic() - came < 5
        assert worker.call("ping") == {"pong": True}


def test_a_name_that_is_not_known(start: Start) -> None:
    """An OpenD host that cannot be resolved keeps the session down, tells the name, and is tried again."""
    worker = start(11111, up=False, host="no-such-host.invalid")
    assert "no-such-host.invalid" in worker.wait_session("down", 10)["reason"]
    assert worker.process.poll() is None


def test_a_lost_link_comes_back_whole(opend: Any, worker: Any) -> None:
    """A cut is told at once, and once the session is up again order pushes are subscribed and flow."""
    before = opend.control.evidence()["counts"]["2008"]
    opend.control.do("drop")
    eventually(lambda: "down" in worker.pushes.sessions(), 2)
    worker.wait_session("up", 3)
    assert opend.control.evidence()["counts"]["2008"] > before
    order_id = worker.place(tag="after")["orderId"]
    eventually(lambda: order_id in [push["orderId"] for push in worker.pushes.of("order")], 3)
    assert worker.call("quote", contract="US.AAPL")["latest"]


@pytest.mark.parametrize(
    ("proto", "fault"), [(2008, "error"), (2001, "error"), (1001, "error"), (1001, "drop_before"), (1002, "error")]
)
def test_a_reconnect_that_fails_once(opend: Any, worker: Any, proto: int, fault: str) -> None:
    """When one step of coming back fails, where the SDK loses pushes or dies, all of it is tried again."""
    opend.control.fault(fault, proto, times=2)
    opend.control.do("drop")
    eventually(lambda: "down" in worker.pushes.sessions(), 2)
    worker.wait_session("up", 10)
    order_id = worker.place(tag="whole")["orderId"]
    eventually(lambda: order_id in [push["orderId"] for push in worker.pushes.of("order")], 3)


def test_a_hung_initconnect(opend: Any, worker: Any) -> None:
    """An InitConnect that is never answered is given up after seconds, and no connection is left behind."""
    opend.control.fault("swallow", 1001, times=2)
    opend.control.do("drop")
    worker.wait_session("down", 3)
    eventually(lambda: "does not answer" in str(worker.status["reason"]), 8)
    worker.wait_session("up", 8)
    eventually(lambda: len(opend.control.do("links")) == 2)


def test_a_silent_opend(opend: Any, worker: Any) -> None:
    """A stopped OpenD is found silent within 5 s, and found again at once when it goes on, on the same links."""
    links = {link["conn_id"] for link in opend.control.do("links")}
    os.kill(opend.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        status = worker.wait_session("down", 6)
        assert time.monotonic() - stopped < 5.5
        assert "has not answered" in status["reason"]
    finally:
        os.kill(opend.pid, signal.SIGCONT)
    worker.wait_session("up", 5)
    assert {link["conn_id"] for link in opend.control.do("links")} == links
    assert worker.call("ping") == {"pong": True}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the SDK's own
def test_garbage_on_the_link(opend: Any, inside: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Random bytes, after which the SDK never reads an answer again, are found and the links replaced."""
    monkeypatch.setattr("brokerbus_futu.session.SILENT_SECONDS", 2.0)
    monkeypatch.setattr("brokerbus_futu.session.DEAD_SECONDS", 3.0)
    desk = inside()
    opend.control.do("garbage")
    eventually(lambda: desk.host.sessions[-2:] == ["down", "up"], 10)
    assert desk.place("after")


def test_half_a_frame_then_a_cut(opend: Any, worker: Any) -> None:
    """Half a frame before a cut, which kills the SDK's own reconnect, does not outlive the link."""
    opend.control.fault("half_frame", 3203)
    with pytest.raises(Unavailable):
        worker.call("quote", contract="US.AAPL")
    eventually(lambda: "down" in worker.pushes.sessions(), 2)
    worker.wait_session("up", 5)
    assert worker.call("quote", contract="US.AAPL")["latest"]


def cut(opend: Any, worker: Any) -> None:
    """Cuts both links and waits until they are back."""
    worker.wait_session("up", 10)
    epoch = opend.control.evidence()["counts"]["1001"]
    opend.control.do("drop")
    eventually(lambda: opend.control.evidence()["counts"]["1001"] >= epoch + 2)
    worker.wait_session("up", 10)


def used(opend: Any, worker: Any) -> Tuple[int, int]:
    """Threads and descriptors of a worker that has done everything once, and has lost its links before."""
    worker.place(price=500.0)
    worker.call("fills")
    for _ in range(3):
        cut(opend, worker)
    worker.call("orders")
    return worker.threads(), worker.descriptors()


def test_nothing_leaks(opend: Any, worker: Any) -> None:
    """Threads, descriptors and connections are the same after twenty lost links as after one."""
    threads, descriptors = used(opend, worker)
    for _ in range(20):
        cut(opend, worker)
    # Twenty links would leak twenty of each; the journal's own files and threads may open after the count.
    eventually(lambda: worker.threads() <= threads + 4 and worker.descriptors() <= descriptors + 6, 10)
    assert len(opend.control.do("links")) == 2


def test_failed_tries_do_not_leak(opend: Any, worker: Any) -> None:
    """Refused and hung tries leave no thread and no connection, where the SDK leaks one of each per try."""
    threads, descriptors = used(opend, worker)
    tries = opend.control.evidence()["counts"]["1001"]
    opend.control.fault("error", 1001, times=None, message="no room")
    opend.control.do("drop")
    eventually(lambda: "no room" in str(worker.status["reason"]), 5)
    eventually(lambda: opend.control.evidence()["counts"]["1001"] >= tries + 10, 10)
    opend.control.clear()
    worker.wait_session("up", 5)
    # Ten tries would leak ten of each; the journal's own files and threads may open after the count.
    eventually(lambda: worker.threads() <= threads + 4 and worker.descriptors() <= descriptors + 6, 10)
    assert worker.process.poll() is None


def test_the_sdk_writes_nothing_but_its_file(opend: Any, worker: Any) -> None:
    """The SDK says nothing on our output, and its log file lies empty in the instance's own home."""
    worker.call("quote", contract="US.AAPL")
    assert "InitConnect" not in worker.log.read_text()
    logs = list(Path(worker.state_dir).rglob("py_*.log"))
    assert logs
    assert all(log.stat().st_size == 0 for log in logs)


def test_sigint_and_sigterm_end_it_properly(opend: Any, start: Start) -> None:
    """Importing the SDK leaves the signals alone: both end the worker with status 0 within 5 s, OpenD there or not."""
    for number, port in ((signal.SIGINT, opend.port), (signal.SIGTERM, free_port())):
        worker = start(port, up=port == opend.port)
        worker.status  # noqa: B018 - serves
        asked = time.monotonic()
        worker.process.send_signal(number)
        assert worker.process.wait(6) == 0
        assert time.monotonic() - asked < 5


def test_the_import_in_the_main_thread(tmp_path: Path) -> None:
    """Also in the main thread, where the SDK takes SIGINT over, the import leaves the handler as it was."""
    code = (
        "import signal; from brokerbus_futu.broker import load_sdk; before = signal.getsignal(signal.SIGINT); "
        f"sdk = load_sdk('futu', {str(tmp_path)!r}, ''); assert signal.getsignal(signal.SIGINT) is before; "
        "assert sdk.SysConfig.get_all_thread_daemon()"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=30)


def test_a_module_that_hides_the_sdk(tmp_path: Path) -> None:
    """A module of the SDK's name that is not the SDK is told with its path, instead of failing later."""
    (tmp_path / "futu.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from brokerbus_futu.broker import load_sdk; "
        f"load_sdk('futu', {str(tmp_path)!r}, '')"
    )
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert f"{tmp_path}/futu.py of the same name hides the SDK" in ended.stderr


def test_an_encrypted_link(tmp_path: Path, start: Start) -> None:
    """With pk_path both links are encrypted, trade, and come back after a cut."""
    rsa = pytest.importorskip("Crypto.PublicKey.RSA")
    from brokerbus_futu.simulator import SimulatorProcess

    key = tmp_path / "key.pem"
    key.write_bytes(rsa.generate(1024).export_key("PEM", pkcs=1))
    with SimulatorProcess(words=["--rsa-key", str(key)]) as opend:
        worker = start(opend.port, pk_path=str(key))
        assert [link["encrypted"] for link in opend.control.do("links")] == [True, True]
        assert worker.place(tag="secret")["orderId"]
        opend.control.do("drop")
        eventually(lambda: "down" in worker.pushes.sessions(), 2)
        worker.wait_session("up", 10)
        assert worker.call("order", orderId=opend.control.orders()[0]["order_id_ex"])["clientOrderId"] == "secret"


def test_a_key_that_is_not_there(opend: Any, start: Start) -> None:
    """A pk_path without a readable file keeps the session down and names the path."""
    worker = start(opend.port, up=False, pk_path="/no/such/key.pem")
    assert "/no/such/key.pem" in worker.wait_session("down", 10)["reason"]
