"""Runs the command line as ``python -m brokerbus_deploy``."""

from brokerbus_deploy.cli import main

if __name__ == "__main__":
    main()
