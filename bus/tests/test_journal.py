"""The journal: nothing acknowledged is lost, whatever happens to the process or the disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time

import pytest

from brokerbus.journal import ACCEPTED, KEEP_SECONDS, OPEN, Journal, JournalFromTheFuture, JournalUnavailable

KILLS = int(os.environ.get("BROKERBUS_KILLS", "10"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "orders.sqlite3"


@pytest.fixture
def journal(path):
    made = Journal(path)
    yield made
    made.close()


def test_an_intent_stands_for_its_tag_for_ever(journal, path):
    """The second begin of a tag gets the first intent, also from a new process's view of the file."""
    assert journal.begin("a", b"digest", {"qty": 1}) is None
    assert journal.begin("a", b"other", {"qty": 2}).digest == b"digest"
    journal.close()
    again = Journal(path)
    known = again.intent("a")
    assert (known.state, known.content, known.outcome) == (OPEN, {"qty": 1}, None)
    again.settle("a", ACCEPTED, "7", b"first")
    again.settle("a", ACCEPTED, "8", b"second")
    assert (again.intent("a").order_id, again.intent("a").outcome) == ("7", b"first")
    assert again.tag_of("7") == "a"
    assert again.open_intents() == []
    again.close()


def test_an_intent_that_was_never_sent_frees_its_tag_and_a_settled_one_does_not(journal):
    """forget removes an open intent; an outcome stays."""
    journal.begin("a", b"1", {})
    journal.forget("a")
    assert journal.intent("a") is None
    journal.begin("a", b"1", {})
    journal.settle("a", ACCEPTED, "7", b"x")
    journal.forget("a")
    assert journal.intent("a").state == ACCEPTED


def test_cursors_grow_over_restarts_and_each_change_is_noted_once(journal, path):
    """The same order state and the same fill are one event; a new process goes on counting."""
    assert journal.record_order("7", {"isCompleted": False}) == 1
    assert journal.record_order("7", {"isCompleted": False}) is None
    assert journal.record_fill("f1", "7", {"qty": 1}) == 2
    assert journal.record_fill("f1", "7", {"qty": 1}) is None
    assert journal.has_open_orders()
    journal.close()
    again = Journal(path)
    assert again.record_order("7", {"isCompleted": True}) == 3
    events, gap = again.events(1)
    assert [(event.cursor, event.kind) for event in events] == [(2, "fill"), (3, "order")]
    assert (gap, again.cursor, again.has_open_orders()) == (False, 3, False)
    again.close()


def test_settled_intents_go_after_their_days_and_open_ones_never(journal):
    """Pruning keeps what is younger than the promise and what is unresolved, and says when events are gone."""
    for tag in ("open", "settled"):
        journal.begin(tag, b"", {})
    journal.settle("settled", ACCEPTED, "7", b"")
    journal.prune(time.time() - KEEP_SECONDS)
    assert journal.intent("settled") is not None
    journal.prune(time.time() + 1)
    assert journal.intent("settled") is None
    assert journal.intent("open") is not None


def test_the_file_is_private(journal, path):
    """Nobody else reads what was traded."""
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_file_of_a_later_version_is_left_alone(path):
    """An older program refuses the tables of a newer one."""
    Journal(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalFromTheFuture, match="99"):
        Journal(path)


def test_what_cannot_be_written_is_unavailable_and_heals(journal, path):
    """Without room every write is refused and changes nothing; with room again it works without a restart (R16)."""
    journal.begin("before", b"", {})
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count = {pages}")

    def fill_up():
        for number in range(1000):
            journal.begin(f"full-{number}", b"x" * 100, {"x": "y" * 200})

    with pytest.raises(JournalUnavailable, match="full"):
        fill_up()
    assert journal.intent("before") is not None
    journal._database.execute("PRAGMA max_page_count = 100000")
    assert journal.begin("after", b"", {}) is None


WRITER = """
import sys, time
from pathlib import Path
from brokerbus.journal import Journal
journal, start = Journal(Path(sys.argv[1])), int(sys.argv[2])
for number in range(start, start + 1_000_000):
    journal.begin(f"t{number}", b"d", {"n": number})
    print(number, flush=True)
"""


def test_kill_9_loses_no_acknowledged_row(path):
    """Killed again and again while it writes: every intent that was acknowledged is there, the file is sound."""
    acknowledged, start = set(), 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(path), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for line in writer.stdout:
                acknowledged.add(int(line))
                if len(acknowledged) >= start + 50:
                    writer.kill()
                    break
            acknowledged |= {int(line) for line in writer.stdout if line.endswith("\n")}
        start = max(acknowledged) + 10
    journal = Journal(path)
    assert {f"t{number}" for number in acknowledged} <= {intent.tag for intent in journal.open_intents()}
    assert journal._database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    journal.close()
