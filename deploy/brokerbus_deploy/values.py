"""Reads values of the configuration, collects what is wrong with them, and never repeats a secret."""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 64 * 1024
"""A ``file:PATH`` value longer than this is no setting."""

_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}


class ConfigError(Exception):
    """The configuration cannot be used; ``lines`` says why, one line per key."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


@dataclass
class Reading:
    """One reading of one file: where it lies, what is wrong in it, which variables its values came from."""

    folder: Path
    problems: list[str] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set, repr=False)
    """Values that came from the environment or from files of their own."""

    def refuse(self, key: str, why: str) -> None:
        """Notes what is wrong under a key."""
        self.problems.append(f"{key if key.isprintable() else repr(key)}: {why}")

    def path(self, text: str) -> Path:
        """A path of the configuration, absolute; relative ones are relative to the file."""
        return Path(os.path.normpath(self.folder / Path(text).expanduser()))

    def resolve(self, key: str, value: Any) -> tuple[Any, bool]:
        """The value behind ``env:NAME`` or ``file:PATH``, and whether it came from there; None if it is missing."""
        if not isinstance(value, str):
            return value, False
        source, colon, name = value.partition(":")
        if colon and source == "env":
            return self._secret(self._variable(key, name)), True
        if colon and source == "file":
            return self._secret(self._content(key, name)), True
        return value, False

    def _secret(self, value: str | None) -> str | None:
        if value is not None:
            self.secrets.add(value)
        return value

    def _variable(self, key: str, name: str) -> str | None:
        self.variables.add(name)
        found = os.environ.get(name)
        if not found:
            self.refuse(key, f"the environment variable {name} is {'empty' if found == '' else 'not set'}: set it")
        return found or None

    def _content(self, key: str, name: str) -> str | None:
        path = self.path(name)
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                self.refuse(key, f"the file {path} is longer than {MAX_FILE_BYTES} bytes: expected one value")
                return None
            text = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self.refuse(key, f"the file {path} cannot be read: {reason}")
            return None
        if not text:
            self.refuse(key, f"the file {path} is empty: expected one value")
        return text or None


def fits(value: Any, kind: type) -> bool:
    """Whether a value is of a kind: a boolean is no number, a whole number is a number, NaN is not."""
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, kind)


def from_text(text: str, kinds: tuple[type, ...]) -> Any:
    """A value of one of the kinds from text of a variable or a file; the text itself when it is none of them."""
    if str in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def describe(value: Any) -> str:
    """The type of a value in words, for a message that must not show it."""
    return _WORDS.get(type(value), type(value).__name__)


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean host?`` when a known name is near, else the known names."""
    known = sorted(known)
    found = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"known here: {', '.join(known)}" if known else "nothing is known here"


class Table:
    """One table of the file; asked for its keys one by one, it then refuses those nobody asked for."""

    def __init__(self, reading: Reading, key: str, content: Mapping[str, Any]) -> None:
        self.reading, self.key, self._content = reading, key, content
        self._known: set[str] = set()

    def name(self, key: str) -> str:
        """The full dotted key."""
        return f"{self.key}.{key}" if self.key else key

    def refuse(self, key: str, why: str) -> None:
        """Notes what is wrong under one of this table's keys."""
        self.reading.refuse(self.name(key), why)

    def has(self, key: str) -> bool:
        """Whether the file names this key."""
        return key in self._content

    def get(self, key: str, kinds: tuple[type, ...], expected: str) -> Any:
        """The checked value of a key; None when it is absent or refused."""
        self._known.add(key)
        if key not in self._content:
            return None
        return self._checked(self.name(key), self._content[key], kinds, expected)

    def text(self, key: str, default: str = "") -> str:
        """A text that is not empty."""
        value = self.get(key, (str,), "text")
        if value == "":
            self.refuse(key, "expected text, found none: leave the key out or fill it")
        return value or default

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number between two bounds."""
        value = self.get(key, (int,), f"a whole number from {least} to {most}")
        if value is not None and not least <= value <= most:
            self.refuse(key, f"expected a whole number from {least} to {most}, found {value}")
            return default
        return default if value is None else int(value)

    def flag(self, key: str) -> bool:
        """True or false; false when absent."""
        return bool(self.get(key, (bool,), "true or false"))

    def texts(self, key: str) -> list[tuple[str, str]]:
        """The items of a list of text, each with its key (``tokens[0]``); refused ones are left out."""
        items = self.get(key, (list,), "a list of text")
        checked = [
            (f"{self.name(key)}[{index}]", self._checked(f"{self.name(key)}[{index}]", item, (str,), "text"))
            for index, item in enumerate(items or [])
        ]
        return [(name, text) for name, text in checked if text is not None]

    def table(self, key: str) -> Table:
        """A table within this one; an absent one is empty."""
        self._known.add(key)
        content = self._content.get(key, {})
        if not isinstance(content, dict):
            self.refuse(key, f"expected a table, found {describe(content)}")
            content = {}
        return Table(self.reading, self.name(key), content)

    def named(self) -> list[str]:
        """The keys that the file has here."""
        return list(self._content)

    def finish(self) -> None:
        """Refuses every key that was not asked for."""
        for key in self._content:
            if key not in self._known:
                self.refuse(key, f"unknown key; {near(key, self._known)}")

    def _checked(self, name: str, value: Any, kinds: tuple[type, ...], expected: str) -> Any:
        found, fetched = self.reading.resolve(name, value)
        if found is None:
            return None
        if fetched:
            found = from_text(found, kinds)
        if any(fits(found, kind) for kind in kinds):
            return found
        self.reading.refuse(name, f"expected {expected}, found {describe(found)}")
        return None
