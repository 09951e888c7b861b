"""The first hour of a user: what README.md and `make demo` print is typed as it stands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from processes import BROKERBUS, ROOT, until

START_SECONDS = 300.0
"""Virtualenvs may have to be built first."""


@dataclass
class Demo:
    """The demo as it runs in a folder, and the lines that it has printed."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Collects lines until the demo ends."""
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))

    def curls(self) -> list[str]:
        """The commands that it told the user to type, once it has said how to stop it."""
        told = any(line.startswith("Ctrl-C") for line in self.lines) and self.lines
        return [line.strip() for line in told or () if line.strip().startswith("curl ")]

    def left(self) -> list[str]:
        """Processes that still name the demo's folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if os.fsencode(str(self.folder)) in path.read_bytes():
                    found.append(path.parent.name)
        return found


@pytest.fixture
def demo() -> Iterator[Demo]:
    """What `make demo` runs, in a folder of its own; afterwards nothing of it is left running."""
    folder = Path(tempfile.mkdtemp(prefix="bb-"))  # short: the path of a unix socket may have 107 bytes
    process = subprocess.Popen(
        [*BROKERBUS, "demo", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    made = Demo(process, folder)
    reader = threading.Thread(target=made.read)
    reader.start()
    try:
        yield made
    finally:
        if process.poll() is None:
            process.kill()  # what it started ends with it
            process.wait(10)
        until(lambda: not made.left(), 20, "no process left")
        reader.join(10)
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_the_demo_answers_what_it_tells_to_type(demo: Demo):
    """Each printed curl gives a quote, from paper and from futu; Ctrl-C ends the demo with 0 and leaves no process."""
    curls = until(lambda: demo.process.poll() is not None or demo.curls(), START_SECONDS, "the lines to type")
    assert demo.process.poll() is None, "\n".join(demo.lines)
    brokers = set()
    for line in curls:
        answer = until(lambda line=line: _answered(line), 20, line)
        assert list(answer) == ["type", "instanceId", "broker", "brokerDisplay", "time", "ex", "quote"]
        assert answer["quote"]["latest"] > 0
        assert answer["quote"]["contract"]["symbol"] == "AAPL"
        brokers.add(answer["broker"])
    assert brokers == {"paper", "futu"}
    _runs_what_it_names(demo)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) == 0, "\n".join(demo.lines)
    assert not demo.left()


def _answered(line: str) -> dict | None:
    """The answer to a printed curl, without a shell; None while the session is not up yet."""
    done = subprocess.run([*shlex.split(line), "--max-time", "10"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return None if str(answer["ex"]).startswith("unavailable") else answer


def _runs_what_it_names(demo: Demo) -> None:
    """The line below the curls: `brokerbus -c ... status`."""
    (line,) = (line.split(":", 1)[1] for line in demo.lines if line.startswith("what runs:"))
    command, *arguments = shlex.split(line)
    assert command == ".venv/bin/brokerbus"
    done = subprocess.run([*BROKERBUS, *arguments], cwd=demo.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "futu-api" in done.stdout
    assert "paper" in done.stdout


def test_the_two_commands_are_in_the_makefile():
    """`make demo` and `make test`, which README names, are targets; so is all else that it asks to make."""
    asked = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text("utf-8")))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= asked <= targets
    assert re.search(r"^demo:.*\n\t@?\$\(BIN\)/brokerbus demo$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_the_map_names_every_folder():
    """Every top-level folder of the repository is in README's map, but for docs and CI."""
    page = (ROOT / "README.md").read_text("utf-8")
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    folders = {path.split("/")[0] for path in listed if "/" in path} - {"docs", ".ci"}
    folders.discard("workers")
    folders |= {"/".join(path.split("/")[:2]) for path in listed if path.startswith("workers/") and path.count("/") > 1}
    assert set(re.findall(r"^\| `([a-z/]+)/` \|", page, re.MULTILINE)) == folders
