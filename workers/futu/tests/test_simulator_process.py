"""Shows the simulator as a process: its command line, its control port, its raw protocol and its end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from simulator_support import US, WORKER, wait_until

from brokerbus_futu.simulator import ControlClient, SimulatorProcess
from brokerbus_futu.simulator.control import ControlError
from brokerbus_futu.simulator.state import executed

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(WORKER)}
COMMAND = [sys.executable, "-m", "brokerbus_futu.simulator"]
HEADER = "<2sI2B2I20s8s"


def frame(proto, body, serial=1):
    return struct.pack(HEADER, b"FT", proto, 0, 0, serial, len(body), hashlib.sha1(body).digest(), b"") + body


@pytest.fixture(scope="module")
def process():
    with SimulatorProcess(words=["--seed", "1"]) as running:
        yield running


@pytest.fixture
def raw(process):
    with socket.create_connection((process.host, process.port), 5) as link:
        yield link


def test_ready_line_and_end():
    """The ready line names both ports; SIGTERM ends the process at once with status 0."""
    running = SimulatorProcess()
    assert set(running.ready) == {"host", "port", "control"}
    assert running.control.do("ping")["port"] == running.port
    assert running.stop() == 0


def test_interrupt():
    """SIGINT ends it too."""
    with subprocess.Popen([*COMMAND, "--port", "0", "--quiet"], stdout=subprocess.PIPE, env=ENVIRONMENT) as running:
        assert json.loads(running.stdout.readline())["control"] is None
        running.send_signal(signal.SIGINT)
        assert running.wait(5) == 0


def test_scenario(tmp_path):
    """A scenario sets options, adds a security and carries out commands before the first client."""
    path = tmp_path / "scenario.json"
    scenario = {
        "options": {"auto_fill": False, "securities": [{"code": "US.ZZZ", "price": 10.0}]},
        "do": [{"do": "set_price", "code": "US.AAPL", "price": 111.0}, {"do": "fault", "kind": "mute"}],
    }
    path.write_text(json.dumps(scenario))
    with SimulatorProcess(words=["--scenario", str(path), "--set", "quota=7"]) as running:
        assert running.control.do("security", code="US.AAPL")["price"] == 111.0
        assert running.control.do("security", code="US.ZZZ")["lot"] == 1
        assert running.control.do("faults")[0]["kind"] == "mute"
        options = running.control.do("set")
        assert (options["auto_fill"], options["quota"]) == (False, 7)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "nonsense=1"], "no option 'nonsense'"),
        (["--set", 'quota="x"'], "quota wants int"),
        (["--scenario", "/does/not/exist.json"], "No such file"),
        (["--rsa-key", "/does/not/exist.pem"], "No such file"),
    ],
)
def test_what_does_not_work_is_said(words, says):
    """Wrong options end with status 2 and a sentence, before anything listens."""
    result = subprocess.run([*COMMAND, "--port", "0", *words], capture_output=True, env=ENVIRONMENT, timeout=20)
    assert result.returncode == 2
    assert says in result.stderr.decode()
    assert result.stdout == b""


def test_port_taken(process):
    """A port in use is told, not shared."""
    words = [*COMMAND, "--port", str(process.port)]
    result = subprocess.run(words, capture_output=True, env=ENVIRONMENT, timeout=20)
    assert result.returncode == 2
    assert "in use" in result.stderr.decode()


def test_dies_with_its_parent():
    """Its parent killed with -9, the simulator is gone: with --die-with-parent no process is left over."""
    words = [*COMMAND, "--port", "0", "--quiet", "--die-with-parent"]
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({words!r}, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=ENVIRONMENT) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: gone(pid), "the simulator to end", timeout=5)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_control_client_needs_neither_sdk_nor_protobuf():
    """A test in another virtualenv can import the control client with the standard library alone."""
    code = (
        "import sys\n"
        "from brokerbus_futu.simulator import ControlClient, SimulatorProcess\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in ('google', 'Crypto', 'futu')]\n"
        "sys.exit(1 if loaded else 0)\n"
    )
    assert subprocess.run([sys.executable, "-S", "-c", code], env=ENVIRONMENT, timeout=20).returncode == 0


def test_control_refusals(process):
    """A wrong command is refused with a sentence, and the connection goes on."""
    for fields in ({"verb": "nonsense"}, {"verb": "fault"}, {"verb": "set_price", "code": "US.NOPE", "price": 1}):
        with pytest.raises(ControlError):
            process.control.do(fields.pop("verb"), **fields)
    with socket.create_connection((process.host, process.ready["control"]), 5) as link:
        link.sendall(b"not json\n")
        assert json.loads(link.makefile().readline())["ok"] is False
    with ControlClient(process.ready["control"]) as second:
        assert second.do("place", acc_id=str(US), code="US.AAPL", side="BUY", qty=1, price=1)["status"] == "SUBMITTED"


def test_init_connect_comes_first(process, raw):
    """Any other request before InitConnect is refused, in the frame of that request."""
    raw.sendall(frame(1004, b"\x0a\x02\x08\x01", serial=77))
    header = struct.unpack(HEADER, raw.recv(44))
    assert (header[1], header[4]) == (1004, 77)
    assert b"InitConnect comes first" in raw.recv(header[5])


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n",
        struct.pack(HEADER, b"FT", 1001, 0, 0, 1, 2**31, b"", b""),
        struct.pack(HEADER, b"FT", 1001, 0, 0, 1, 2, b"wrong digest", b"") + b"\x0a\x00",
        struct.pack(HEADER, b"FT", 1001, 1, 0, 1, 2, hashlib.sha1(b"{}").digest(), b"") + b"{}",
    ],
    ids=["magic", "length", "digest", "json"],
)
def test_rubbish_closes_the_connection(process, raw, rubbish):
    """Wrong magic, absurd length, wrong digest and JSON bodies close the connection, and only that one."""
    raw.sendall(rubbish)
    assert raw.recv(100) == b""
    assert process.control.do("ping")["listening"]


def test_burst_rate(process, raw):
    """At least 10,000 ticks a second leave the simulator, each in a push of its own."""
    subscribe = b"\x0a\x12" + b"\x0a\x08\x08\x0b\x12\x04AAPL" + b"\x10\x04\x18\x01\x20\x01\x30\x00"
    raw.sendall(frame(1001, b"\x0a\x07\x08\x01\x12\x03abc") + frame(3001, subscribe, serial=2))
    stream = raw.makefile("rb")
    for proto in (1001, 3001):
        header = struct.unpack(HEADER, stream.read(44))
        assert header[1] == proto
        assert stream.read(header[5]).startswith(b"\x08\x00")
    results = []
    ask = threading.Thread(target=lambda: results.append(process.control.do("burst", code="US.AAPL", count=20_000)))
    ask.start()
    for serial in range(1, 20_001):
        header = struct.unpack(HEADER, stream.read(44))
        assert (header[1], header[4]) == (3011, serial)
        stream.read(header[5])
    ask.join(5)
    assert results[0]["ticks"] / results[0]["seconds"] >= 10_000


def test_unknown_protocol_and_unreadable_body(process, raw):
    """Both are answered with retType -1 and leave the connection open."""
    for proto, body in ((9999, b""), (2202, b"\xff\xff"), (3005, b"")):
        raw.sendall(frame(proto, body))
        header = struct.unpack(HEADER, raw.recv(44))
        answer = raw.recv(header[5])
        assert header[1] == proto
        assert answer.startswith(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")


def test_orders_outlive_a_kill(tmp_path):
    """With a state file orders, fills, positions and ids are there after kill -9, and a cut last line harms nothing."""
    path = tmp_path / "state"
    words = ["--seed", "1", "--state", str(path)]
    with SimulatorProcess(words=words) as running:
        assert executed(str(path)) == []
        before = {"acc_id": US, "code": "US.AAPL", "side": "BUY"}
        rests = running.control.do("place", **before, qty=5, price=1.0, remark="rests")
        running.control.do("place", **before, qty=2, price=500.0, remark="fills")
        running.control.do("fill", order_id=rests["order_id_ex"], qty=2, price=0.5)
        told = [running.control.orders(), running.control.do("fills"), running.control.do("accounts")]
        os.kill(running.pid, signal.SIGKILL)
    with path.open("ab") as file:
        file.write(b'{"order": {"half')
    assert [tag for _, tag in executed(str(path))] == ["rests", "fills"]
    with SimulatorProcess(words=words) as running:
        assert [running.control.orders(), running.control.do("fills"), running.control.do("accounts")] == told
        third = running.control.do("place", **before, qty=1, price=1.0, remark="third")
        assert int(third["order_id"]) > max(int(order["order_id"]) for order in told[0])
        running.control.do("fill", order_id=rests["order_id_ex"])
        assert running.control.orders()[0]["status"] == "FILLED_ALL"
    assert [tag for _, tag in executed(str(path))] == ["rests", "fills", "third"]


def test_an_order_cut_in_the_making(tmp_path):
    """An order that was taken and not yet accepted when the simulator was killed is accepted at its next start."""
    path = tmp_path / "state"
    words = ["--seed", "1", "--state", str(path)]
    with SimulatorProcess(words=[*words, "--set", "auto_accept=false"]) as running:
        running.control.do("place", acc_id=US, code="US.AAPL", side="BUY", qty=5, price=500.0)
        os.kill(running.pid, signal.SIGKILL)
    with SimulatorProcess(words=words) as running:
        assert [order["status"] for order in running.control.orders()] == ["FILLED_ALL"]
        assert len(running.control.do("fills")) == 1
