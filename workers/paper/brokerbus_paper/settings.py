"""The settings of a paper instance: read once, every error names its key."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Tuple

from brokerbus.broker import SettingKind
from brokerbus.contract import Contract, parse
from brokerbus.errors import BadRequest
from brokerbus.limits import MAX_PRICE
from brokerbus_paper.faults import read_fault
from brokerbus_paper.instruments import (
    REGIONS,
    Instrument,
    default_instruments,
    default_lot,
    default_price,
    make_instrument,
)
from brokerbus_paper.limits import FAULTS, MAX_SYMBOLS, MAX_TICK_SECONDS, MIN_TICK_SECONDS

CURRENCIES = ("USD", "HKD", "CNY")
DEFAULT_CASH = 1_000_000
MAX_CASH = 1e12
LOWEST_PRICE = 0.001

KINDS: Dict[str, SettingKind] = {
    "cash": SettingKind(float, "cash of a new account, in its currency", DEFAULT_CASH),
    "currency": SettingKind(str, "currency of a new account", "USD", choices=CURRENCIES),
    "seed": SettingKind(int, "seed of the price walk: the same seed, the same prices", 1),
    "tick_interval": SettingKind(float, "seconds between two ticks of the market; 0 stands still", 1.0),
    "test_controls": SettingKind(bool, "for tests: `raw` may ask for faults and for orders made elsewhere", False),
    "faults": SettingKind(list, "for tests: faults in force from each start, as {kind, method, times, probability}"),
    "symbols": SettingKind(list, "what is listed: US.AAPL, US.AAPL=230, or {code, price, lot}; default: 13 well-known"),
}


@dataclass(frozen=True)
class Settings:
    """Checked settings. ``tick_interval`` is in seconds, ``cash`` in ``currency``."""

    cash: Decimal
    currency: str
    seed: int
    tick_interval: float
    instruments: Tuple[Instrument, ...]
    test_controls: bool = False
    faults: Tuple[Mapping[str, Any], ...] = ()


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings that a map means; BadRequest names the key that does not fit."""
    unknown = sorted(set(settings) - set(KINDS))
    if unknown:
        raise BadRequest(f"settings.{unknown[0]}: unknown; expected one of {', '.join(KINDS)}")
    return Settings(
        cash=Decimal(str(_amount("cash", settings.get("cash", DEFAULT_CASH), 0, MAX_CASH))),
        currency=_currency(settings.get("currency", "USD")),
        seed=_whole("seed", settings.get("seed", 1)),
        tick_interval=_interval(settings.get("tick_interval", 1.0)),
        instruments=_instruments(settings.get("symbols")),
        test_controls=_flag("test_controls", settings.get("test_controls", False)),
        faults=_faults(settings),
    )


def _amount(key: str, value: Any, least: float, most: float) -> float:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not least <= value <= most:
        raise BadRequest(f"settings.{key}: expected a number from {least:g} to {most:g}, found {value!r:.40}")
    return value  # type: ignore[no-any-return]


def _whole(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"settings.{key}: expected a whole number, found {value!r:.40}")
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(f"settings.{key}: expected true or false, found {value!r:.40}")
    return value


def _faults(settings: Mapping[str, Any]) -> Tuple[Mapping[str, Any], ...]:
    listed = settings.get("faults") or []
    if not isinstance(listed, (list, tuple)) or len(listed) > FAULTS:
        raise BadRequest(f"settings.faults: expected a list of at most {FAULTS} faults")
    if listed and settings.get("test_controls") is not True:
        raise BadRequest("settings.faults: needs settings.test_controls = true, so that nobody has faults unawares")
    for place, fields in enumerate(listed):
        read_fault(fields, f"settings.faults[{place}]")
    return tuple(listed)


def _currency(value: Any) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise BadRequest(f"settings.currency: expected one of {', '.join(CURRENCIES)}, found {value!r:.40}")
    return value


def _interval(value: Any) -> float:
    seconds = float(_amount("tick_interval", value, 0, MAX_TICK_SECONDS))
    if 0 < seconds < MIN_TICK_SECONDS:
        raise BadRequest(f"settings.tick_interval: expected 0 or at least {MIN_TICK_SECONDS:g} s, found {seconds:g}")
    return seconds


def _instruments(value: Any) -> Tuple[Instrument, ...]:
    if value is None:
        return default_instruments()
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_SYMBOLS:
        raise BadRequest(f"settings.symbols: expected a list of 1 to {MAX_SYMBOLS} codes such as US.AAPL")
    listed: List[Instrument] = []
    for place, entry in enumerate(value):
        instrument = _instrument(f"settings.symbols[{place}]", entry)
        if any(instrument.contract == other.contract for other in listed):
            raise BadRequest(f"settings.symbols[{place}]: {instrument.contract.code} is listed twice")
        listed.append(instrument)
    return tuple(listed)


def _instrument(field: str, entry: Any) -> Instrument:
    fields = _fields(field, entry)
    contract = _contract(field, fields["code"])
    price, lot = fields.get("price"), fields.get("lot")
    if lot is not None and (not isinstance(lot, int) or isinstance(lot, bool) or not 1 <= lot <= 1_000_000):
        raise BadRequest(f"{field}.lot: expected a whole number of shares from 1 to 1000000, found {lot!r:.40}")
    if price is not None:
        _amount(f"{field[9:]}.price", price, LOWEST_PRICE, MAX_PRICE / 1e6)
    start = default_price(contract) if price is None else Decimal(str(price))
    return make_instrument(contract, start, default_lot(contract) if lot is None else lot)


def _fields(field: str, entry: Any) -> Dict[str, Any]:
    if isinstance(entry, str):
        code, equals, price = entry.partition("=")
        return {"code": code.strip(), "price": _price_of_text(field, price)} if equals else {"code": code.strip()}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("code"), str):
        raise BadRequest(f"{field}: expected a code such as US.AAPL or a table with code, price, lot")
    unknown = sorted(str(name) for name in set(entry) - {"code", "price", "lot"})
    if unknown:
        raise BadRequest(f"{field}.{unknown[0]}: unknown; expected code, price or lot")
    return dict(entry)


def _price_of_text(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadRequest(f"{field}: expected CODE=PRICE such as US.AAPL=230, found price {text!r:.40}") from None


def _contract(field: str, code: str) -> Contract:
    contract = parse(code, field)
    if contract.region not in REGIONS:
        raise BadRequest(f"{field}: expected a security of {', '.join(REGIONS)}, found {contract.code}")
    return contract
