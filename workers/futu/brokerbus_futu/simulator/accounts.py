"""Keeps the trading accounts: who may trade where, cash by currency, positions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .codes import CURRENCY_OF, Env, Refused, Side, TrdMarket

HKD_PER = {"HKD": 1.0, "USD": 7.8, "CNH": 1.08}
"""Fixed exchange rates, for totals in one currency."""

CASH, MARGIN = 1, 2
"""``Trd_Common.TrdAccType``."""

FUTU_SECURITIES = 1
"""``Trd_Common.SecurityFirm``."""

MARGIN_FACTOR = 2.0
"""Buying power of a margin account as a multiple of its free cash."""

BUILT_IN: tuple[dict[str, Any], ...] = (
    {
        "acc_id": 281756455988247011,
        "env": 1,
        "markets": [1, 2],
        "acc_type": MARGIN,
        "disabled": True,
        "card": "1001100011",
    },
    {
        "acc_id": 281756455988247102,
        "env": 0,
        "markets": [2],
        "acc_type": MARGIN,
        "cash": {"USD": 1_000_000.0},
        "positions": {"US.AAPL": [120.0, 180.25], "US.BRK.B": [3.5, 401.1]},
    },
    {
        "acc_id": 281756455988247101,
        "env": 0,
        "markets": [1],
        "acc_type": MARGIN,
        "cash": {"HKD": 1_000_000.0},
        "positions": {"HK.00700": [300.0, 380.4]},
    },
    {
        "acc_id": 281756455988247103,
        "env": 0,
        "markets": [3],
        "acc_type": CASH,
        "cash": {"CNH": 1_000_000.0},
        "positions": {"SH.600519": [100.0, 1490.0], "SZ.300750": [200.0, 190.5]},
    },
    {
        "acc_id": 281756455988248201,
        "env": 1,
        "markets": [1, 2, 4, 113, 123],
        "acc_type": MARGIN,
        "universal": True,
        "card": "1001200022",
        "cash": {"USD": 250_000.0, "HKD": 500_000.0, "CNH": 100_000.0},
        "positions": {"US.AAPL": [10.25, 150.0], "HK.00005": [800.0, 60.2], "SH.600519": [100.0, 1510.0]},
    },
)
"""The world without a scenario; a position is quantity and average cost."""


@dataclass
class Holding:
    """Quantity of one security, average cost in its currency."""

    position_id: int
    qty: float
    cost: float
    realized: float = 0.0


@dataclass
class Account:
    """One account of one environment; ``markets`` are ``TrdMarket`` numbers, cash is by currency."""

    acc_id: int
    env: int
    markets: list[int]
    acc_type: int = CASH
    universal: bool = False
    disabled: bool = False
    card: str = ""
    firm: int = FUTU_SECURITIES
    cash: dict[str, float] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)

    @property
    def real(self) -> bool:
        """Whether orders need an unlock."""
        return self.env == Env.REAL

    @property
    def base_currency(self) -> str:
        """Currency of an account that has but one; HKD for a universal one."""
        if self.universal:
            return "HKD"
        return {TrdMarket.US: "USD", TrdMarket.CN: "CNH"}.get(TrdMarket(self.markets[0]), "HKD")

    def apply(self, code: str, side: int, qty: float, price: float) -> float:
        """Book a fill and return the realized profit."""
        currency = CURRENCY_OF[code.partition(".")[0]]
        bought = side in (Side.BUY, Side.BUY_BACK)
        signed = qty if bought else -qty
        self.cash[currency] = round(self.cash.get(currency, 0.0) - signed * price, 6)
        holding = self.holdings.setdefault(code, Holding(self.position_id(code), 0.0, 0.0))
        realized = 0.0
        if bought:
            holding.cost = (holding.cost * holding.qty + qty * price) / (holding.qty + qty)
        else:
            realized = (price - holding.cost) * qty
            holding.realized += realized
        holding.qty = round(holding.qty + signed, 8)
        if holding.qty <= 0:
            del self.holdings[code]
        return realized

    def position_id(self, code: str) -> int:
        """Stable per account and code, above 2^53."""
        return (self.acc_id // 7) * 10 + sum(ord(letter) * (at + 1) for at, letter in enumerate(code))


def convert(amount: float, currency: str, into: str) -> float:
    """An amount at the fixed rates."""
    return amount * HKD_PER[currency] / HKD_PER[into]


class Accounts:
    """All accounts, in the order in which OpenD lists them: disabled ones first."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        built = [_account(dict(row)) for row in (rows or BUILT_IN)]
        self.all = sorted(built, key=lambda account: not account.disabled)

    def find(self, acc_id: int) -> Account:
        """Raises Refused when there is none."""
        for account in self.all:
            if account.acc_id == acc_id:
                return account
        raise Refused(f"Nonexisting acc_id {acc_id}")

    def usable(self, header: Any) -> Account:
        """The account of a ``TrdHeader``; raises Refused when it is disabled or does not fit environment or market."""
        account = self.find(header.accID)
        if account.env != header.trdEnv:
            raise Refused(f"acc_id {account.acc_id} does not belong to the trading environment {header.trdEnv}")
        if account.disabled:
            raise Refused(f"acc_id {account.acc_id} is disabled")
        if header.trdMarket not in account.markets:
            raise Refused(f"acc_id {account.acc_id} has no authority for market {header.trdMarket}")
        return account


def _account(row: dict[str, Any]) -> Account:
    positions = row.pop("positions", {})
    row["cash"] = dict(row.get("cash", {}))
    row["markets"] = list(row["markets"])
    account = Account(**row)
    for code, (qty, cost) in positions.items():
        account.holdings[code] = Holding(account.position_id(code), float(qty), float(cost))
    return account
