"""Every size, time and count that bounds the front: one named constant, one sentence each."""

# --- sizes, in bytes -----------------------------------------------------------------------------
MAX_HEAD_BYTES = 32 * 1024
"""Request line, headers, chunk sizes and trailers of one request together; above it: 431."""

MAX_BODY_BYTES = 1024 * 1024
"""The body of any request; above it: 413, whoever asks and whatever the path."""

ORDER_BODY_BYTES = 64 * 1024
"""The body of an order; a larger one is not parsed."""

GUARDED_REPLY_BYTES = 64 * 1024
"""A worker's reply above this is decoded by the guarded decoder first, which counts containers."""

# --- times, in seconds ---------------------------------------------------------------------------
HEAD_SECONDS = 6.0
"""From the connection, or from the first byte of a request, to the end of its headers."""

BODY_SECONDS = 8.0
"""From the end of the headers to the end of the body."""

SEND_SECONDS = 10.0
"""A client that takes nothing of its answer for this long is cut off."""

KEEP_ALIVE_SECONDS = 65
"""An idle connection is kept this long after an answer: longer than the usual pools of clients keep it."""

LINGER_SECONDS = 1.5
"""A refused or closed connection has this long to take its last answer before it is cut."""

SWEEP_SECONDS = 0.5
"""How often connections are looked at for the times above."""

TLS_HANDSHAKE_SECONDS = 6.0
"""From the connection to the end of the TLS handshake."""

READY_SECONDS = 1.0
"""How long a worker has to tell its status to /readyz."""

READY_FRESH_SECONDS = 0.2
"""Answers of /readyz within this time share one round of questions."""

RESTART_SECONDS = 5.0
"""How long an order that was not sent waits for a worker that is away: a restart (2.5 s) and an SDK's import."""

AGAIN_FIRST_SECONDS = 0.05
"""The first pause before a lost answer is asked for again; doubles up to AGAIN_MOST_SECONDS."""

AGAIN_MOST_SECONDS = 1.0
"""The longest pause before a lost answer is asked for again."""

RETRY_AFTER_MOST_SECONDS = 3_600
"""A Retry-After above this is cut to it, whatever a worker says."""

DRAIN_SECONDS = 3.0
"""What is in flight at SIGTERM may end within this time; then it is answered with what is known of it."""

STOP_SECONDS = 4
"""After this the front ends whatever its clients do."""

# --- counts --------------------------------------------------------------------------------------
MAX_CONNECTIONS = 2_000
"""Connections at once; above it the longest idle one gives way, or the new one is answered 503."""

SPARE_DESCRIPTORS = 100
"""File descriptors kept for what is no client connection."""

MAX_PIPELINED = 16
"""Requests that one connection may have sent ahead of their answers."""

BACKLOG = 2_048
"""Connections that the kernel keeps until they are accepted."""
