"""Turns the vendor's messages, as plain maps of the fields that were sent, into the data of the bus."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

from brokerbus.contract import Contract
from brokerbus.model import (
    CURRENCY_OF_REGION,
    Account,
    Balance,
    Cash,
    Fill,
    MarketStatus,
    MarketStatusMap,
    Order,
    Position,
    Quote,
    number,
    quantity,
)
from brokerbus_futu import codes, times

Fields = Mapping[str, Any]

_TAG = re.compile(r"[0-9A-Za-z_\-]{1,32}")


def plain(value: Any) -> Any:
    """A protobuf message as a map of the fields that were sent: what is missing is absent, never ``N/A``."""
    if hasattr(value, "ListFields"):
        return {descriptor.name: plain(item) for descriptor, item in value.ListFields()}
    if value is None or isinstance(value, (str, bytes, int, float)):
        return value
    return [plain(item) for item in value]


# -- market data -----------------------------------------------------------------------------------
def quote(basic: Fields, contract: Contract) -> Quote:
    """The quote of a snapshot's basic data."""
    at = times.milliseconds(basic.get("updateTimestamp"))
    return Quote(
        contract=contract,
        currency=CURRENCY_OF_REGION.get(contract.region, ""),
        is_tradable=basic.get("secStatus") == codes.NORMAL,
        latest=number(basic.get("curPrice")),
        pre_close=number(basic.get("lastClosePrice")),
        open_price=number(basic.get("openPrice")),
        high_price=number(basic.get("highPrice")),
        low_price=number(basic.get("lowPrice")),
        timestamp=times.local(basic.get("updateTime"), contract.market) if at is None else at,
    )


def quotes(snapshots: List[Dict[str, Any]]) -> Dict[str, Fields]:
    """Code → basic data of the snapshots in an answer."""
    found = {}
    for snapshot in snapshots:
        basic = snapshot.get("basic", {})
        security = basic.get("security", {})
        prefix = codes.PREFIX_OF_QUOTE_MARKET.get(security.get("market", 0))
        found[f"{prefix}.{security.get('code')}"] = basic
    return found


def market_status(state: Fields) -> MarketStatusMap:
    """The regions' markets from what ``get_global_state`` returns."""
    return {
        "Securities": {
            region: MarketStatus(region, str(state[name]), codes.UNIFIED.get(str(state[name]), "UNKNOWN"))
            for name, region in codes.STATE_OF_REGION.items()
            if name in state
        }
    }


# -- accounts --------------------------------------------------------------------------------------
def account(row: Fields) -> Account:
    """One account of the list, with the names of the markets that it may trade."""
    simulated = codes.SIMULATED_TYPES.get(row.get("simAccType", 0))
    kind = codes.ACCOUNT_TYPES.get(row.get("accType", 0), "")
    return Account(
        account_id=str(row.get("accID", "")),
        env=codes.ENVIRONMENTS.get(row.get("trdEnv", -1), ""),
        type=f"{simulated} {kind}".strip() if simulated else kind,
        status="DISABLED" if row.get("accStatus") == 1 else "ACTIVE",
        markets=tuple(codes.MARKETS.get(market, str(market)) for market in row.get("trdMarketAuthList", ())),
    )


def cash(funds: Fields, asked: str) -> Cash:
    """The cash of an account, in the currency that the answer names, else the one asked for."""
    return Cash(codes.CURRENCIES.get(funds.get("currency", 0), asked), number(funds.get("cash")))


def balances(funds: Fields, asked: str) -> List[Balance]:
    """A balance per currency; an account of one currency has its net assets too."""
    whole = cash(funds, asked)
    rows = [row for row in funds.get("cashInfoList", ()) if row.get("currency") in codes.CURRENCIES]
    if not rows:
        free, assets = number(funds.get("avlWithdrawalCash")), number(funds.get("totalAssets"))
        return [Balance(whole.currency, whole.amount, free, assets)]
    only = len(rows) == 1 and codes.CURRENCIES[rows[0]["currency"]] == whole.currency
    assets = number(funds.get("totalAssets")) if only else None
    return [
        Balance(codes.CURRENCIES[row["currency"]], number(row.get("cash")), number(row.get("availableBalance")), assets)
        for row in rows
    ]


def added(rows: List[Balance]) -> List[Balance]:
    """One balance per currency of the balances of several accounts."""
    sums: Dict[str, Balance] = {}
    for row in rows:
        before = sums.get(row.currency)
        sums[row.currency] = (
            row
            if before is None
            else Balance(
                row.currency,
                _sum(before.cash, row.cash),
                _sum(before.available, row.available),
                _sum(before.net_assets, row.net_assets),
            )
        )
    return list(sums.values())


def _sum(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other


def position(row: Fields, broker: str, display: str) -> Optional[Position]:
    """A position; None in a market that no contract can name."""
    contract = _contract(row)
    if contract is None:
        return None
    return Position(
        broker=broker,
        broker_display=display,
        contract=contract,
        currency=_currency(row, contract),
        qty=quantity(row.get("qty")),
    )


# -- orders ----------------------------------------------------------------------------------------
def order_id(row: Fields) -> str:
    """The id that every call of the SDK since 9.0 takes: the extended one."""
    return str(row.get("orderIDEx") or row.get("orderID") or "")


def tag(row: Fields) -> str:
    """The clientOrderId in an order's remark; empty when the remark is none."""
    remark = row.get("remark") or ""
    return remark if _TAG.fullmatch(remark) else ""


def order(row: Fields) -> Order:
    """An order, from a list or a push."""
    status = codes.ORDER_STATUSES.get(row.get("orderStatus", -1), "N/A")
    contract = _contract(row)
    order_type = codes.ORDER_TYPES.get(row.get("orderType", 0), "")
    client_order_id = tag(row)
    return Order(
        order_id=order_id(row),
        currency=_currency(row, contract),
        qty=quantity(row.get("qty")),
        filled_qty=quantity(row.get("fillQty")),
        avg_price=number(row.get("fillAvgPrice")) or 0.0,
        error_reason=(row.get("lastErrMsg") or status) if status in codes.FAILED else "",
        is_canceled=status in codes.CANCELED,
        is_pending_cancel=status in codes.CANCELING,
        client_order_id=client_order_id,
        direction=codes.SIDES.get(row.get("trdSide", 0), ""),
        order_type=order_type,
        price=None if order_type == "Market" else number(row.get("price")),
        time_in_force=codes.TIMES_IN_FORCE.get(row.get("timeInForce", 0), ""),
        contract=contract,
        status=status,
        origin="bus" if client_order_id else "external",
        created_at=_moment(row, "create", contract),
        updated_at=_moment(row, "update", contract),
    )


def fill(row: Fields, client_order_id: str = "") -> Optional[Fill]:
    """An execution; None in a market that no contract can name, or when it was taken back."""
    contract = _contract(row)
    if contract is None or row.get("status", 0) not in (0, 2):
        return None
    return Fill(
        fill_id=str(row.get("fillID") or row.get("fillIDEx", "")),
        order_id=order_id(row),
        contract=contract,
        direction=codes.SIDES.get(row.get("trdSide", 0), ""),
        qty=quantity(row.get("qty")),
        price=number(row.get("price")),
        timestamp=_moment(row, "create", contract),
        client_order_id=client_order_id,
    )


def _contract(row: Fields) -> Optional[Contract]:
    return codes.contract_of(codes.PREFIX_OF_TRADE_MARKET.get(row.get("secMarket", 0)), row.get("code", ""))


def _currency(row: Fields, contract: Optional[Contract]) -> str:
    named = codes.CURRENCIES.get(row.get("currency", 0))
    return named or (CURRENCY_OF_REGION.get(contract.region, "") if contract else "")


def _moment(row: Fields, name: str, contract: Optional[Contract]) -> Optional[int]:
    at = times.milliseconds(row.get(f"{name}Timestamp"))
    if at is None and contract is not None:
        return times.local(row.get(f"{name}Time"), contract.market)
    return at
