"""The vendor's messages as plain maps, and what the bus carries of them; no SDK needed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Dict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerbus import contract as contracts
from brokerbus.contract import Contract
from brokerbus.errors import Unsupported
from brokerbus_futu import codes, convert, times

ORDER: Dict[str, Any] = {
    "trdSide": 1,
    "orderType": 1,
    "orderStatus": 5,
    "orderID": 9007199254740993,
    "orderIDEx": "F17979CFE71C4CA08",
    "code": "AAPL",
    "name": "Apple",
    "qty": 10.0,
    "price": 180.5,
    "createTime": "2026-07-01 09:30:00",
    "updateTime": "2026-07-01 09:30:01.250",
    "fillQty": 0.0,
    "fillAvgPrice": 0.0,
    "secMarket": 2,
    "remark": "tag-1",
    "timeInForce": 0,
    "currency": 2,
}


def order(**changes: Any) -> Dict[str, Any]:
    return convert.order({**ORDER, **changes}).to_map()


def test_an_order_in_full() -> None:
    """Every field of an order comes from the message, the ids as text, the times from the exchange's clock."""
    assert order() == {
        "type": "order",
        "orderId": "F17979CFE71C4CA08",
        "currency": "USD",
        "qty": 10,
        "filledQty": 0,
        "avgPrice": 0.0,
        "errorReason": "",
        "isCanceled": False,
        "isFilled": False,
        "isCompleted": False,
        "isCancelable": True,
        "clientOrderId": "tag-1",
        "direction": "BUY",
        "orderType": "Limit",
        "price": 180.5,
        "timeInForce": "DAY",
        "contract": {"type": "contract", "tradeType": "Securities", "region": "US", "symbol": "AAPL"},
        "status": "SUBMITTED",
        "origin": "bus",
        "createdAt": "2026-07-01T13:30:00.000Z",
        "updatedAt": "2026-07-01T13:30:01.250Z",
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, "open"), (1, "open"), (2, "open"), (4, "open"), (5, "open"), (10, "open"), (-1, "open"),
        (12, "canceling"), (13, "canceling"), (14, "canceled"), (15, "canceled"),
        (3, "failed"), (21, "failed"), (22, "failed"), (23, "failed"), (24, "failed"),
    ],
)  # fmt: skip
def test_statuses(status: int, expected: str) -> None:
    """Each status of the vendor is open, being cancelled, cancelled or failed; TIMEOUT is never an end."""
    shown = order(orderStatus=status)
    flags = (shown["isCompleted"], shown["isCancelable"], shown["isCanceled"], bool(shown["errorReason"]))
    assert (
        flags
        == {
            "open": (False, True, False, False),
            "canceling": (False, False, False, False),
            "canceled": (True, False, True, False),
            "failed": (True, False, False, True),
        }[expected]
    )


def test_a_refusal_has_the_vendors_words() -> None:
    """errorReason is the vendor's last error, and the status name only when there is none."""
    assert order(orderStatus=21, lastErrMsg="insufficient funds")["errorReason"] == "insufficient funds"
    assert order(orderStatus=21)["errorReason"] == "FAILED"
    assert order(orderStatus=5, lastErrMsg="an old one")["errorReason"] == ""


def test_filled_and_fractions() -> None:
    """Fractional quantities are kept, whole ones are integers, and a full fill completes the order."""
    part = order(qty=2.5, fillQty=1.25, orderStatus=10, fillAvgPrice=181.0)
    assert (part["qty"], part["filledQty"], part["isFilled"], part["avgPrice"]) == (2.5, 1.25, False, 181.0)
    full = order(qty=3.0, fillQty=3.0, orderStatus=11)
    assert full["qty"] == 3
    assert isinstance(full["qty"], int)
    assert full["isFilled"]
    assert full["isCompleted"]


def test_orders_of_elsewhere() -> None:
    """A remark that is no clientOrderId is not shown as one: such an order is external."""
    shown = order(remark="bought on the phone", orderType=2)
    assert (shown["clientOrderId"], shown["origin"], shown["orderType"], shown["price"]) == (
        None,
        "external",
        "Market",
        None,
    )
    assert order(trdSide=3)["direction"] == "SELL"
    assert order(trdSide=4)["direction"] == "BUY"


def test_missing_fields_are_null() -> None:
    """What the vendor did not send is null or empty, never 'N/A'; the region's currency stands in."""
    bare = {"orderIDEx": "1", "code": "00700", "secMarket": 1, "qty": 100.0, "orderStatus": 5}
    shown = convert.order(bare).to_map()
    assert (shown["price"], shown["direction"], shown["createdAt"], shown["currency"]) == (None, None, None, "HKD")
    assert "N/A" not in str(shown)


def test_epoch_time_goes_before_wall_clock() -> None:
    """updateTimestamp decides where the vendor sends it."""
    shown = order(updateTimestamp=1783000000.5)
    assert shown["updatedAt"] == "2026-07-02T13:46:40.500Z"


def test_a_quote() -> None:
    """A quote takes prices and epoch time from the snapshot, and trades only when its status is NORMAL."""
    basic = {
        "security": {"market": 11, "code": "BRK.B"},
        "curPrice": 462.3,
        "openPrice": 457.0,
        "highPrice": 463.0,
        "lowPrice": 456.0,
        "lastClosePrice": 457.68,
        "updateTime": "2026-01-05 16:00:00",
        "secStatus": 1,
    }
    found = convert.quotes([{"basic": basic}])
    assert list(found) == ["US.BRK.B"]
    contract = contracts.parse("US.BRK.B")
    shown = convert.quote(found["US.BRK.B"], contract).to_map()
    assert shown["timestamp"] == 1767646800000  # 16:00 in New York in winter
    assert (shown["latest"], shown["preClose"], shown["currency"], shown["isTradable"]) == (462.3, 457.68, "USD", True)
    assert convert.quote({**basic, "updateTimestamp": 1767646801.25}, contract).timestamp == 1767646801250
    for status in (0, 8, 9, 13, 18, None):
        assert not convert.quote({**basic, "secStatus": status}, contract).is_tradable
    assert convert.quote({"curPrice": float("nan")}, contract).to_map()["latest"] is None


def test_market_states() -> None:
    """Regions and unified statuses are httptrading's; mainland China is Shanghai's, an unmapped state UNKNOWN."""
    state = {"market_sh": "REST", "market_sz": "CLOSED", "market_hk": "HK_CAS", "market_us": "WAITING_OPEN", "time": 1}
    found = convert.market_status(state)["Securities"]
    shown = {region: (status.origin_status, status.unified_status) for region, status in found.items()}
    assert shown == {"CN": ("REST", "REST"), "HK": ("HK_CAS", "CLOSED"), "US": ("WAITING_OPEN", "UNKNOWN")}


def test_money() -> None:
    """Cash is named in the currency of the answer, balances come one per currency, several accounts add up."""
    universal = {
        "cash": 330000.5,
        "totalAssets": 900000.0,
        "currency": 2,
        "cashInfoList": [
            {"currency": 1, "cash": 500000.0, "availableBalance": 400000.0},
            {"currency": 2, "cash": 250000.0},
            {"currency": 99, "cash": 1.0},
        ],
    }
    assert convert.cash(universal, "HKD").to_map() == {"type": "cash", "currency": "USD", "amount": 330000.5}
    assert convert.cash({"cash": 5.0}, "HKD").currency == "HKD"
    rows = convert.balances(universal, "USD")
    assert [(row.currency, row.cash, row.available, row.net_assets) for row in rows] == [
        ("HKD", 500000.0, 400000.0, None),
        ("USD", 250000.0, None, None),
    ]
    single = convert.balances({"cash": 10.0, "totalAssets": 20.0, "avlWithdrawalCash": 5.0}, "CNH")
    assert [row.to_map() for row in single] == [
        {"type": "balance", "currency": "CNH", "cash": 10.0, "available": 5.0, "netAssets": 20.0}
    ]
    added = {row.currency: row for row in convert.added([*single, *single, *rows])}
    assert (added["CNH"].cash, added["CNH"].net_assets, added["HKD"].cash) == (20.0, 40.0, 500000.0)


def test_positions() -> None:
    """Positions keep fractions and currency, and none is lost for an unusual symbol."""

    def shown(**row: Any) -> Any:
        found = convert.position(row, "futu", "富途证券")
        return found and (found.contract.code, found.qty, found.currency)

    assert shown(code="BRK.B", secMarket=2, qty=3.5, currency=2) == ("US.BRK.B", 3.5, "USD")
    assert shown(code="900901", secMarket=31, qty=100.0, currency=2) == ("SH.900901", 100, "USD")
    assert shown(code="200002", secMarket=32, qty=100.0) == ("SZ.200002", 100, "CNY")
    assert shown(code="TCH260730C600000", secMarket=1, qty=2.0, currency=1) == ("HK.TCH260730C600000", 2, "HKD")
    assert shown(code="BTC", secMarket=101, qty=1.0) is None


def test_fills() -> None:
    """Fill ids beyond 2^53 stay exact as text, and a fill that was taken back is no fill."""
    row = {"trdSide": 2, "fillID": 9223372036854775807, "orderIDEx": "F1", "code": "600519", "secMarket": 31,
           "qty": 100.0, "price": 1500.0, "createTimestamp": 1783000000.0}  # fmt: skip
    found = convert.fill(row, "tag-9")
    assert found is not None
    assert found.to_map() == {
        "type": "fill",
        "fillId": "9223372036854775807",
        "orderId": "F1",
        "clientOrderId": "tag-9",
        "contract": {"type": "contract", "tradeType": "Securities", "region": "CN", "symbol": "600519"},
        "direction": "SELL",
        "qty": 100,
        "price": 1500.0,
        "timestamp": 1783000000000,
    }
    assert convert.fill({**row, "status": 1}) is None


def test_accounts() -> None:
    """An account is listed with its environment, markets by name and whether it is closed; 0 is the simulated one."""
    row = {"trdEnv": 1, "accID": 281756455988247011, "trdMarketAuthList": [1, 2, 4, 999], "accType": 2, "accStatus": 1}
    assert convert.account(row).to_map() == {
        "accountId": "281756455988247011",
        "env": "REAL",
        "type": "MARGIN",
        "status": "DISABLED",
        "markets": ["HK", "US", "HKCC", "999"],
    }
    simulated = convert.account({"trdEnv": 0, "accID": 1, "simAccType": 1, "accType": 1, "accStatus": 0})
    assert (simulated.env, simulated.type, simulated.status) == ("SIMULATE", "STOCK CASH", "ACTIVE")


def test_plain_leaves_out_what_was_not_sent() -> None:
    """A message becomes a map of its sent fields alone, nested and repeated ones included."""

    class Field:
        def __init__(self, name: str) -> None:
            self.name = name

    class Message:
        def __init__(self, **fields: Any) -> None:
            self.fields = fields

        def ListFields(self) -> Any:  # noqa: N802 - protobuf's name
            return [(Field(name), value) for name, value in self.fields.items()]

    message = Message(
        header=Message(accID=2**63), numbers=(1, 2), rows=[Message(code="A")], flag=False, text="x", raw=b"y"
    )
    assert convert.plain(message) == {
        "header": {"accID": 2**63},
        "numbers": [1, 2],
        "rows": [{"code": "A"}],
        "flag": False,
        "text": "x",
        "raw": b"y",
    }


# -- symbols ---------------------------------------------------------------------------------------
US = st.from_regex(r"[A-Z][A-Z0-9]{0,5}(\.[A-Z])?", fullmatch=True)
HK = st.from_regex(r"0[0-9]{4}|[1-9][0-9]{4}", fullmatch=True)
CN = st.from_regex(r"[0-9]{6}", fullmatch=True)


@given(
    st.one_of(st.tuples(st.just("US"), US), st.tuples(st.just("HK"), HK), st.tuples(st.sampled_from(("SH", "SZ")), CN))
)
def test_codes_are_a_bijection(code: Any) -> None:
    """Code → contract → code and code → contract → map → contract lose nothing in the three markets."""
    prefix, symbol = code
    found = codes.contract_of(prefix, symbol)
    assert found is not None
    assert codes.code_of(found) == f"{prefix}.{symbol}"
    assert contracts.parse(found.to_map()) == found
    assert contracts.parse(f"{prefix}.{symbol}") == found


@given(st.sampled_from(sorted(codes.PREFIXES)), st.text(min_size=1, max_size=40))
def test_any_symbol_of_the_vendor_keeps_its_code(prefix: str, symbol: str) -> None:
    """Whatever a vendor calls a security, its code comes back unchanged."""
    found = codes.contract_of(prefix, symbol)
    assert found is not None
    assert found.code == f"{prefix}.{symbol}"


def test_spellings_of_one_security() -> None:
    """Padding, dots, exchange fields and B shares as section 7 of the notes has them."""
    for text, code in (
        ("700.HK", "HK.00700"), ("HK.00700", "HK.00700"), ("brk.b.us", "US.BRK.B"), ("US.BRK.B", "US.BRK.B"),
        ("SH.600519", "SH.600519"), ("SZ.000001", "SZ.000001"), ("SH.000001", "SH.000001"),
    ):  # fmt: skip
        assert codes.code_of(contracts.parse(text)) == code
    for symbol, code in (("510300", "SH"), ("688981", "SH"), ("900901", "SH"), ("000001", "SZ"), ("159915", "SZ"),
                         ("200002", "SZ"), ("300750", "SZ")):  # fmt: skip
        assert codes.code_of(contracts.parse({"region": "CN", "symbol": symbol})) == f"{code}.{symbol}"
    with pytest.raises(Unsupported, match="tradeType"):
        codes.code_of(Contract("US", "BTC", "Cryptocurrencies"))
    with pytest.raises(Unsupported, match="region"):
        codes.code_of(Contract("FR", "MC"))
    assert codes.contract_of(None, "X") is None
    assert codes.contract_of("US", "") is None


def test_the_market_of_an_order() -> None:
    """A shares trade through Stock Connect in REAL and in a market of their own in SIMULATE."""
    share = contracts.parse("SH.600519")
    assert (codes.trade_market(share, True), codes.trade_market(share, False)) == ("HKCC", "CN")
    assert codes.trade_market(contracts.parse("HK.00700"), True) == "HK"


# -- times -----------------------------------------------------------------------------------------
@settings(max_examples=300)
@given(st.datetimes(datetime(2008, 1, 1), datetime(2037, 12, 31)), st.sampled_from(("US", "HK", "SH", "JP")))
def test_times_agree_with_the_zone_database(moment: datetime, market: str) -> None:
    """Exchange-local times become the same instant as by the zone database, but for the hour that never was."""
    zoneinfo = pytest.importorskip("zoneinfo", reason="Python 3.8 has none")
    name = {"US": "America/New_York", "HK": "Asia/Hong_Kong", "SH": "Asia/Shanghai", "JP": "Asia/Tokyo"}[market]
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    there = moment.replace(tzinfo=zoneinfo.ZoneInfo(name))
    if there.astimezone(timezone.utc).astimezone(there.tzinfo).replace(tzinfo=None) != moment:
        return
    text = moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    assert times.local(text, market) == (there - epoch) // timedelta(milliseconds=1)


def test_times_that_are_none() -> None:
    """Text that is no time, a market without a known clock, no epoch seconds: null, never an exception."""
    for text in ("", "N/A", "2026-13-01 00:00:00", "2026-02-30 00:00:00", "soon", None, 5, "0000-00-00 00:00:00"):
        assert times.local(text, "US") is None
    assert times.local("2026-01-05 16:00:00", "AU") is None
    assert times.local("2026-01-05 16:00", "HK") == times.local("2026/01/05T16:00:00.000", "HK") == 1767600000000
    assert times.local("2026-01-05", "SH") == 1767542400000
    for seconds in (None, 0, 0.0, "N/A", float("nan")):
        assert times.milliseconds(seconds) is None
