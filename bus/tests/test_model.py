"""What brokers answer with, as maps."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerbus import model
from brokerbus.contract import Contract

AAPL = Contract("US", "AAPL")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "N/A", "", None, True, [], {}])
def test_what_is_no_number_is_null(value):
    """NaN, Infinity, a vendor's N/A and booleans are null, never a number."""
    assert model.number(value) is None


def test_whole_quantities_are_ints_and_fractions_are_kept():
    """100.0 shares are 100 as at httptrading; 0.5 stays 0.5."""
    assert repr(model.quantity(100.0)) == "100"
    assert model.quantity("0.5") == 0.5
    assert model.quantity("N/A") == 0


def test_order_states_are_httptradings():
    """isFilled, isCompleted and isCancelable follow from quantity, cancellation and reason as in 1.0.8."""
    working = model.Order("1", "USD", 10, 4)
    assert (working.is_filled, working.is_completed, working.is_cancelable) == (False, False, True)
    assert model.Order("1", "USD", 10, 10).is_filled
    assert not model.Order("1", "USD", 10, is_pending_cancel=True).is_cancelable
    assert model.Order("1", "USD", 10, is_canceled=True).is_completed
    assert model.Order("1", "USD", 10, error_reason="no").is_completed


def test_times_are_rfc_3339_utc():
    """Milliseconds become a time in UTC with a Z."""
    assert model.rfc3339(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert model.rfc3339(None) is None


def test_market_status_map_has_httptradings_shape():
    """Trade types in lower case, regions below, and the type beside them."""
    status = model.MarketStatus("US", "MORNING", "RTH")
    assert model.market_status_map({"Securities": {"US": status}}) == {
        "securities": {"US": status.to_map()},
        "type": "marketStatusMap",
    }


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner)),
)


@given(plain)
def test_whatever_a_broker_answers_is_strict_json(value):
    """to_plain leaves no NaN, tuple or Infinity, whatever it is given."""
    json.dumps(model.to_plain(value), allow_nan=False)


def test_a_type_the_wire_cannot_carry_is_refused():
    """A set of bytes or an SDK's own object does not travel unseen."""
    with pytest.raises(TypeError, match="object"):
        model.to_plain(object())
