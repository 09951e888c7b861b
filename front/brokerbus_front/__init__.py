"""The HTTP front of brokerbus: one process that turns HTTP requests into requests on the bus."""

__version__ = "0.1.0"
