"""Every size, time and count that bounds the bus: one named constant, one sentence each."""

from __future__ import annotations

# --- sizes -------------------------------------------------------------------------------------
MAX_BODY_BYTES = 1024 * 1024
"""A message body above this is refused; ZeroMQ cuts the peer off before it is read."""

MAX_DEPTH = 32
"""Containers nested deeper than this in a body are refused."""

MAX_CONTAINERS = 20_000
"""Maps and lists in one body; an empty map costs 64 bytes of memory for one on the wire."""

MAX_TEXT = 1024
"""Characters in any text parameter that has no closer limit of its own."""

MAX_SYMBOLS = 400
"""Contracts in one ``quotes`` or ``subscribe`` request; the smallest snapshot limit of the vendors."""

MAX_QTY = 1e12
"""An order quantity above this is a mistake, not an order."""

MAX_PRICE = 1e12
"""A price above this is a mistake, not a price."""

# --- times, in seconds ---------------------------------------------------------------------------
READ_SECONDS = 15.0
"""Deadline of a request that reads and names none: more than the longest time-out of a vendor SDK (12 s)."""

ORDER_SECONDS = 30.0
"""Deadline of a request that trades and names none: room for one vendor time-out and one look-up."""

LINGER_SECONDS = 0.000_15
"""How long an idle worker looks for the next request before it sleeps: half of a call's time is waking up."""

MAX_DEADLINE_SECONDS = 120.0
"""A deadline further away than this is cut to it, so that no caller can pin a thread for hours."""

STATUS_SECONDS = 1.0
"""How often every worker publishes ``status``."""

PING_SECONDS = 3.0
"""How long ``ping`` waits for the broker behind the SDK."""

RETRY_FIRST_SECONDS = 0.5
"""First pause before a broker session is tried again; doubles up to RETRY_MOST_SECONDS."""

RETRY_MOST_SECONDS = 4.0
"""Longest pause between two tries: a gateway that comes back is found within 5 s (R11)."""

LOOKUP_FIRST_SECONDS = 0.2
"""First pause between two look-ups of an order with unknown outcome; doubles up to LOOKUP_MOST_SECONDS."""

LOOKUP_MOST_SECONDS = 5.0
"""Longest pause between two look-ups; it never stops asking."""

FOLLOW_OPEN_SECONDS = 5.0
"""How often the broker's lists are read while orders are open, whatever its pushes say."""

FOLLOW_IDLE_SECONDS = 60.0
"""How often they are read while none is, to find orders made elsewhere."""

DRAIN_SECONDS = 3.0
"""A stopping worker gives calls in flight this long to end ..."""

CLOSE_SECONDS = 1.0
"""... and its broker this long to close the session: together they are below supervisord's patience."""

RECONNECT_MS = 50
"""First pause before a request socket connects again; ZeroMQ doubles it up to RECONNECT_MAX_MS."""

RECONNECT_MAX_MS = 250
"""Longest pause before a request socket connects again: a killed worker is found at once."""

# --- counts --------------------------------------------------------------------------------------
LANE_THREADS = 4
"""Threads for the blocking calls of one kind (market data, account, trading)."""

LANE_QUEUE = 256
"""Calls of one kind that may wait for a thread; the next is answered ``unavailable``."""

PUSH_QUEUE = 100_000
"""Pushes that may wait for the publishing thread; the oldest quote-like ones give way and are counted."""

REPORT_QUEUE = 10_000
"""Reports of orders and fills that may wait for the journal; beyond it the broker's lists are read again."""

REPLAY_EVENTS = 500
"""Order and fill events in one ``replay`` answer; ask again from the last cursor for more."""

PUBLISH_HWM = 10_000
"""Messages that ZeroMQ keeps for one slow subscriber before it drops for that one alone."""

MAX_IN_FLIGHT = 4_096
"""Requests that one client may have unanswered at one worker."""

# --- crash throttle ------------------------------------------------------------------------------
CRASH_WINDOW_SECONDS = 60.0
"""Starts are counted over this time."""

CRASH_STARTS = 20
"""From this many starts in the window on, a worker waits before it starts again."""

CRASH_PAUSE_SECONDS = 5.0
"""... this long, because supervisord is told not to."""
