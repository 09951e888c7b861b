"""The command line: arguments, exit codes and output, without a running deployment."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from brokerbus_deploy import logs
from brokerbus_deploy.arguments import BadArgument, params
from brokerbus_deploy.cli import app
from brokerbus_deploy.config import load

ID = "WyLqtMhDvAnBb6a3"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "brokerbus.toml"
    path.write_text(f"[front]\nport = 1\n[instances.{ID}]\nbroker = 'paper'\n")
    return path


@pytest.mark.parametrize("demo", [False, True])
def test_init_writes_a_configuration_that_is_right(tmp_path: Path, demo: bool) -> None:
    """What init writes is accepted as it stands, private, and with ids and tokens that nobody else has."""
    first, second = (tmp_path / name for name in ("a", "b"))
    for folder in (first, second):
        result = invoke("init", str(folder), *(["--demo"] if demo else []))
        assert result.exit_code == 0, result.output
    config, other = load(first / "brokerbus.toml"), load(second / "brokerbus.toml")
    assert [instance.broker for instance in config.instances] == (["paper", "futu"] if demo else ["paper"])
    assert not {instance.id for instance in config.instances} & {instance.id for instance in other.instances}
    assert (first / "brokerbus.toml").stat().st_mode & 0o777 == 0o600


def test_init_overwrites_nothing(config: Path) -> None:
    """A configuration that is there stays as it is."""
    before = config.read_text()
    assert invoke("init", str(config.parent)).exit_code == 2
    assert config.read_text() == before


def test_params() -> None:
    """A value is JSON if it parses, else text; dotted keys make maps."""
    found = params(["contract=US.AAPL", "qty=100", "a.b=true", "a.c=null", "e=", 'list=[1,"x"]', "x=NaN", "t=a=b"])
    assert found == {
        "contract": "US.AAPL",
        "qty": 100,
        "a": {"b": True, "c": None},
        "e": "",
        "list": [1, "x"],
        "x": "NaN",
        "t": "a=b",
    }


@pytest.mark.parametrize("wrong", [["x"], ["=1"], ["a.=1"], ["a=1", "a=2"], ["a=1", "a.b=2"]])
def test_params_that_are_none(wrong: list[str]) -> None:
    """What is no key=value, or names a key twice, is refused."""
    with pytest.raises(BadArgument):
        params(wrong)


@pytest.mark.parametrize(
    "command", [["call", "nope", "ping"], ["restart", "nope"], ["logs", "nope"], ["call", ID, "ping", "x"]]
)
def test_misuse_exits_2(config: Path, command: list[str]) -> None:
    """An unknown instance or a malformed argument is the caller's mistake."""
    assert invoke("-c", str(config), *command).exit_code == 2


def test_call_without_worker(config: Path) -> None:
    """With no worker the error code is printed as JSON, and the exit code is 1."""
    result = CliRunner().invoke(app, ["-c", str(config), "call", ID, "ping", "--timeout", "0.2"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "unavailable"


def test_status_of_nothing(config: Path) -> None:
    """With nothing running every process is stopped; the JSON has the contract's shape."""
    found = json.loads(invoke("-c", str(config), "status", "--json").stdout)
    assert (found["front"]["state"], found["hub"]) == ("stopped", {"state": "absent"})
    keys = {
        "id",
        "broker",
        "state",
        "session",
        "pid",
        "python",
        "sdk",
        "restarts",
        "lastPushAge",
        "halted",
        "unknownOrders",
    }
    assert [set(row) for row in found["instances"]] == [keys]
    assert (found["instances"][0]["state"], found["instances"][0]["session"]) == ("stopped", "unknown")
    assert ID in invoke("-c", str(config), "status").output


def test_down_of_nothing(config: Path) -> None:
    """Stopping what does not run is no failure."""
    assert invoke("-c", str(config), "down").exit_code == 0


def test_port_in_use(config: Path) -> None:
    """A taken port is found before anything is written."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("port = 1", f"port = {port}"))
        result = invoke("-c", str(config), "up", "--detach")
    assert result.exit_code == 2
    assert f"front.port: cannot serve 127.0.0.1:{port}" in result.output
    assert [path.name for path in config.parent.iterdir()] == ["brokerbus.toml"]


def test_missing_interpreter(config: Path) -> None:
    """A Python that is not there is named with its key, before anything is written."""
    config.write_text(config.read_text().replace("port = 1", "port = 0x1F99") + "python = '3.77'\n")
    result = invoke("-c", str(config), "up", "--detach")
    assert result.exit_code == 2
    assert f"instances.{ID}.python: expected a Python 3.77" in result.output
    assert [path.name for path in config.parent.iterdir()] == ["brokerbus.toml"]


def test_env_list(config: Path) -> None:
    """Every instance's virtualenv is listed, built or missing."""
    rows = json.loads(invoke("-c", str(config), "env", "list", "--json").stdout)
    assert [(row["id"], row["broker"]) for row in rows] == [(ID, "paper")]


def test_logs_are_followed_over_their_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lines, then what comes, also when the file was rotated in between."""
    path = tmp_path / "x.log"
    path.write_text("1\n2\n3\n")
    steps: list[Callable[[], object]] = [
        lambda: path.write_text("1\n2\n3\n4\n"),
        lambda: (path.rename(tmp_path / "old"), path.write_text("5\n")),
    ]

    def next_step(_seconds: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr("brokerbus_deploy.logs.time.sleep", next_step)
    said: list[str] = []
    logs.show(path, 2, follow=True, write=said.append)
    assert said == ["2\n", "3\n", "4\n", "5\n"]


@pytest.mark.parametrize("command", ["init", "up", "down", "status", "restart", "logs", "call"])
def test_help_has_an_example(command: str) -> None:
    """Every command's help shows how it is called."""
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
