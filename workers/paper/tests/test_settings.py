"""Settings: what is accepted, and that every refusal names its key."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from brokerbus.errors import BadRequest
from brokerbus_paper.instruments import DEFAULT_SYMBOLS, UNIT
from brokerbus_paper.settings import read


def test_defaults() -> None:
    """Without settings there are a million dollars and thirteen securities of three markets."""
    settings = read({})
    assert (settings.cash, settings.currency, settings.seed, settings.tick_interval) == (1_000_000, "USD", 1, 1.0)
    assert [each.contract.code for each in settings.instruments] == list(DEFAULT_SYMBOLS)


def test_symbols_in_every_form() -> None:
    """A symbol is a code, a code with a price, or a table with price and lot."""
    symbols = ["AAPL.US", "700.HK=612.5", {"code": "HK.01234", "price": 8.2, "lot": 2000}]
    apple, tencent, other = read({"symbols": symbols}).instruments
    assert (apple.contract.code, apple.start, apple.lot, apple.fractional) == ("US.AAPL", 230 * UNIT, 1, True)
    assert (tencent.contract.code, tencent.start, tencent.lot) == ("HK.00700", 6_125_000, 100)
    assert (other.start, other.lot) == (82_000, 2000)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"cash": -1}, "settings.cash"),
        ({"cash": "1000"}, "settings.cash"),
        ({"cash": True}, "settings.cash"),
        ({"cash": float("nan")}, "settings.cash"),
        ({"currency": "EUR"}, "settings.currency"),
        ({"currency": ["USD"]}, "settings.currency"),
        ({"seed": 1.5}, "settings.seed"),
        ({"tick_interval": -1}, "settings.tick_interval"),
        ({"tick_interval": 0.001}, "settings.tick_interval"),
        ({"symbols": "US.AAPL"}, "settings.symbols"),
        ({"symbols": []}, "settings.symbols"),
        ({"symbols": ["US.AAPL", "nonsense"]}, "settings.symbols[1]"),
        ({"symbols": ["US.AAPL", "AAPL.US"]}, "settings.symbols[1]"),
        ({"symbols": ["SG.D05"]}, "settings.symbols[0]"),
        ({"symbols": ["US.AAPL=dear"]}, "settings.symbols[0]"),
        ({"symbols": ["US.AAPL=nan"]}, "settings.symbols[0].price"),
        ({"symbols": [{"code": "US.AAPL", "price": 0}]}, "settings.symbols[0].price"),
        ({"symbols": [{"code": "US.AAPL", "lot": 0}]}, "settings.symbols[0].lot"),
        ({"symbols": [{"code": "US.AAPL", "size": 1}]}, "settings.symbols[0].size"),
        ({"symbols": [7]}, "settings.symbols[0]"),
        ({"test_controls": 1}, "settings.test_controls"),
        ({"faults": [{"kind": "slow"}]}, "settings.faults"),
        ({"faults": "slow"}, "settings.faults"),
        ({"faults": [{"kind": "x"}], "test_controls": True}, "settings.faults[0].kind"),
        ({"cahs": 5}, "settings.cahs"),
    ],
)
def test_refusals_name_the_key(settings: Dict[str, Any], key: str) -> None:
    """A value that does not fit is refused in words that begin with its key."""
    with pytest.raises(BadRequest) as refusal:
        read(settings)
    assert refusal.value.message.startswith(key + ":")
