"""Says what the end of an SDK call proves, by what went over the wire rather than by the SDK's words.

    what was seen of the request                                writing            reading
    ------------------------------------------------------------------------------------------------
    never packed, or 'Connect timeout' / 'Connection closed'    unavailable        unavailable
    refused by the SDK's own checks before it was packed        bad_request        bad_request
    answered retType 0                                          done               done
    answered retType -1, words of a limit                       rate_limited       rate_limited
    answered retType -1, words of a time-out or a lost line     unknown_outcome    unavailable
    answered retType -1, other words                            rejected           not_found, rejected
    answered -100, -200, -400, -500 or unreadable               unknown_outcome    unavailable
    sent, then 'Disconnect', 'PacketErr.Timeout', anything      unknown_outcome    unavailable

Source: SDK source, ``_get_sync_query_processor``: the two texts of the first row are returned before the
request is handed to the network thread, every other text after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, List, Optional

from brokerbus.errors import (
    BadRequest,
    BusError,
    InternalError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownOutcome,
)
from brokerbus_futu.pacing import WINDOW_SECONDS

SUCCEED, FAILED = 0, -1
"""``RetType``: only these two are definite. Source: .proto."""

NEVER_QUEUED = frozenset(("Connect timeout", "Connection closed"))
"""Texts with which the SDK gives up a packed request before it is queued for the network thread."""

NO_LINK = NEVER_QUEUED | {"invalid connid"}
"""Texts for a link that is gone; the third also comes for an answer that cannot be decrypted."""

_LIMIT = re.compile(r"frequen|too many requests|rate.?limit|频率|频繁|次数过多", re.IGNORECASE)
_UNDECIDED = re.compile(
    r"time.?d? ?out|disconnect|network|connection (?:lost|closed|reset)|no response|超时|网络|断开|未知结果",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"unknown stock|unknown (?:code|security)|invalid (?:code|stock)|not exist|nonexist|no such|not found"
    r"|未知股票|不存在|找不到",
    re.IGNORECASE,
)


@dataclass
class Step:
    """One request of an SDK call: packed or not, answered or not."""

    proto: int = 0
    packed: bool = False
    ret_type: Optional[int] = None
    message: str = ""
    code: int = 0
    body: Any = None

    @property
    def answered(self) -> bool:
        return self.ret_type is not None

    @property
    def done(self) -> bool:
        return self.ret_type == SUCCEED


@dataclass
class Trace:
    """One SDK call: its requests, what it returned, what it raised."""

    name: str
    steps: List[Step] = field(default_factory=list)
    ok: bool = False
    data: Any = None
    error: Optional[BaseException] = None

    @property
    def text(self) -> str:
        """Why the call failed, in the SDK's or the vendor's words."""
        if self.error is not None:
            return f"{type(self.error).__name__} in the SDK"
        return "" if self.ok else str(self.data or "").strip() or "no reason given"

    def step(self, proto: int) -> Optional[Step]:
        """The last request of a protocol id."""
        return next((step for step in reversed(self.steps) if step.proto == proto), None)


def limited(words: str) -> bool:
    """True for the vendor's words of a limit on the frequency of calls."""
    return bool(_LIMIT.search(words))


def unknown_object(words: str) -> bool:
    """True for the vendor's words for a security or an order that it does not know."""
    return bool(_UNKNOWN.search(words))


def of_reading(trace: Trace, proto: int) -> BusError:
    """The error of a call that was to read and did not get the answer to ``proto``."""
    step = trace.step(proto) or (trace.steps[-1] if trace.steps else None)
    if step is None or not step.answered:
        return _unanswered_reading(trace, step)
    if step.done:
        return _refused_by_sdk(trace)
    words = step.message or "the vendor gave no reason"
    if step.ret_type != FAILED or (_UNDECIDED.search(words) and not limited(words)):
        return Unavailable(f"{trace.name}: {words} (retType {step.ret_type})", retry_after=1.0)
    if limited(words):
        return RateLimited(words, retry_after=WINDOW_SECONDS)
    return (NotFound if unknown_object(words) else Rejected)(words, detail=_detail(step))


def of_writing(trace: Trace, proto: int) -> BusError:
    """The error of a call that was to write with ``proto`` and was not told that it is done."""
    step = trace.step(proto)
    if step is None or not step.packed:
        return _unsent(trace)
    if step.answered:
        return _refused_writing(trace, step)
    if trace.error is None and trace.text in NEVER_QUEUED:
        return Unavailable(f"{trace.name}: the link to OpenD is down ({trace.text}); nothing was sent", retry_after=1.0)
    return UnknownOutcome(f"{trace.name}: no answer ({trace.text}); it may have arrived")


def _refused_writing(trace: Trace, step: Step) -> BusError:
    words = step.message or "the vendor gave no reason"
    maybe = UnknownOutcome(
        f"{trace.name}: {words} (retType {step.ret_type}); it may have arrived", detail=_detail(step)
    )
    if step.ret_type != FAILED:
        return maybe
    if limited(words):
        return RateLimited(words, retry_after=WINDOW_SECONDS, detail=_detail(step))
    if _UNDECIDED.search(words):
        return maybe
    return Rejected(words, detail=_detail(step))


def _unsent(trace: Trace) -> BusError:
    """Nothing of what was to be written left this process."""
    last = trace.steps[-1] if trace.steps else None
    if last is None or not last.packed or last.done:
        return _refused_by_sdk(trace)
    reason = f"{trace.name}: OpenD did not list the accounts ({trace.text}); nothing was sent"
    return Unavailable(reason, retry_after=1.0)


def _refused_by_sdk(trace: Trace) -> BusError:
    if trace.text in NO_LINK:
        return Unavailable(f"{trace.name}: the link to OpenD is down ({trace.text}); nothing was sent", retry_after=1.0)
    if trace.error is not None:
        return InternalError(f"{trace.name}: {trace.text}; nothing was sent")
    return BadRequest(f"{trace.name}: the SDK refuses it: {trace.text}")


def _unanswered_reading(trace: Trace, step: Optional[Step]) -> BusError:
    if step is None or not step.packed:
        return _refused_by_sdk(trace)
    return Unavailable(f"{trace.name}: no answer from OpenD ({trace.text})", retry_after=1.0)


def _detail(step: Step) -> Any:
    return {"retType": step.ret_type, "errCode": step.code}
