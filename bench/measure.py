"""Checks the answers, then times the contenders in alternating rounds."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import urllib.parse
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence

from bench.contenders import TOKEN, Contender
from bench.load import ORDERS, QUOTES, Failed, Load, drive

TICK = 1.0 / os.sysconf("SC_CLK_TCK")
ANSWER_TIMEOUT = 10.0
MANY, ONE = 16, 1
"""Connections for the throughput and for the latency runs."""


@dataclass
class Figures:
    """What one contender showed, a value a round; times in microseconds."""

    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def as_json(self) -> dict[str, Any]:
        return {
            "requestsPerSecond": round(statistics.median(self.rates), 1),
            "p50Microseconds": round(statistics.median(self.p50s), 1),
            "cpuMicrosecondsPerRequest": {name: round(statistics.median(took), 1) for name, took in self.cpu.items()},
            "rounds": {"requestsPerSecond": [round(rate, 1) for rate in self.rates], "p50Microseconds": self.p50s},
        }


def ask(contender: Contender) -> dict[str, Any]:
    """One answer over a plain client; anything but a quote ends the run."""
    url = urllib.parse.urlsplit(contender.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=ANSWER_TIMEOUT)
    try:
        connection.request("GET", f"{url.path}?{url.query}", headers={"HT-TOKEN": TOKEN})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200 or answer.get("ex") is not None:
        raise Failed(f"{contender.name} answered {response.status}: {answer}")
    return answer


def shape(value: Any) -> Any:
    """The keys of a JSON value and the kind of each leaf; numbers are one kind."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return type(value).__name__
    return "number"


def check(contenders: Sequence[Contender]) -> None:
    """All that tell quotes give the same keys with values of the same kinds."""
    shapes = {contender.name: shape(ask(contender)) for contender in contenders if not contender.places}
    if not shapes:
        return
    first, *others = shapes.items()
    for name, seen in others:
        if seen != first[1]:
            raise Failed(f"{name} answers {seen}, {first[0]} {first[1]}")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def _drive(contender: Contender, connections: int, seconds: float) -> Load:
    return drive(contender.url, TOKEN, connections, seconds, ORDERS if contender.places else QUOTES)


def _busy(contender: Contender, figures: Figures, seconds: float) -> None:
    before = {name: cpu_seconds(pid) for name, pid in contender.pids.items()}
    load = _drive(contender, MANY, seconds)
    figures.rates.append(load.rate)
    for name, pid in contender.pids.items():
        figures.cpu[name].append((cpu_seconds(pid) - before[name]) / load.requests * 1e6)


def run(
    contenders: Sequence[Contender], rounds: int, seconds: float, tell: Callable[[str], None]
) -> dict[str, Figures]:
    """Each round measures every contender, in an order that turns, so that no one has always the quiet moment."""
    check(contenders)
    for contender in contenders:
        _drive(contender, MANY, 1.0)
    figures = {contender.name: Figures() for contender in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for contender in [*contenders[turn:], *contenders[:turn]]:
            _busy(contender, figures[contender.name], seconds)
            figures[contender.name].p50s.append(_drive(contender, ONE, seconds / 2).p50)
        tell(f"round {number + 1} of {rounds} done")
    check(contenders)
    return figures
