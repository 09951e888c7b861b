"""Reads ``key=value`` arguments into the params of a request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

IDS = frozenset(("orderId", "clientOrderId", "symbol", "subject"))
"""Keys whose values are text even where they look like a number."""


class BadArgument(Exception):
    """An argument of the command line does not fit; the message says what was expected."""


def params(arguments: Iterable[str]) -> dict[str, Any]:
    """``a.b=1 c=text`` → ``{"a": {"b": 1}, "c": "text"}``; a value is JSON if it parses, else text; ids are text."""
    found: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        path = key.split(".")
        if not equals or not all(path):
            raise BadArgument(f"expected key=value, found {argument!r}")
        _set(found, path, text if path[-1] in IDS else _value(text), key)
    return found


def _set(target: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    for name in path[:-1]:
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            raise BadArgument(f"{key}: {name} has a value already, and cannot hold another key")
    if path[-1] in target:
        raise BadArgument(f"{key}: given twice")
    target[path[-1]] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
