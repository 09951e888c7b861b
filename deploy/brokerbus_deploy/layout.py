"""Where everything lies in the run and state directories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FRONT, WATCHDOG = "front", "watchdog"
"""Programs that are no instance; instance ids are longer, so that no id can be one of these."""

SIMULATOR_PREFIX = "sim-"
"""Simulator programs are called by this and the instance id; no id has a hyphen."""


@dataclass(frozen=True)
class Layout:
    """The files of one deployment."""

    run_dir: Path
    state_dir: Path

    @property
    def supervisor_socket(self) -> Path:
        return self.run_dir / "supervisor.sock"

    @property
    def supervisor_config(self) -> Path:
        return self.run_dir / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.run_dir / "supervisord.pid"

    @property
    def logs(self) -> Path:
        return self.run_dir / "logs"

    @property
    def instances(self) -> Path:
        return self.run_dir / "instances"

    @property
    def front_file(self) -> Path:
        return self.run_dir / "front.json"

    @property
    def environments_file(self) -> Path:
        """The virtualenv of each instance that was started."""
        return self.run_dir / "environments.json"

    @property
    def simulators_file(self) -> Path:
        """Ports of the bundled simulators."""
        return self.run_dir / "simulators.json"

    @property
    def lock_file(self) -> Path:
        """Held while one command changes what runs."""
        return self.run_dir / "up.lock"

    def instance_file(self, instance: str) -> Path:
        return self.instances / f"{instance}.json"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def home(self, instance: str) -> Path:
        """A private, writable directory of one instance that outlives restarts."""
        return self.state_dir / "home" / instance
