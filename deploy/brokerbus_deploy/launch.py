"""Starts supervisord for one run directory; as a module, becomes it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from brokerbus_deploy.layout import Layout
from brokerbus_deploy.supervisor import POLL_SECONDS, Supervisor, SupervisorError

START_SECONDS = 20.0
"""supervisord answers on its socket by then, or has failed."""

_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TZDIR",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LD_LIBRARY_PATH",
)
"""What of the caller's environment reaches the processes: where to find programs, words, clocks and certificates."""

_PR_SET_PDEATHSIG = 1


def environment(secret: Iterable[str] = ()) -> dict[str, str]:
    """The environment of everything that runs; variables that hold a value of the configuration are left out."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ and name not in set(secret)}
    return {"PATH": os.defpath, **kept}


def start(layout: Layout, secret: Iterable[str], with_parent: bool) -> subprocess.Popen[bytes]:
    """Starts supervisord and waits for its socket; ``with_parent`` has it stop when this process dies."""
    command = [sys.executable, "-I", "-m", "brokerbus_deploy.launch", str(layout.supervisor_config)]
    output = layout.log("supervisord.start")
    with open(output, "wb") as said:
        process = subprocess.Popen(
            [*command, *(["--with-parent"] if with_parent else [])],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(secret),
            cwd=layout.run_dir,
            umask=0o077,
            start_new_session=True,
        )
    _wait(process, layout, output)
    return process


def _wait(process: subprocess.Popen[bytes], layout: Layout, output: Path) -> None:
    supervisor = Supervisor(layout.supervisor_socket)
    until = time.monotonic() + START_SECONDS
    while supervisor.pid() != process.pid:
        if process.poll() is not None or time.monotonic() > until:
            raise SupervisorError(f"supervisord did not start: {output.read_text('utf-8', 'replace').strip()[-2000:]}")
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Becomes supervisord: ``python -I -m brokerbus_deploy.launch FILE [--with-parent]``."""
    from supervisor import supervisord

    if "--with-parent" in sys.argv[2:] and sys.platform.startswith("linux"):
        # SIGTERM, not SIGKILL: supervisord then drains and stops what it runs.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    supervisord.main(["-c", sys.argv[1]])


if __name__ == "__main__":
    main()
