"""Hosts the paper broker as a worker: ``python -I -m brokerbus_paper INSTANCE_FILE``."""

from brokerbus.worker import main

main("brokerbus_paper.broker:PaperBroker")
