"""The watchdog's decisions, on a clock of the test's own."""

from __future__ import annotations

from brokerbus_deploy.supervisor import ProcessInfo
from brokerbus_deploy.watchdog import FIRST_SECONDS, SILENT_SECONDS, Watch

ONE, TWO = "InstanceInstance1", "InstanceInstance2"


def running(**pids: int) -> dict[str, ProcessInfo]:
    return {name: ProcessInfo(name, "RUNNING", pid, 1.0) for name, pid in pids.items()}


def test_silent_worker_is_named_and_the_other_is_not() -> None:
    """Ten seconds without status are too many; a worker that speaks is left alone."""
    watch, processes = Watch(), running(**{ONE: 11, TWO: 12})
    assert watch.silent({ONE, TWO}, processes, 0.0) == []
    watch.heard(ONE, 7, 1.0)
    watch.heard(TWO, 8, 1.0)
    watch.heard(TWO, 8, SILENT_SECONDS)
    assert watch.silent({ONE, TWO}, processes, SILENT_SECONDS + 0.9) == []
    assert watch.silent({ONE, TWO}, processes, SILENT_SECONDS + 1.1) == [(ONE, 11)]


def test_new_process_gets_time_to_start_but_not_for_ever() -> None:
    """The import of an SDK may take its time; a process that never speaks is found all the same."""
    watch, processes = Watch(), running(**{ONE: 11})
    watch.silent({ONE}, processes, 0.0)
    assert watch.silent({ONE}, processes, FIRST_SECONDS - 0.1) == []
    assert watch.silent({ONE}, processes, FIRST_SECONDS + 0.1) == [(ONE, 11)]
    assert watch.silent({ONE}, running(**{ONE: 13}), FIRST_SECONDS + 0.2) == []


def test_worker_that_spoke_before_the_first_look_gets_the_usual_term() -> None:
    """A process that has told its status once has started: ten seconds hold for it from then on."""
    watch, processes = Watch(), running(**{ONE: 11})
    watch.heard(ONE, 7, 0.0)
    assert watch.silent({ONE}, processes, 0.5) == []
    assert watch.silent({ONE}, processes, SILENT_SECONDS + 0.1) == [(ONE, 11)]


def test_late_status_of_a_dead_process_does_not_shorten_the_start_of_the_next() -> None:
    """What was still queued from the old process says nothing about the new one, whose SDK is being imported."""
    watch = Watch()
    watch.heard(ONE, 7, 0.0)
    watch.silent({ONE}, running(**{ONE: 11}), 1.0)
    watch.silent({ONE}, running(**{ONE: 12}), 2.0)
    watch.heard(ONE, 7, 2.0)
    assert watch.silent({ONE}, running(**{ONE: 12}), 2.0 + FIRST_SECONDS - 0.1) == []
    watch.heard(ONE, 8, 12.95)
    assert watch.silent({ONE}, running(**{ONE: 12}), 12.95 + SILENT_SECONDS + 0.1) == [(ONE, 12)]


def test_own_stall_is_no_evidence() -> None:
    """After the watchdog itself was held up everyone gets a new term."""
    watch, processes = Watch(), running(**{ONE: 11})
    watch.silent({ONE}, processes, 0.0)
    watch.heard(ONE, 7, 1.0)
    watch.excuse(100.0)
    assert watch.silent({ONE}, processes, 100.0) == []


def test_stopped_and_removed_instances_are_not_watched() -> None:
    """Only what supervisord calls RUNNING, and the configuration still has, can be silent."""
    watch = Watch()
    watch.silent({ONE}, running(**{ONE: 11}), 0.0)
    stopping = {ONE: ProcessInfo(ONE, "STOPPING", 11, 1.0)}
    assert watch.silent({ONE}, stopping, 1000.0) == []
    assert watch.silent(set(), running(**{ONE: 11}), 1000.0) == []
    assert watch.watched == {}
