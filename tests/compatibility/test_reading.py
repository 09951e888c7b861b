"""Ping, cash, positions, market states and quotes are the same, key by key and value by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .comparison import assert_alike
from .exchange import BASE, Call, Pair
from .servers import ACCOUNT, OpenD

HELD = {"US.AAPL": 120.0, "US.BRK.B": 3.5}
MARKETS = ("US", "HK", "SH")
QUOTED = {"US": "AAPL", "HK": "00700", "CN": "600519"}
QUOTED_TOO = {"US": "SPY", "HK": "00005", "CN": "300750"}
STATES = (
    ("PRE_MARKET_BEGIN", "MORNING", "REST"),
    ("AFTER_HOURS_BEGIN", "HK_CAS", "CLOSED"),
    ("OVERNIGHT", "WAITING_OPEN", "AUCTION"),
    ("AFTER_HOURS_END", "AFTERNOON", "NONE"),
)


def quote(region: str, symbol: str) -> Call:
    return Call("GET", f"{BASE}/market/quote?tradeType=Securities&region={region}&symbol={symbol}")


@pytest.fixture
def market_states(opend: OpenD) -> Iterator[None]:
    """Every market is open again afterwards."""
    yield
    for market in MARKETS:
        opend.do("market_state", market=market, state="AFTERNOON")


@pytest.fixture
def holding(opend: OpenD) -> Iterator[Callable[[dict[str, float]], None]]:
    """Sets what the account holds; it starts and ends with the simulator's own two positions."""

    def hold(positions: dict[str, float]) -> None:
        account = next(row for row in opend.do("accounts") if row["acc_id"] == ACCOUNT)
        for code, qty in {**dict.fromkeys(account["holdings"], 0.0), **positions}.items():
            opend.do("position", acc_id=ACCOUNT, code=code, qty=qty)

    hold(HELD)
    yield hold
    hold(HELD)


@pytest.mark.usefixtures("holding")
@pytest.mark.parametrize("route", ["ping/state", "cash/state", "position/state", "market/state"])
def test_reading(pair: Pair, route: str) -> None:
    """The four routes without parameters; a fractional position is cut by httptrading and whole with us."""
    theirs, ours = pair.values(Call("GET", f"{BASE}/{route}"))
    assert theirs["ex"] is None
    assert_alike(route, theirs, ours)


def test_positions_after_a_change(pair: Pair, holding: Callable[[dict[str, float]], None]) -> None:
    """Positions follow the broker: none is an empty list, a new one is there at once."""
    holding({})
    assert_alike("no positions", *pair.values(Call("GET", f"{BASE}/position/state")))
    holding({"US.MSFT": 7})
    assert_alike("one position", *pair.values(Call("GET", f"{BASE}/position/state")))


def test_cash_after_a_change(pair: Pair, opend: OpenD) -> None:
    """Cash follows the broker, to the cent."""
    opend.do("cash", acc_id=ACCOUNT, currency="USD", amount=1123456.78)
    theirs, ours = pair.values(Call("GET", f"{BASE}/cash/state"))
    assert theirs["cash"]["amount"] == 1123456.78
    assert_alike("other cash", theirs, ours)


@pytest.mark.usefixtures("market_states")
@pytest.mark.parametrize("states", STATES)
def test_market_states(pair: Pair, opend: OpenD, states: tuple[str, ...]) -> None:
    """The vendor's word and the unified status of each market, also where 1.0.8 knows only UNKNOWN."""
    for market, state in zip(MARKETS, states, strict=True):
        opend.do("market_state", market=market, state=state)
    theirs, ours = pair.values(Call("GET", f"{BASE}/market/state"))
    assert theirs["marketStatus"]["securities"]["US"]["originStatus"] == states[0]
    assert_alike("market states", theirs, ours)


@pytest.mark.parametrize(("region", "symbol"), [*QUOTED.items(), *QUOTED_TOO.items()])
def test_quote(pair: Pair, region: str, symbol: str) -> None:
    """Prices, currency and the moment of a quote, for the three regions."""
    theirs, ours = pair.values(quote(region, symbol))
    assert theirs["ex"] is None
    assert_alike("quote", theirs, ours)


def test_quote_of_a_suspended_security(pair: Pair, opend: OpenD) -> None:
    """What is suspended is quoted as not tradable."""
    opend.do("security", code="US.TSLA", status=9)
    theirs, ours = pair.values(quote("US", "TSLA"))
    assert theirs["quote"]["isTradable"] is False
    assert_alike("suspended", theirs, ours)


def test_quote_takes_the_first_of_repeated_parameters(pair: Pair) -> None:
    """A repeated query parameter counts once, the first time."""
    call = quote("US", "AAPL")
    theirs, ours = pair.values(Call("GET", f"{call.path}&symbol=MSFT&region=HK"))
    assert_alike("quote", theirs, ours)
