"""Drives one URL with wrk and returns what it counted."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

QUOTES, ORDERS = (Path(__file__).resolve().with_name(name) for name in ("report.lua", "order.lua"))
"""What wrk asks for."""
SLACK = 30.0
"""Seconds that wrk may need beyond the time it was given."""


class Failed(Exception):
    """Why the measurement is not to be trusted, or cannot be made."""


@dataclass(frozen=True)
class Load:
    """One run of wrk: requests a second, latency in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def find_wrk() -> str:
    found = shutil.which("wrk")
    if not found:
        raise Failed("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    return found


def drive(url: str, token: str, connections: int, seconds: float, script: Path = QUOTES) -> Load:
    """Keeps `connections` requests in flight; a single error, refusal or answer other than 2xx voids the run."""
    command = [find_wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-H", f"HT-TOKEN: {token}"]
    done = subprocess.run(
        [*command, "-s", str(script), url], capture_output=True, text=True, timeout=seconds + SLACK, check=False
    )
    if done.returncode:
        raise Failed(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    counted = json.loads(done.stdout.strip().splitlines()[-1])
    if counted["errors"] or counted["refused"] or not counted["requests"]:
        raise Failed(f"{url}: {counted['errors']} errors and {counted['refused']} refusals in {counted['requests']}")
    return Load(counted["requests"], counted["seconds"], counted["p50"], counted["p99"])
