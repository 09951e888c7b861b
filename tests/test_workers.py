"""The suites of the bus and the workers, in virtualenvs of the Pythons that they promise to run on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from brokerbus_deploy import installers
from brokerbus_deploy.environments import cache_root
from processes import ROOT, interpreter, worker_python

TOOLS = ("pytest", "hypothesis")


def tools(python: Path) -> Path:
    """A folder with pytest for this interpreter's version, beside the virtualenv that is tested, not in it."""
    version = subprocess.check_output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
    folder = cache_root().parent / "test-tools" / version.strip()
    if not (folder / "pytest").is_dir():
        installer = installers.available()[0]
        installers.run(installer.install(python, ["--target", str(folder), *TOOLS]))
    return folder


@pytest.mark.parametrize(
    ("suite", "broker", "version"),
    [
        ("bus", "paper", "3.8"),
        ("bus", "paper", "3.13"),
        ("workers/paper", "paper", "3.8"),
        ("workers/paper", "paper", "3.13"),
        ("workers/futu", "futu", "3.8"),
        ("workers/futu", "futu", "3.13"),
    ],
)
def test_suite(suite, broker, version):
    """A part's own tests pass in the worker's virtualenv on the oldest and the newest Python."""
    python = worker_python(broker, interpreter(version))
    environment = {**os.environ, "PYTHONPATH": str(tools(python)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT / suite)]
    done = subprocess.run([*command, str(ROOT / suite / "tests")], env=environment, stdout=subprocess.PIPE, text=True)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:]
