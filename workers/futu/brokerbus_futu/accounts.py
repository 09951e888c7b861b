"""Chooses the accounts that an instance uses, and the one for a market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from brokerbus.contract import Contract
from brokerbus.errors import Rejected
from brokerbus.model import Account
from brokerbus_futu import codes, convert
from brokerbus_futu.settings import Settings

NOT_FOR_SHARES = frozenset((2, 3))
"""``SimAccType`` of simulated option and futures accounts. Source: .proto."""

COMPETITION = 5
"""``SimAccType`` of an account in a trading competition: used only when nothing else fits."""


class Unusable(Rejected):
    """The configured account does not exist, is closed or is in the other environment."""


@dataclass(frozen=True)
class Chosen:
    """An account in use: the vendor's number, the environment, what it may trade."""

    number: int
    env: str
    markets: Tuple[str, ...]

    @property
    def base_currency(self) -> str:
        """USD for an account that may trade in the US, as httptrading answers; else that of its market.

        The vendor names no base currency of a universal account: it values it in the currency asked for.
        """
        found = (currency for market, currency in codes.CURRENCY_OF_MARKET.items() if market in self.markets)
        return next(found, "HKD")


class Accounts:
    """The accounts of one link, as OpenD listed them, and the active ones of the environment among them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], usable: Sequence[int], settings: Settings) -> None:
        """``usable`` are the ids that the SDK accepts: it leaves out other firms' accounts."""
        self._settings = settings
        self.listed: List[Account] = [convert.account(row) for row in rows]
        by_number = {int(row["accID"]): row for row in rows if "accID" in row}
        if settings.acc_id:
            self._check(by_number.get(settings.acc_id), settings.acc_id in usable)
            candidates = [by_number[settings.acc_id]]
        else:
            candidates = sorted(by_number.values(), key=_rank)
        self.used: List[Chosen] = [_chosen(row) for row in candidates if self._fits(row, usable)]

    def _fits(self, row: Mapping[str, Any], usable: Sequence[int]) -> bool:
        account = convert.account(row)
        active = account.status == "ACTIVE" and account.env == self._settings.trade_env
        return active and int(row["accID"]) in usable and row.get("simAccType") not in NOT_FOR_SHARES

    def _check(self, row: Any, usable: bool) -> None:
        number, env = self._settings.acc_id, self._settings.trade_env
        if row is None:
            known = ", ".join(account.account_id for account in self.listed if account.env == env) or "none"
            raise Unusable(f"settings.acc_id: OpenD has no account {number}; {env} accounts are {known}")
        account = convert.account(row)
        if account.env != env:
            raise Unusable(f"settings.acc_id: {number} is a {account.env} account, settings.trade_env is {env}")
        if account.status != "ACTIVE":
            raise Unusable(f"settings.acc_id: {number} is {account.status}; nothing can be traded or read there")
        if not usable:
            raise Unusable(f"settings.acc_id: {number} is kept by another firm than settings.security_firm")

    def for_order(self, contract: Contract) -> Chosen:
        """The first account that may trade the contract's market; raises Rejected when there is none."""
        market = codes.trade_market(contract, self._settings.real)
        for account in self.used:
            if market in account.markets:
                return account
        having = ", ".join(f"{account.number}: {' '.join(account.markets)}" for account in self.used)
        raise Rejected(f"no active {self._settings.trade_env} account may trade {market} (active: {having or 'none'})")

    def for_cash(self) -> Chosen:
        """The account whose cash is told: the first that may trade in the US, else Hong Kong, else the first."""
        for market in codes.CURRENCY_OF_MARKET:
            for account in self.used:
                if market in account.markets:
                    return account
        raise Rejected(f"OpenD lists no active {self._settings.trade_env} account")

    def by_number(self) -> Dict[int, Chosen]:
        return {account.number: account for account in self.used}


def _rank(row: Mapping[str, Any]) -> int:
    """US accounts first, as httptrading sees them alone; competition accounts last; else OpenD's order."""
    if row.get("simAccType") == COMPETITION or row.get("competitionAccName"):
        return 2
    return 0 if 2 in row.get("trdMarketAuthList", ()) else 1


def _chosen(row: Mapping[str, Any]) -> Chosen:
    account = convert.account(row)
    return Chosen(int(account.account_id), account.env, account.markets)
