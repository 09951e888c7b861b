"""A simulated OpenD that is killed and comes back on its port, with its books and its faults."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from chaos.workers import by_tag
from processes import free_port, interpreter, worker_python


class OpenD:
    """One simulated OpenD in a process of its own; `faults` are in force from each start."""

    def __init__(self, *words: str, faults: tuple[dict[str, Any], ...] = ()) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="bb-opend-")
        folder = Path(self._place.name)
        self.state, scenario = folder / "state", folder / "scenario.json"
        scenario.write_text(json.dumps({"do": [{"do": "fault", **fault} for fault in faults]}))
        self.port, self._control = free_port(), free_port()
        python = worker_python("futu", interpreter("3.13", "3.12", "3.11"))
        self._command = [str(python), "-I", "-m", "brokerbus_futu.simulator", "--port", str(self.port)]
        self._command += ["--control", str(self._control), "--quiet", "--die-with-parent"]
        self._command += ["--state", str(self.state), "--scenario", str(scenario), *words]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 20)[0], "the simulator did not start within 20 s"
        assert self.process.stdout.readline(), "the simulator ended; its stderr says why"

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def do(self, verb: str, **fields: Any) -> Any:
        """One command on the control port."""
        with socket.create_connection(("127.0.0.1", self._control), 20) as link, link.makefile("rwb") as lines:
            lines.write(json.dumps({"do": verb, **fields}).encode() + b"\n")
            lines.flush()
            answer = json.loads(lines.readline())
        assert answer["ok"], answer
        return answer["result"]

    def try_to(self, verb: str, **fields: Any) -> None:
        """One command, if it is there to take it."""
        with contextlib.suppress(OSError, ValueError):
            self.do(verb, **fields)

    def executed(self) -> dict[str, list[str]]:
        """The ids of the orders that it ever took, by remark."""
        written = self.state.read_bytes().splitlines(keepends=True) if self.state.exists() else []
        lines = [json.loads(line) for line in written if line.endswith(b"\n")]
        return by_tag({line["order"]["order_id_ex"]: line["order"]["remark"] for line in lines if "order" in line})

    def __enter__(self) -> OpenD:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._place.cleanup()
