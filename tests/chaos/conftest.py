"""Prints the figures of a run below its tests."""

from __future__ import annotations

from typing import Any

from chaos.scale import FIGURES, LONG


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if FIGURES:
        terminalreporter.section(f"chaos, {'long' if LONG else 'short'} form")
        for figure in FIGURES:
            terminalreporter.write_line(figure)
