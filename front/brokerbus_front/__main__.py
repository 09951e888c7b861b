"""Starts the front: ``python -I -m brokerbus_front FRONT_FILE``."""

import argparse
import os
import sys
from pathlib import Path

from brokerbus import process
from brokerbus_front import logs, server, settings


def main() -> int:
    """Exits 0 after SIGTERM, 1 when it cannot listen, 2 on a bad command line or front file."""
    parser = argparse.ArgumentParser(prog="brokerbus_front", description=__doc__)
    parser.add_argument("front_file", type=Path, help="the front file that `brokerbus up` writes")
    options = parser.parse_args()
    os.umask(0o077)
    try:
        loaded = settings.load(options.front_file)
    except settings.BadFrontFile as error:
        parser.error(str(error))
    process.die_with_parent(Path(loaded.run_dir))
    logs.configure()
    return server.run(loaded)


if __name__ == "__main__":
    sys.exit(main())
