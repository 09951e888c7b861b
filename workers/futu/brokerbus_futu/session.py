"""Keeps both links to OpenD: opens them, watches them, replaces them, and says when only a restart helps."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Callable, List, Optional, Tuple

from brokerbus.errors import BusError, Unavailable
from brokerbus_futu.link import Link, Silent

log = logging.getLogger("brokerbus.futu")

PROBE_SECONDS = 2.0
"""OpenD's port has to accept within this time before a context is built at all."""

READY_SECONDS = 5.0
"""A new context has to be ready within this time, or it is given up."""

WATCH_SECONDS = 0.25
"""How often the links are looked at; a loss that the SDK notices wakes the watch at once."""

BEAT_SECONDS = 1.5
"""A link on which nothing came for this time is asked for a sign of life."""

SILENT_SECONDS = 4.5
"""A link on which nothing came for this time is down; requests are refused, those in flight still wait."""

DEAD_SECONDS = 12.0
"""... and after this time, the SDK's own time-out of a request, it is replaced."""

RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Pauses between two tries to come back; the last one repeats."""

WATCHDOG_SECONDS = 30.0
"""OpenD's port accepts and no link comes up for this time: the SDK may be dead, the process is restarted."""


class Links:
    """The quote link and the trade link of one session; both serve, or none does."""

    def __init__(self, quote: Link, trade: Link) -> None:
        self.quote, self.trade = quote, trade
        self.both: Tuple[Link, Link] = (quote, trade)

    def lost(self) -> Optional[str]:
        """What is wrong with the links; None while both serve."""
        for link in self.both:
            if not link.serving:
                return f"the {link.name} link to OpenD is lost ({link.status})"
        return None

    def silence(self, now: float) -> float:
        return now - min(link.heard for link in self.both)

    def close(self) -> None:
        for link in self.both:
            link.close()


class Session:
    """``build`` starts both contexts at an address, ``verify`` makes them fit for use or raises."""

    def __init__(
        self,
        host: str,
        port: int,
        build: Callable[[str, Callable[[], None]], List[Link]],
        verify: Callable[[Links], None],
        report: Callable[[str, str], None],
        fail: Callable[[str], None],
    ) -> None:
        self._host, self._port = host, port
        self._build, self._verify, self._report, self._fail = build, verify, report, fail
        self._links: Optional[Links] = None
        self._down = "not connected yet"
        self._wake = threading.Event()
        self._closing = False
        self._silent_since: Optional[float] = None
        self._looked = self._since = 0.0
        self._keeper: Optional[threading.Thread] = None

    def start(self) -> None:
        """Opens the links once and keeps them from then on; raises Unavailable when OpenD is not there."""
        self._open()
        self._report("up", "")
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="futu-session", daemon=True)
            self._keeper.start()

    def require(self) -> Links:
        """The links; raises Unavailable at once when there are none."""
        links = self._links
        if links is None or self._down:
            raise Unavailable(f"OpenD: {self._down or 'not connected'}", retry_after=1.0)
        problem = links.lost()
        if problem:
            self._wake.set()
            raise Unavailable(problem, retry_after=1.0)
        return links

    @property
    def up(self) -> bool:
        links = self._links
        return links is not None and not self._down and links.lost() is None

    def wait_up(self, until: float) -> bool:
        """True as soon as the session is up, False when it is not by then."""
        while not self.up:
            if time.monotonic() >= until or self._closing:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._drop("closed")

    # -- opening -----------------------------------------------------------------------------------
    def _open(self) -> None:
        try:
            self._try()
        except Silent as error:
            now = time.monotonic()
            self._silent_since = self._silent_since or now
            if now - self._silent_since > WATCHDOG_SECONDS:
                self._fail(f"OpenD's port accepts, yet no link came up in {now - self._silent_since:.0f} s: {error}")
            raise
        except BusError:
            self._silent_since = None
            raise
        self._silent_since = None
        self._down = ""

    def _try(self) -> None:
        address = resolve(self._host, self._port)
        probe(address, self._port)
        opened = self._build(address, self._wake.set)
        try:
            until = time.monotonic() + READY_SECONDS
            for link in opened:
                link.wait_ready(until)
            links = Links(*opened)
            self._verify(links)
            problem = links.lost()
            if problem:
                raise Unavailable(problem)
        except BaseException:
            for link in opened:
                link.close()
            raise
        self._links = links

    # -- watching ----------------------------------------------------------------------------------
    def _keep(self) -> None:
        tries = 0
        while not self._closing:
            try:
                if self._links is not None:
                    tries = 0
                    self._watch(self._links)
                elif self._reopen():
                    log.info("OpenD: connected again")
                else:
                    self._wake.clear()
                    self._wake.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                    tries += 1
            except Exception:
                log.exception("the watch of the session failed")
                time.sleep(WATCH_SECONDS)

    def _watch(self, links: Links) -> None:
        self._wake.wait(WATCH_SECONDS)
        self._wake.clear()
        if self._closing:
            return
        now = time.monotonic()
        if now - self._looked > SILENT_SECONDS:
            self._since = now  # we slept, not OpenD: what it said meanwhile has yet to be read
        self._looked = now
        silence = min(links.silence(now), now - self._since)
        problem = links.lost()
        if problem is None and silence > DEAD_SECONDS:
            problem = f"nothing heard from OpenD for {silence:.0f} s"
        if problem:
            self._drop(problem)
            return
        self._note_silence(silence)
        for link in links.both:
            link.beat(now, BEAT_SECONDS)

    def _note_silence(self, silence: float) -> None:
        reason = f"OpenD has not answered for {silence:.0f} s" if silence > SILENT_SECONDS else ""
        if bool(reason) != bool(self._down):
            self._down = reason
            self._report("down" if reason else "up", reason)

    def _drop(self, reason: str) -> None:
        links, self._links = self._links, None
        self._down = reason
        if links is None:
            return
        if not self._closing:
            self._report("down", reason)
        links.close()

    def _reopen(self) -> bool:
        try:
            self._open()
        except BusError as error:
            if error.message != self._down:
                self._down = error.message
                self._report("down", error.message)
            return False
        self._report("up", "")
        return True


def resolve(host: str, port: int) -> str:
    """The IPv4 address of OpenD, looked up at every try: the SDK never retries a name (source: SDK source)."""
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"settings.host: {host!r} is not known here: {error}") from None
    return str(found[0][4][0])


def probe(address: str, port: int) -> None:
    """Raises Unavailable unless OpenD's port accepts: a context built before it does never comes back."""
    try:
        socket.create_connection((address, port), PROBE_SECONDS).close()
    except OSError as error:
        raise Unavailable(f"OpenD does not listen at {address}:{port}: {error}") from None
