"""Symbols in every spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerbus import contract as contracts
from brokerbus.contract import Contract, parse
from brokerbus.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("US.AAPL", "US.AAPL"),
        ("AAPL.US", "US.AAPL"),
        ("aapl.us", "US.AAPL"),
        ("US.BRK.B", "US.BRK.B"),
        ("BRK.B.US", "US.BRK.B"),
        ("US..DJI", "US..DJI"),
        ("HK.US", "US.HK"),
        ("HK.00700", "HK.00700"),
        ("700.HK", "HK.00700"),
        ("HK.800000", "HK.800000"),
        ("SH.600519", "SH.600519"),
        ("600519.SH", "SH.600519"),
        ("CN.600519", "SH.600519"),
        ("SZ.000001", "SZ.000001"),
        ("SZ.200011", "SZ.200011"),
        ("SH.900901", "SH.900901"),
        ("SH.000001", "SH.000001"),
    ],
)
def test_every_spelling_means_one_code(text, code):
    """A string in any usual spelling, and the map it becomes, are the same contract."""
    contract = parse(text)
    assert contract.code == code
    assert parse(contract.to_map()) == contract
    assert parse(contract.code) == contract


def test_the_map_is_httptradings():
    """The map has httptrading's four keys; exchange only where the symbol alone would name another one."""
    assert parse("SH.600519").to_map() == {
        "type": "contract",
        "tradeType": "Securities",
        "region": "CN",
        "symbol": "600519",
    }
    assert parse("SH.000001").to_map()["exchange"] == "SH"
    assert parse({"region": "CN", "symbol": "000001"}).code == "SZ.000001"
    assert parse({"region": "CN", "symbol": "000001", "exchange": "SH"}).code == "SH.000001"
    assert parse({"region": "HK", "symbol": "700", "tradeType": "Securities", "exchange": None}).code == "HK.00700"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("AAPL", "contract"),
        ("", "contract"),
        ("XX.AAPL", "contract"),
        ("US.A/B", "contract.symbol"),
        ("HK.ABC", "contract.symbol"),
        ("SH.60051", "contract.symbol"),
        ("US." + "A" * 33, "contract.symbol"),
        (None, "contract"),
        (7, "contract"),
        ({}, "contract.region"),
        ({"region": "US"}, "contract.symbol"),
        ({"region": "us", "symbol": "AAPL"}, "contract.region"),
        ({"region": "US", "symbol": 1}, "contract.symbol"),
        ({"region": "US", "symbol": "AAPL", "tradeType": "Stocks"}, "contract.tradeType"),
        ({"region": "CN", "symbol": "600519", "exchange": "sh"}, "contract.exchange"),
    ],
)
def test_what_is_no_contract_is_refused_by_its_field(value, field):
    """A contract that cannot be read is bad_request, and the message begins with the field."""
    with pytest.raises(BadRequest, match=rf"^{field}: expected"):
        parse(value)


symbols = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.^_-", min_size=1, max_size=32)
any_contract = st.one_of(
    st.builds(Contract, st.just("US"), symbols),
    st.builds(Contract, st.just("HK"), st.integers(0, 999_999).map(lambda n: str(n).zfill(5))),
    st.builds(
        lambda n, exchange: contracts.make("CN", str(n).zfill(6), exchange=exchange),
        st.integers(0, 999_999),
        st.sampled_from(["", "SH", "SZ"]),
    ),
)


@given(any_contract)
def test_code_and_map_are_a_bijection(contract):
    """Whatever the contract, its code and its map lead back to it."""
    assert parse(contract.code) == contract
    assert parse(contract.to_map()) == contract


@given(st.one_of(st.text(), st.dictionaries(st.text(), st.text()), st.integers(), st.none(), st.lists(st.text())))
def test_nothing_else_than_bad_request_is_raised(value):
    """Any value at all is a contract or a BadRequest."""
    try:
        parse(value)
    except BadRequest:
        pass
