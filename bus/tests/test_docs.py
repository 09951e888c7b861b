"""docs/protocol.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgpack
import pytest

from brokerbus import errors
from brokerbus.broker import METHODS
from brokerbus.model import KINDS
from brokerbus.trading import OWN

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the docs are not part of this distribution")


def test_every_error_is_in_the_table_with_its_status():
    """The table of errors is the table of the code: codes, what they say of an order, HTTP status."""
    said = {"no": errors.NOT_SENT, "refused": errors.REFUSED, "maybe": errors.MAYBE}
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (\w+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    assert {code: (said[word], int(status)) for code, word, status in rows} == {
        code: (kind.outcome, kind.http_status) for code, kind in errors.BY_CODE.items()
    }


def test_every_method_is_in_the_table():
    """The methods named in the page are those that a broker or the host can have."""
    section = PAGE.read_text().split("## Methods")[1].split("\n\n")[2]
    named = [
        name for row in re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(named) == sorted([*METHODS, "status", "capabilities", *OWN])


def test_the_bytes_are_what_they_say():
    """The transcript's bytes decode to the maps that stand below it."""
    page = PAGE.read_text()
    sent, got = (bytes.fromhex(line) for line in re.findall(r"^(?:>>|<<) ([0-9a-f ]+)$", page, re.MULTILINE))
    assert msgpack.unpackb(sent) == {"v": 1, "id": "1", "method": "ping", "params": {}}
    assert msgpack.unpackb(got) == {"v": 1, "id": "1", "ok": True, "result": {"pong": True}}
    assert KINDS[-1] == "status"
