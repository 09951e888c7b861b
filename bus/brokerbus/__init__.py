"""brokerbus: each broker SDK in a process and virtualenv of its own, spoken to over ZeroMQ."""

__version__ = "0.1.0"
PROTOCOL = 1
"""Version of the wire protocol; apart from the version of this package."""
