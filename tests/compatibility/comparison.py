"""Compares two JSON answers key by key and value by value, and knows in which places 1.0.8 is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .exchange import ENVELOPE

ABSENT = "(absent)"
SOME = "(some text)"
TABLE = Path(__file__).resolve().with_name("defects.json")


@dataclass(frozen=True)
class Difference:
    """One place where the answers differ; ABSENT stands for a key that is not there."""

    path: str
    httptrading: Any
    brokerbus: Any


def same(theirs: Any, ours: Any) -> bool:
    """Equal in value and in kind: 1, 1.0 and true are three things to a client with types."""
    return type(theirs) is type(ours) and bool(theirs == ours)


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[Difference]:
    """Walks both values; the order of keys does not matter, that of a list does."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from differences(theirs.get(key, ABSENT), ours.get(key, ABSENT), f"{path}.{key}" if path else key)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for at, (left, right) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(left, right, f"{path}[{at}]")
    elif not same(theirs, ours):
        yield Difference(path, theirs, ours)


def compared(theirs: dict[str, Any], ours: dict[str, Any]) -> list[Difference]:
    """The differences of two answers; the wording of `ex` is free, whether there is one is not.

    Where only one of them has `ex`, that is the one difference: it has none of the other's own keys by design.
    """
    left, right = _worded(theirs), _worded(ours)
    if (left["ex"] is None) != (right["ex"] is None):
        return list(differences(_envelope(left), _envelope(right)))
    return list(differences(left, right))


def _worded(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "ex": SOME} if isinstance(answer.get("ex"), str) else answer


def _envelope(answer: dict[str, Any]) -> dict[str, Any]:
    return answer if answer["ex"] else {key: value for key, value in answer.items() if key in ENVELOPE}


def excepted(case: str) -> list[Difference]:
    """The differences that defects of 1.0.8 cause in this case, as the table has them."""
    rows = [row for row in table() if row["case"] == case]
    return [Difference(row["path"], row["httptrading"], row["brokerbus"]) for row in rows]


def table() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))["excepted"]
    return rows


def assert_alike(case: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """The answers differ exactly where the table of defects says so: not more, not less."""
    found = sorted(compared(theirs, ours), key=lambda item: item.path)
    known = sorted(excepted(case), key=lambda item: item.path)
    unknown = [item for item in found if not any(_matches(item, row) for row in known)]
    stale = [row for row in known if not any(_matches(item, row) for item in found)]
    assert not unknown, f"{case}: not the same: {unknown}\nhttptrading: {theirs}\nbrokerbus:   {ours}"
    assert not stale, f"{case}: excepted in {TABLE.name}, but not seen: {stale}\nbrokerbus: {ours}"


def _matches(found: Difference, row: Difference) -> bool:
    pairs = ((found.httptrading, row.httptrading), (found.brokerbus, row.brokerbus))
    return found.path == row.path and all(
        isinstance(seen, str) and bool(seen) if wanted == SOME else same(seen, wanted) for seen, wanted in pairs
    )
