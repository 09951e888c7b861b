"""The configuration: every refusal names its key, leaks no secret and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from brokerbus_deploy.cli import app
from brokerbus_deploy.config import Config, ConfigError, load

ID = "WyLqtMhDvAnBb6a3"
PAPER = f'[instances.{ID}]\nbroker = "paper"\n'
FUTU = f'[instances.{ID}]\nbroker = "futu"\n'
OWN = f'[instances.{ID}]\nbroker = "mine"\n'
OTHER = '[instances.OtherOtherOther1]\nbroker = "futu"\n'
TOKEN = "tokentokentoken1"


def read(folder: Path, text: str) -> Config:
    path = folder / "brokerbus.toml"
    path.write_text(text, "utf-8")
    return load(path)


REFUSED = {
    "no instances": ("", "instances", "at least one"),
    "unknown key at the top": (f"fornt = 1\n{PAPER}", "fornt", "did you mean front?"),
    "unknown key of front": (f"[front]\nprot = 1\n{PAPER}", "front.prot", "did you mean port?"),
    "unknown key of bus": (f"[bus]\nrundir = 'x'\n{PAPER}", "bus.rundir", "run_dir"),
    "unknown key of an instance": (f"{PAPER}brokr = 'x'\n", f"instances.{ID}.brokr", "did you mean broker?"),
    "unknown setting": (f"{PAPER}[instances.{ID}.settings]\nseeed = 1\n", f"instances.{ID}.settings.seeed", "seed?"),
    "table of another type": (f"front = 3\n{PAPER}", "front", "expected a table"),
    "port as text": (f"[front]\nport = '80'\n{PAPER}", "front.port", "expected a whole number"),
    "port as a boolean": (f"[front]\nport = true\n{PAPER}", "front.port", "expected a whole number"),
    "port out of range": (f"[front]\nport = 70000\n{PAPER}", "front.port", "65535"),
    "host off loopback": (f"[front]\nhost = '0.0.0.0'\n{PAPER}", "front.host", "insecure = true"),
    "a name off loopback": (f"[front]\nhost = 'example.test'\n{PAPER}", "front.host", "tls_cert"),
    "half of TLS": (f"[front]\ntls_cert = 'brokerbus.toml'\n{PAPER}", "front.tls_key", "missing"),
    "absent certificate": (
        f"[front]\ntls_cert='no'\ntls_key='brokerbus.toml'\n{PAPER}",
        "front.tls_cert",
        "expected a file",
    ),
    "insecure as text": (f"[front]\ninsecure = 'yes'\n{PAPER}", "front.insecure", "true or false"),
    "tcp publish off loopback": (f"[bus]\npublish = ['tcp://0.0.0.0:5557']\n{PAPER}", "bus.publish[0]", "CURVE"),
    "tcp publish on every interface": (f"[bus]\npublish = ['tcp://*:5557']\n{PAPER}", "bus.publish[0]", "CURVE"),
    "publish of another scheme": (f"[bus]\npublish = ['udp://x:1']\n{PAPER}", "bus.publish[0]", "ipc://PATH"),
    "publish without a port": (f"[bus]\npublish = ['tcp://127.0.0.1']\n{PAPER}", "bus.publish[0]", "tcp://HOST:PORT"),
    "publish twice": (f"[bus]\npublish = ['ipc://a', 'ipc://./a']\n{PAPER}", "bus.publish", "named twice"),
    "run_dir too long": (f"[bus]\nrun_dir = '{'x' * 120}'\n{PAPER}", "bus.run_dir", "too long for Unix sockets"),
    "run_dir around the file": (f"[bus]\nrun_dir = '.'\n{PAPER}", "bus.run_dir", "directory of its own"),
    "run_dir is state_dir": (f"[bus]\nrun_dir = 'x'\nstate_dir = './x'\n{PAPER}", "bus.run_dir", "two directories"),
    "run_dir with a percent sign": (f"[bus]\nrun_dir = '100%'\n{PAPER}", "bus.run_dir", "cannot carry"),
    "id too short": ("[instances.short]\nbroker = 'paper'\n", "instances.short", "16 to 32"),
    "id too long": (f"[instances.{'a' * 33}]\nbroker = 'paper'\n", f"instances.{'a' * 33}", "16 to 32"),
    "id of other characters": (
        "[instances.'abcdefgh-ijklmnop']\nbroker = 'paper'\n",
        "instances.abcdefgh-ijklmnop",
        "16 to",
    ),
    "broker missing": (f"[instances.{ID}]\n", f"instances.{ID}.broker", "missing"),
    "broker unknown": (f"[instances.{ID}]\nbroker = 'futuu'\n", f"instances.{ID}.broker", "did you mean futu?"),
    "broker not in this version": (
        f"[instances.{ID}]\nbroker = 'ib'\n",
        f"instances.{ID}.broker",
        "not in this version",
    ),
    "install without module": (f"{OWN}install = ['x']\n", f"instances.{ID}.module", "go together"),
    "module without install": (f"{OWN}module = 'x'\n", f"instances.{ID}.install", "go together"),
    "module that is none": (
        f"{OWN}install = ['x']\nmodule = '-c'\n",
        f"instances.{ID}.module",
        "name of a Python module",
    ),
    "install of an option": (f"{OWN}install = ['-rx']\nmodule = 'x'\n", f"instances.{ID}.install[0]", "requirement"),
    "install of nothing": (f"{OWN}install = ['./no']\nmodule = 'x'\n", f"instances.{ID}.install[0]", "found nothing"),
    "python as a number": (f"{PAPER}python = 3.10\n", f"instances.{ID}.python", "expected text"),
    "python that is neither": (f"{PAPER}python = 'pypy'\n", f"instances.{ID}.python", '"3.10"'),
    "sdk of another": (f"{FUTU}sdk = 'tigeropen==1'\n", f"instances.{ID}.sdk", "futu-api"),
    "sdk of none": (f"{PAPER}sdk = 'futu-api==1'\n", f"instances.{ID}.sdk", "no SDK"),
    "sdk as an option": (f"{FUTU}sdk = '-r x'\n", f"instances.{ID}.sdk", "expected a pin"),
    "token too short": (f"{PAPER}tokens = ['short']\n", f"instances.{ID}.tokens[0]", "16 to 64"),
    "token too long": (f"{PAPER}tokens = ['{'x' * 65}']\n", f"instances.{ID}.tokens[0]", "16 to 64"),
    "token with blanks": (f"{PAPER}tokens = ['a token with blanks']\n", f"instances.{ID}.tokens[0]", "without blanks"),
    "token twice": (f"{PAPER}tokens = ['{TOKEN}', '{TOKEN}']\n", f"instances.{ID}.tokens[1]", "the same token"),
    "token of another instance": (
        f"{PAPER}tokens = ['{TOKEN}']\n{OTHER}tokens = ['{TOKEN}']\n",
        "instances.OtherOtherOther1.tokens[0]",
        f"instances.{ID}.tokens[0]",
    ),
    "tokens as text": (f"{PAPER}tokens = '{TOKEN}'\n", f"instances.{ID}.tokens", "expected a list"),
    "token of a missing variable": (
        f"{PAPER}tokens = ['env:NO_SUCH_NAME']\n",
        f"instances.{ID}.tokens[0]",
        "NO_SUCH_NAME",
    ),
    "token of a missing file": (f"{PAPER}tokens = ['file:no']\n", f"instances.{ID}.tokens[0]", "cannot be read"),
    "subscription of no kind": (f"{PAPER}subscribe = ['order:US.A']\n", f"instances.{ID}.subscribe[0]", "tick"),
    "subscription of no symbol": (f"{PAPER}subscribe = ['tick:AAPL']\n", f"instances.{ID}.subscribe[0]", "US.AAPL"),
    "setting of another type": (f"{FUTU}settings = {{port = 'x'}}\n", f"instances.{ID}.settings.port", "whole number"),
    "setting of another choice": (
        f"{FUTU}settings = {{trade_env = 'X'}}\n",
        f"instances.{ID}.settings.trade_env",
        "SIMULATE",
    ),
    "pin in the clear": (f"{FUTU}settings = {{unlock_pin = '123456'}}\n", f"instances.{ID}.settings.unlock_pin", "MD5"),
    "setting not finite": (f"{PAPER}settings = {{cash = nan}}\n", f"instances.{ID}.settings.cash", "expected a"),
    "futu_instance of no instance": (f"[front]\nfutu_instance = 'x'\n{FUTU}", "front.futu_instance", ID),
    "futu_instance of paper": (f"[front]\nfutu_instance = '{ID}'\n{PAPER}", "front.futu_instance", "none here"),
    "a key twice": (f"[front]\nport = 1\nport = 2\n{PAPER}", "brokerbus.toml", "named twice"),
    "a table twice": (f"{PAPER}{PAPER}", "brokerbus.toml", "named twice"),
    "no TOML": ("[front\n", "brokerbus.toml", "not valid TOML"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_key(tmp_path: Path, name: str) -> None:
    """`up` exits 2, names the key and the mend in one line, starts nothing and writes nothing."""
    text, key, words = REFUSED[name]
    path = tmp_path / "brokerbus.toml"
    path.write_text(text, "utf-8")
    result = CliRunner().invoke(app, ["-c", str(path), "up", "--detach"])
    lines = [line for line in result.output.splitlines() if key in line and words in line]
    assert result.exit_code == 2, result.output
    assert lines, result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["brokerbus.toml"]


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Three mistakes are three lines, so that a file is mended in one go."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[front]\nport = 'x'\n[bus]\nrun = 'x'\n{PAPER}tokens = ['x']\n")
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "bus.run",
        f"instances.{ID}.tokens[0]",
        "front.port",
    ]


def test_no_secret_in_a_refusal(tmp_path: Path) -> None:
    """Tokens and settings of the wrong form are named, never shown."""
    text = (
        f"{FUTU}tokens = ['canary', 'canary canary canary', 7]\nsettings = {{port = 'canary', trade_env = 'canary'}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert len(caught.value.lines) == 5
    assert "canary" not in str(caught.value)


def test_absent_file(tmp_path: Path) -> None:
    """Without a configuration the command says how to get one."""
    result = CliRunner().invoke(app, ["-c", str(tmp_path / "no.toml"), "status"])
    assert (result.exit_code, "brokerbus init" in result.output) == (2, True)


def test_defaults(tmp_path: Path) -> None:
    """One instance is a whole configuration; paths are relative to the file."""
    config = read(tmp_path, PAPER)
    assert (config.front.host, config.front.port, config.front.keys_file) == (
        "127.0.0.1",
        8080,
        tmp_path / "state/keys.json",
    )
    assert (config.bus.run_dir, config.bus.state_dir) == (tmp_path / "run", tmp_path / "state")
    assert config.bus.publish == (f"ipc://{tmp_path}/run/pushes",)


def test_values_from_variables_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any value may come from the environment or a file, and has the type that its key asks for."""
    (tmp_path / "token").write_text("tokenfromafile01\n")
    (tmp_path / "key.pem").touch()
    for name, value in (("PORT", "8081"), ("OPEND", "11112"), ("FLAG", "true"), ("HOST", "0.0.0.0")):
        monkeypatch.setenv(f"BB_{name}", value)
    config = read(
        tmp_path,
        "[front]\nport = 'env:BB_PORT'\nhost = 'env:BB_HOST'\ninsecure = 'env:BB_FLAG'\n"
        f"{FUTU}tokens = ['file:token']\nsettings = {{port = 'env:BB_OPEND', pk_path = 'key.pem'}}\n",
    )
    assert (config.front.port, config.front.host, config.front.insecure) == (8081, "0.0.0.0", True)
    assert config.instances[0].tokens == ("tokenfromafile01",)
    assert config.instances[0].settings == {"port": 11112, "pk_path": str(tmp_path / "key.pem")}
    assert config.variables == {"BB_PORT", "BB_OPEND", "BB_FLAG", "BB_HOST"}


def test_settings_of_an_own_broker_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker of the user's own may have any settings, at any depth, with secrets from elsewhere."""
    monkeypatch.setenv("BB_DEEP", "found")
    text = f"{OWN}install = ['my-broker>=1']\nmodule = 'my.broker'\nsettings = {{a = {{b = ['env:BB_DEEP', 1.5]}}}}\n"
    assert read(tmp_path, text).instances[0].settings == {"a": {"b": ["found", 1.5]}}


@pytest.mark.parametrize(("count", "chosen"), [(1, ID), (2, "")])
def test_futu_instance_is_chosen_when_there_is_one(tmp_path: Path, count: int, chosen: str) -> None:
    """A single futu instance is behind /api/*; of two none is, until it is named."""
    assert read(tmp_path, "".join([FUTU, OTHER][:count])).front.futu_instance == chosen


def test_secrets_are_not_in_a_repr(tmp_path: Path) -> None:
    """A configuration that ends up in a traceback shows neither tokens nor settings."""
    config = read(tmp_path, f"{FUTU}tokens = ['canarycanarycanary']\nsettings = {{host = 'canary'}}\n")
    assert "canary" not in repr(config)
