"""Restarts as supervisord's log tells them."""

from __future__ import annotations

from pathlib import Path

from brokerbus_deploy.layout import Layout
from brokerbus_deploy.restarts import count_restarts


def spawned(*programs: str) -> str:
    return "".join(f"2026-11-21 15:50:01,651 INFO spawned: '{program}' with pid 7\n" for program in programs)


def test_counted_since_supervisord_started_over_its_rotation(tmp_path: Path) -> None:
    """Starts after the first count, also those in a rotated log; those before supervisord's own start do not."""
    layout = Layout(tmp_path, tmp_path)
    layout.logs.mkdir()
    anew = "2026-11-21 15:50:00,000 INFO supervisord started with pid 1\n"
    layout.log("supervisord").with_name("supervisord.log.1").write_text(spawned("a", "a") + anew + spawned("a", "b"))
    layout.log("supervisord").write_text(spawned("a", "a"))
    assert count_restarts(layout) == {"a": 2, "b": 0}


def test_without_a_log_there_is_nothing_to_count(tmp_path: Path) -> None:
    """Before the first start there is no log."""
    assert count_restarts(Layout(tmp_path, tmp_path)) == {}
