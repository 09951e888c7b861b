"""What the settings of an instance may be; no SDK needed."""

from __future__ import annotations

from typing import Any

import pytest

from brokerbus.errors import BadRequest
from brokerbus_futu import settings as settings_of


def test_defaults_are_httptradings() -> None:
    """Without settings it is OpenD on this host and, as at httptrading, the REAL environment."""
    found = settings_of.parse({})
    assert (found.host, found.port, found.trade_env, found.real) == ("127.0.0.1", 11111, "REAL", True)
    assert (found.pk_path, found.unlock_pin, found.acc_id, found.security_firm) == ("", "", 0, "")
    assert settings_of.parse({"trade_env": "", "host": None}) == found


def test_spellings() -> None:
    """Environment and firm are read in any case; numbers also as text, so that a 64-bit id is exact everywhere."""
    found = settings_of.parse(
        {"trade_env": "simulate", "security_firm": "futuinc", "acc_id": "18446744073709551615", "port": "1"}
    )
    assert (found.trade_env, found.security_firm, found.acc_id, found.port) == ("SIMULATE", "FUTUINC", 2**64 - 1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trade_env", "PAPER"), ("trade_env", 1), ("port", 0), ("port", 65536), ("port", True), ("port", "x"),
        ("port", 1.5),
        ("acc_id", -1), ("acc_id", 2**64), ("acc_id", "12a"), ("security_firm", "NOBODY"), ("host", 5),
        ("unlock_pin", "123456"), ("unlock_pin", "g" * 32), ("pk_path", []), ("acc_index", 0), ("pace", 2),
    ],
)  # fmt: skip
def test_refusals_name_the_setting(name: str, value: Any) -> None:
    """A value that does not fit, or a setting that does not exist, is refused by name."""
    with pytest.raises(BadRequest, match=rf"settings\.{name}"):
        settings_of.parse({name: value})


def test_only_a_simulated_opend_may_be_hurried() -> None:
    """More calls than the vendor allows are for SIMULATE alone, and bounded."""
    assert settings_of.parse({"trade_env": "SIMULATE", "pace": 1000}).pace == 1000
    for pace in (0, settings_of.MOST_PACE + 1):
        with pytest.raises(BadRequest, match=r"settings\.pace"):
            settings_of.parse({"trade_env": "SIMULATE", "pace": pace})


def test_the_password_is_never_shown() -> None:
    """Neither a refusal nor the settings' own text shows the unlock password."""
    with pytest.raises(BadRequest) as refusal:
        settings_of.parse({"unlock_pin": "my-secret"})
    assert "my-secret" not in str(refusal.value)
    digest = "e10adc3949ba59abbe56e057f20f883e"
    assert digest not in repr(settings_of.parse({"unlock_pin": digest}))
    assert settings_of.KINDS["unlock_pin"].secret
