"""Shows that encrypted clients are served, each in a process of its own: the SDK's key setting is process-wide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from Crypto.PublicKey import RSA

sys.path.insert(0, str(Path(__file__).parent))
from simulator_support import US, Simulator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the SDK's own

CLIENT = """
import json, os, sys, threading
import futu
from futu.common.ft_logger import logger
logger.file_level = logger.console_level = 50
port, key, account = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
futu.SysConfig.set_all_thread_daemon(True)
if key:
    futu.SysConfig.enable_proto_encrypt(True)
    futu.SysConfig.set_init_rsa_file(key)
pushed = threading.Event()

class Ticks(futu.TickerHandlerBase):
    def on_recv_rsp(self, rsp_pb):
        if rsp_pb.s2c.tickerList[0].price == 299.0:
            pushed.set()
        return futu.RET_OK, None

def main():
    quotes = futu.OpenQuoteContext("127.0.0.1", port)
    desk = futu.OpenSecTradeContext(futu.TrdMarket.NONE, "127.0.0.1", port, security_firm=futu.SecurityFirm.NONE)
    quotes.set_handler(Ticks())
    codes = ["US.AAPL", "HK.00700", "SH.600519", "SZ.300750", "US.MSFT"]
    result = {
        "snapshot": [len(quotes.get_market_snapshot(codes[:n])[1]) for n in (1, 2, 3, 4, 5)],
        "subscribed": quotes.subscribe(["US.AAPL"], ["TICKER"])[0],
    }
    order = desk.place_order(300, 1, "US.AAPL", "BUY", trd_env="SIMULATE", acc_id=account, remark="secret")
    result["order"] = order[1].iloc[0]["order_status"] if order[0] == 0 else order[1]
    print(json.dumps(result), flush=True)
    sys.stdin.readline()
    print(json.dumps(pushed.wait(10)), flush=True)
    os._exit(0)

thread = threading.Thread(target=main)
thread.start()
thread.join()
"""


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(RSA.generate(1024).export_key("PEM", pkcs=1))
    return str(path)


def start_client(port, key, home):
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(port), key, str(US)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "HOME": str(home)},
    )


def run_client(sim, key, home):
    with start_client(sim.port, key, home) as client:
        try:
            line = client.stdout.readline()
            assert line, "the client ended without a word"
            result = json.loads(line)
            sim.do("set_price", code="US.AAPL", price=299.0)
            client.stdin.write(b"go on\n")
            client.stdin.flush()
            result["push"] = json.loads(client.stdout.readline())
            return result
        finally:
            client.kill()


EXPECTED = {"snapshot": [1, 2, 3, 4, 5], "subscribed": 0, "order": "FILLED_ALL", "push": True}


@pytest.mark.parametrize("aes_iv", [True, False], ids=["AES-CBC", "FTAES-ECB"])
def test_encrypted_client(key, tmp_path, aes_iv):
    """RSA for InitConnect, then AES-CBC, or the vendor's ECB when no IV is handed out: calls and pushes work."""
    with Simulator(seed=1, rsa_key=key, aes_iv=aes_iv) as sim:
        assert run_client(sim, key, tmp_path) == EXPECTED
        assert [order["remark"] for order in sim.orders()] == ["secret"]
        assert all(link["encrypted"] for link in sim.do("links"))


def test_plain_client_of_a_server_with_a_key(key, tmp_path):
    """A server with a key still serves a plain client, which it tells from the digest of InitConnect."""
    with Simulator(seed=1, rsa_key=key) as sim:
        assert run_client(sim, "", tmp_path) == EXPECTED
        assert not any(link["encrypted"] for link in sim.do("links"))


def test_client_with_another_key_is_cut(key, tmp_path):
    """A client whose key is not the server's is cut at InitConnect and tries again and again."""
    other = tmp_path / "other.pem"
    other.write_bytes(RSA.generate(1024).export_key("PEM", pkcs=1))
    with Simulator(seed=1, rsa_key=key, control_port=0) as sim:
        with start_client(sim.port, str(other), tmp_path) as client:
            from brokerbus_futu.simulator import ControlClient

            with ControlClient(sim.control_port) as control:
                control.wait_for(
                    "evidence",
                    lambda facts: any(item["event"] == "closed" for item in facts["connections"]),
                    timeout=20,
                )
            client.kill()
        assert sim.evidence()["counts"] == {}
