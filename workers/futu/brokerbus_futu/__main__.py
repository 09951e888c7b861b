"""Starts the worker: ``python -I -m brokerbus_futu INSTANCE_FILE``."""

from brokerbus.worker import main

if __name__ == "__main__":
    main({"futu": "brokerbus_futu.broker:FutuBroker", "moomoo": "brokerbus_futu.broker:MoomooBroker"})
