"""Which account is used, what an outcome proves, how calls are paced, when only a restart helps; no SDK needed."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List, Optional

import pytest

from brokerbus.broker import Context
from brokerbus.contract import parse
from brokerbus.engine import describe, load_broker
from brokerbus.errors import (
    BadRequest,
    BusError,
    InternalError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownOutcome,
)
from brokerbus_futu import outcomes, pacing, session
from brokerbus_futu import settings as settings_of
from brokerbus_futu.accounts import Accounts, Unusable
from brokerbus_futu.asking import Shared
from brokerbus_futu.link import Refused, Silent
from brokerbus_futu.orders import Desk
from brokerbus_futu.outcomes import Step, Trace
from brokerbus_futu.pushes import Pushes, handler

ROWS: List[Dict[str, Any]] = [
    {"accID": 11, "trdEnv": 1, "trdMarketAuthList": [1, 2], "accStatus": 1},
    {"accID": 21, "trdEnv": 0, "trdMarketAuthList": [1], "accStatus": 0, "simAccType": 1},
    {"accID": 22, "trdEnv": 0, "trdMarketAuthList": [2], "accStatus": 0, "simAccType": 5, "competitionAccName": "cup"},
    {"accID": 23, "trdEnv": 0, "trdMarketAuthList": [2], "accStatus": 0, "simAccType": 2},
    {"accID": 24, "trdEnv": 0, "trdMarketAuthList": [2], "accStatus": 0, "simAccType": 4},
    {"accID": 25, "trdEnv": 0, "trdMarketAuthList": [3], "accStatus": 0, "simAccType": 1},
    {"accID": 12, "trdEnv": 1, "trdMarketAuthList": [1, 2, 4], "accStatus": 0},
    {"accID": 13, "trdEnv": 1, "trdMarketAuthList": [1], "accStatus": 0},
]
ALL = [row["accID"] for row in ROWS]


def accounts(usable: Optional[List[int]] = None, **values: Any) -> Accounts:
    return Accounts(ROWS, ALL if usable is None else usable, settings_of.parse(values))


def test_the_account_of_a_market() -> None:
    """Each market gets the first active account of the environment that may trade it; cups last, options never."""
    simulated = accounts(trade_env="SIMULATE")
    assert {code: simulated.for_order(parse(code)).number for code in ("US.AAPL", "HK.00700", "SZ.000001")} == {
        "US.AAPL": 24, "HK.00700": 21, "SZ.000001": 25,
    }  # fmt: skip
    assert [account.number for account in simulated.used] == [24, 21, 25, 22]
    real = accounts()
    assert {real.for_order(parse(code)).number for code in ("US.AAPL", "HK.00700", "SZ.000001")} == {12}
    assert len(real.listed) == len(ROWS)
    with pytest.raises(Rejected, match="may trade JP"):
        real.for_order(parse("JP.7203"))


def test_the_account_of_cash() -> None:
    """Cash is the US account's in USD, as at httptrading; without one Hong Kong's, then the mainland's."""
    assert (accounts(trade_env="SIMULATE").for_cash().number, accounts().for_cash().base_currency) == (24, "USD")
    hong_kong = accounts(usable=[21, 25], trade_env="SIMULATE").for_cash()
    assert (hong_kong.number, hong_kong.base_currency) == (21, "HKD")
    assert accounts(usable=[25], trade_env="SIMULATE").for_cash().base_currency == "CNH"
    with pytest.raises(Rejected, match="no active SIMULATE account"):
        accounts(usable=[], trade_env="SIMULATE").for_cash()


@pytest.mark.parametrize(
    ("acc_id", "env", "usable", "words"),
    [
        (99, "REAL", ALL, "no account 99; REAL accounts are 11, 12, 13"),
        (11, "REAL", ALL, "11 is DISABLED"),
        (21, "REAL", ALL, "21 is a SIMULATE account"),
        (12, "SIMULATE", ALL, "12 is a REAL account"),
        (12, "REAL", [13], "another firm"),
    ],
)
def test_a_configured_account_that_cannot_be_used(acc_id: int, env: str, usable: List[int], words: str) -> None:
    """A configured account that is absent, closed, elsewhere or another firm's is refused, and nothing replaces it."""
    with pytest.raises(Unusable, match=words):
        accounts(usable=usable, acc_id=acc_id, trade_env=env)


def test_a_configured_account_is_the_only_one() -> None:
    """With acc_id set no other account is used, even where that one may not trade the market."""
    found = accounts(acc_id=13)
    assert [account.number for account in found.used] == [13]
    with pytest.raises(Rejected, match="may trade US"):
        found.for_order(parse("US.AAPL"))


# -- outcomes --------------------------------------------------------------------------------------
LISTED = Step(2001, True, 0)


def trace(*steps: Step, data: Any = "words", error: Optional[BaseException] = None) -> Trace:
    return Trace("place_order", list(steps), False, data, error)


WRITING = [
    (trace(Step(2001, True), data="PacketErr.Timeout"), Unavailable),
    (trace(Step(2001, True, -1, "not logged in")), Unavailable),
    (trace(LISTED, data="ERROR. Nonexisting acc_id 5!"), BadRequest),
    (trace(data="Connect timeout"), Unavailable),
    (trace(LISTED, Step(2202, False), data="invalid connid"), Unavailable),
    (trace(LISTED, Step(), data="'str' object cannot be interpreted as an integer"), BadRequest),
    (trace(LISTED, error=TypeError("float")), InternalError),
    (trace(LISTED, Step(2202, True), data="Connect timeout"), Unavailable),
    (trace(LISTED, Step(2202, True), data="Connection closed"), Unavailable),
    (trace(LISTED, Step(2202, True), data="Disconnect"), UnknownOutcome),
    (trace(LISTED, Step(2202, True), data="PacketErr.Timeout"), UnknownOutcome),
    (trace(LISTED, Step(2202, True), data="Abnormal event timeout"), UnknownOutcome),
    (trace(LISTED, Step(2202, True), data="invalid connid"), UnknownOutcome),
    (trace(LISTED, Step(2202, True), data="proto_id:2202 conn_id:1 check sha error!"), UnknownOutcome),
    (trace(LISTED, Step(2202, True), data="[Errno 9] Bad file descriptor"), UnknownOutcome),
    (trace(LISTED, Step(2202, True), error=OSError("gone")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -1, "Insufficient buying power")), Rejected),
    (trace(LISTED, Step(2202, True, -1, "Connect timeout")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -1, "")), Rejected),
    (trace(LISTED, Step(2202, True, -1, "请求超时")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -1, "Network interruption")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -1, "The frequency of requests is too high, 30 s")), RateLimited),
    (trace(LISTED, Step(2202, True, -1, "下单频率太高")), RateLimited),
    (trace(LISTED, Step(2202, True, -100, "")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -200, "")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -400, "")), UnknownOutcome),
    (trace(LISTED, Step(2202, True, -500, "")), UnknownOutcome),
]


@pytest.mark.parametrize(("seen", "expected"), WRITING)
def test_what_a_failed_order_proves(seen: Trace, expected: type) -> None:
    """Only a request that never left, or OpenD's definite no, says that there is no order."""
    assert type(outcomes.of_writing(seen, 2202)) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (trace(Step(3203, True, -1, "Unknown stock US.NOPE")), NotFound),
        (trace(Step(3203, True, -1, "No quote right")), Rejected),
        (trace(Step(3203, True, -1, "request frequency too high")), RateLimited),
        (trace(Step(3203, True, -1, "time out")), Unavailable),
        (trace(Step(3203, True, -100, "")), Unavailable),
        (trace(Step(3203, True), data="Disconnect"), Unavailable),
        (trace(Step(3203, True), data="PacketErr.Timeout"), Unavailable),
        (trace(Step(3203, True), data="Connect timeout"), Unavailable),
        (trace(Step(3203, False), data="ERROR. format of code is wrong"), BadRequest),
        (trace(data="Connection closed"), Unavailable),
    ],
)
def test_what_a_failed_reading_proves(seen: Trace, expected: type) -> None:
    """Reading fails with the vendor's no, its limit, or the state of the link."""
    assert type(outcomes.of_reading(seen, 3203)) is expected


def test_a_refusal_carries_the_vendors_code() -> None:
    """The vendor's words are the message, its codes are in the detail, and a limit says when to come again."""
    error = outcomes.of_writing(trace(LISTED, Step(2202, True, -1, "No", 3003)), 2202)
    assert (error.message, error.detail) == ("No", {"retType": -1, "errCode": 3003})
    assert outcomes.of_writing(trace(LISTED, Step(2202, True, -1, "too frequent")), 2202).retry_after == 30.0


# -- pushes ----------------------------------------------------------------------------------------
class Told(Context):
    """Keeps what is pushed."""

    def __init__(self) -> None:
        self.pushes: List[Any] = []

    def push(self, kind: str, subject: str, data: Any) -> None:
        self.pushes.append((kind, subject))


def test_only_pushes_of_accounts_in_use_are_told() -> None:
    """A push about another account or environment is not told, and one that cannot be read harms nothing."""
    told = Told()
    desk = Desk(None, pacing.Pace())  # type: ignore[arg-type]
    pushes = Pushes(desk, told)
    row = {"orderIDEx": "F1", "code": "AAPL", "secMarket": 2, "qty": 1.0, "orderStatus": 5}
    pushes.on_order({"header": {"accID": 24}, "order": row})
    desk.accounts = accounts(trade_env="SIMULATE")
    for number in (24, 12, 99):
        pushes.on_order({"header": {"accID": number}, "order": row})
        pushes.on_fill({"header": {"accID": number}, "orderFill": {**row, "fillID": 7}})
    assert told.pushes == [("order", "F1"), ("fill", "F1")]

    class Message:
        retType = 0  # noqa: N815 - protobuf's name
        s2c = 5

    assert handler(object, pushes.on_order).on_recv_rsp(Message())[0] == 0


# -- pacing ----------------------------------------------------------------------------------------
def test_a_burst_then_a_refusal_with_the_time() -> None:
    """All calls of a window may come at once; the next is refused with the time after which it fits, and then fits."""
    now = [100.0]
    pace = pacing.Pace(lambda: now[0])
    for number in range(pacing.CALLS["place"]):
        now[0] = 100.0 + number * 0.1
        pace.take("place", 1)
    with pytest.raises(RateLimited) as refusal:
        pace.take("place", 1)
    wait = refusal.value.retry_after
    assert wait == pytest.approx(130.0 - now[0])
    pace.take("place", 2)
    pace.take("cancel", 1)
    now[0] += wait + 0.001
    pace.take("place", 1)
    assert not pace.free("place", 1)


def test_polls_leave_places() -> None:
    """Who asks for a place and more is refused before the last ones; a simulator's pace is a multiple."""
    pace = pacing.Pace(lambda: 0.0)
    assert [pace.free("orders", 1, keep=5) for _ in range(6)] == [True] * 5 + [False]
    assert pace.spare("orders", 1, 4)
    assert not pace.spare("orders", 1, 5)
    assert [pace.free("orders", 1) for _ in range(6)] == [True] * 5 + [False]
    assert all(pacing.Pace(lambda: 0.0, times=3).free("orders", 1) for _ in range(30))


# -- the watchdog ----------------------------------------------------------------------------------
class NeverReady:
    """A link whose SDK never comes on."""

    def __init__(self, error: BusError) -> None:
        self.error, self.closed = error, False

    def wait_ready(self, until: float) -> None:
        raise self.error

    def close(self) -> None:
        self.closed = True


def stuck(error: BusError, tries: int, listener: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tries to open a session whose links never come; returns the watchdog's reasons and the links."""
    monkeypatch.setattr(session, "WATCHDOG_SECONDS", 0.2)
    failed: List[str] = []
    made: List[NeverReady] = []

    def build(address: str, lost: Any) -> Any:
        made.append(NeverReady(error))
        return made[-1:]

    port = listener.getsockname()[1]
    tried = session.Session("localhost", port, build, lambda links: None, lambda *told: None, failed.append)
    for _ in range(tries):
        with pytest.raises(Unavailable):
            tried.start()
        time.sleep(0.1)
    return failed, made


@pytest.fixture
def listener() -> Any:
    import socket

    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def test_the_watchdog(listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When OpenD's port accepts and no link comes up for long, the process is given up; every try was closed."""
    failed, made = stuck(Silent("nothing"), 4, listener, monkeypatch)
    assert len(failed) >= 1
    assert "port accepts" in failed[0]
    assert all(link.closed for link in made)


def test_the_watchdog_spares_an_opend_that_says_no(listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenD that refuses in words, or an absent one, never makes the worker give up."""
    assert stuck(Refused("wrong key"), 4, listener, monkeypatch)[0] == []
    listener.close()
    with pytest.raises(Unavailable, match="does not listen"):
        session.probe("127.0.0.1", 1)
    with pytest.raises(Unavailable, match="not known here"):
        session.resolve("no-such-host.invalid", 1)


def test_each_name_describes_itself() -> None:
    """The vendor's two names show their own display, SDK and configuration name; all else is the same."""
    futu, moomoo = (load_broker(f"brokerbus_futu.broker:{name}") for name in ("FutuBroker", "MoomooBroker"))
    told = [describe(kind, kind.name) for kind in (futu, moomoo)]
    assert [(each["broker"], each["brokerDisplay"], each["sdk"].split()[0]) for each in told] == [
        ("futu", "富途证券", "futu-api"),
        ("moomoo", "moomoo", "moomoo-api"),
    ]
    assert told[0]["methods"] == told[1]["methods"]
    assert "modify_order" in told[0]["methods"]


def test_threads_share_a_question() -> None:
    """Whoever asks while a question runs gets the same answer, and a late answer is False in time."""
    go, asked = threading.Event(), []

    def question() -> bool:
        asked.append(1)
        return go.wait(5)

    shared = Shared(question)
    start = time.monotonic()
    assert shared.ask(0.1) is False
    assert shared.ask(0.1) is False
    assert time.monotonic() - start < 1
    go.set()
    assert shared.ask(5) is True
    assert len(asked) == 1
