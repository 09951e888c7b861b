"""The settings that a configuration may name are those that the worker understands."""

from __future__ import annotations

import json
import subprocess

import pytest

from brokerbus_deploy.brokers import BUILT_IN
from processes import interpreter, worker_python


@pytest.mark.parametrize("broker", ["paper", "futu"])
def test_the_table_is_the_workers(broker):
    """`up` refuses exactly what the worker would refuse: the names are the same on both sides."""
    python = worker_python(broker, interpreter("3.11", "3.12", "3.13"))
    command = [str(python), "-I", "-m", BUILT_IN[broker].module, "--describe", "--broker", broker]
    told = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    assert set(BUILT_IN[broker].settings) == set(told["settings"])
