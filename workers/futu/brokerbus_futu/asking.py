"""Asks one question at a time on behalf of everybody who wants to know."""

from __future__ import annotations

import threading
from typing import Callable, Optional


class Shared:
    """One question at a time, in a thread of its own: whoever asks meanwhile waits for the same answer."""

    def __init__(self, question: Callable[[], bool]) -> None:
        self._question = question
        self._lock = threading.Lock()
        self._running: Optional[Asking] = None

    def ask(self, seconds: float) -> bool:
        """The answer; False when it does not come in time."""
        with self._lock:
            if self._running is None or self._running.done.is_set():
                self._running = Asking(self._question)
            running = self._running
        running.done.wait(seconds)
        return running.answer


class Asking:
    """A question being asked."""

    def __init__(self, question: Callable[[], bool]) -> None:
        self.answer = False
        self.done = threading.Event()
        self._question = question
        threading.Thread(target=self._ask, name="futu-ping", daemon=True).start()

    def _ask(self) -> None:
        try:
            self.answer = self._question()
        except Exception:
            self.answer = False
        finally:
            self.done.set()
