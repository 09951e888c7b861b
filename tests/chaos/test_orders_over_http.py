"""Keyed orders over HTTP while workers, front and simulator are killed: the vendors' books are the truth."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from brokerbus.client import BlockingClient
from brokerbus.errors import MAYBE, BusError
from brokerbus.testing.processes import until
from chaos.killer import Killer, kill_all
from chaos.scale import chance, report, trials
from chaos.vendor import OpenD
from chaos.web import Caller
from chaos.workers import Told, in_threads, lies, paper_orders
from processes import Deployment, deployment, instance_table, interpreter

PAPER, FUTU = "ChaosPaperChaos1", "ChaosFutuChaos01"
KEYS = trials(60, 500)
SPREAD = trials(18, 150)
"""Seconds over which the keys are asked for, and during which is killed."""

CALLERS = trials(5, 8)
"""Of each instance; they share its keys."""

SETTLED_SECONDS = {PAPER: 10.0, FUTU: 25.0}
"""From the last kill to the last unknown outcome: a paper vendor proves absence after 1 s, OpenD after 15 s."""

Last = dict[tuple[str, int], "Told | None"]
"""The last answer by key and caller."""

SLOW = '{kind = "slow_answer", times = 1_000_000, probability = 0.7, seconds = 0.2}'
"""Most of the paper vendor's answers take a while, so that kills meet orders."""


@pytest.fixture
def opend():
    faults = ({"kind": "delay", "proto": 2202, "times": None, "seconds": 0.2},)
    with OpenD(faults=faults) as made:
        yield made


@pytest.fixture
def running(opend):
    """A paper and a Futu instance, the latter on a simulated OpenD that can be killed."""
    paper = instance_table(PAPER, "paper", interpreter("3.11", "3.12"), {"test_controls": True, "tick_interval": 0.0})
    settings = {"host": "127.0.0.1", "port": opend.port, "trade_env": "SIMULATE", "pace": 100_000}
    futu = instance_table(FUTU, "futu", interpreter("3.13", "3.12", "3.11"), settings)
    with deployment(f"{paper}faults = [{SLOW}]\n{futu}") as made:
        made.up()
        for instance in (PAPER, FUTU):
            until(lambda instance=instance: made.ask(instance, "ping/state").json.get("pong"), 30, "the session")
        yield made


def test_one_right_answer_whatever_is_killed(running: Deployment, opend: OpenD):
    """One order at the vendor a key; no wrong answer, no false "not sent", nothing left unknown (R3, R5, R6, R12)."""
    draw, start = chance("orders over HTTP"), time.monotonic()
    callers = [Caller(running, (PAPER, FUTU)[number % 2], v1=number % 4 > 1) for number in range(2 * CALLERS)]
    last: Last = {}
    waited: dict[str, float] = {}

    def work(number: int) -> None:
        if number >= len(callers):
            instance = (PAPER, FUTU)[number - len(callers)]
            killer.ended.wait(SPREAD + 60)
            waited[instance] = _all_known(running, instance, killer.last_kill)
            return
        caller = callers[number]
        for key in range(KEYS):
            if number // 2 in _askers(key):
                time.sleep(max(0.0, start + SPREAD * key / KEYS - time.monotonic()))
                tag = f"{caller.instance[5]}{key}"
                last[tag, number] = caller.place(tag, start if _is_asked_once(tag) else start + SPREAD + 60)

    with Killer(draw, _victims(running, opend), (0.3, 0.9), rest=4.5, until=start + SPREAD) as killer:
        in_threads(len(callers) + 2, work, SPREAD + 120)
    books = {**paper_orders(running.state_dir / "home" / PAPER), **opend.executed()}
    tags = {tag for tag, _ in last}
    _check_answers(callers, last, books)
    _check_questions(running, tags, books)
    answers = Counter(told.code for caller in callers for told in caller.answers)
    kills = ", ".join(f"{name} {count}" for name, count in sorted(killer.kills.items()))
    codes = ", ".join(f"{code} {count}" for code, count in answers.most_common())
    report(
        f"{len(tags)} keys over HTTP in {time.monotonic() - start:.0f} s, {sum(killer.kills.values())} kills ({kills}):"
        f" {len(books)} orders at the vendors, 0 doubled, 0 wrong answers\n  answers: {codes}, none"
        f" {sum(caller.lost for caller in callers)}; slowest {max(caller.slowest for caller in callers):.1f} s;"
        f" nothing unknown {waited[PAPER]:.1f} s (paper) and {waited[FUTU]:.1f} s (futu) after the last kill"
    )


def _askers(key: int) -> set[int]:
    """Which callers of an instance ask for a key: one, for some keys two at once, over both surfaces."""
    first = key % CALLERS
    return {first, (first + 1) % CALLERS} if key % 5 == 1 else {first}


def _is_asked_once(tag: str) -> bool:
    """Whether its caller takes the first answer for the last one, as a careless client does."""
    key = int(tag[1:])
    return key % 3 == 0 and len(_askers(key)) == 1


def _victims(running: Deployment, opend: OpenD) -> dict[str, Callable[[], bool]]:
    def kill_simulator() -> bool:
        opend.kill()
        time.sleep(0.2)
        opend.start()
        return True

    return {
        "paper": lambda: kill_all(running, f"{PAPER}.json"),
        "futu": lambda: kill_all(running, f"{FUTU}.json"),
        "front": lambda: kill_all(running, "brokerbus_front"),
        "simulator": kill_simulator,
    }


def _all_known(running: Deployment, instance: str, since: float) -> float:
    """Waits until nothing is unknown; the seconds since the last kill. Fails after SETTLED_SECONDS."""
    with BlockingClient(running.run_dir, instance) as client:

        def known() -> bool:
            try:
                status = client.call("status", timeout=1)
            except BusError:
                return False
            return bool(status["state"] == "ready" and status["unknown"] == 0)

        until(known, since + SETTLED_SECONDS[instance] - time.monotonic(), f"{instance}: nothing unknown")
    return time.monotonic() - since


def _check_answers(callers: list[Caller], last: Last, books: dict[str, list[str]]) -> None:
    assert not lies([told for told in last.values() if told is not None], books)
    answers = [told for caller in callers for told in caller.answers]
    assert not [told for told in answers if told.code == "ok" and books.get(told.tag) != [told.order_id]]
    denied = [told for told in answers if told.code != "ok" and told.outcome != MAYBE]
    assert not [told for told in denied if _is_asked_once(told.tag) and told.tag in books]
    insisted = {asked: told for asked, told in last.items() if not _is_asked_once(asked[0])}
    assert not {asked: told for asked, told in insisted.items() if told is None or told.code != "ok"}
    assert set(books) <= {tag for tag, _ in last}


def _check_questions(running: Deployment, tags: set[str], books: dict[str, list[str]]) -> None:
    """What became of a key is told afterwards, by the id that its caller chose."""
    for instance in (PAPER, FUTU):
        with BlockingClient(running.run_dir, instance) as client:
            for tag in [tag for tag in tags if tag[0] == instance[5]]:
                code, ids = "ok", books.get(tag, [])
                try:
                    found = [client.call("order", {"clientOrderId": tag}, timeout=15)["orderId"]]
                except BusError as error:
                    code, found = error.code, []
                assert (code, found) == ("ok" if ids else "not_found", ids), tag
