"""The generated supervisord.conf and private files, read back by supervisord's own parser and by rules."""

from __future__ import annotations

import configparser
import hashlib
import json
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from brokerbus_deploy.config import load
from brokerbus_deploy.environments import Environment
from brokerbus_deploy.layout import Layout
from brokerbus_deploy.prepare import Prepared, write_files

PAPER, FUTU = "PaperPaperPaper1", "FutuFutuFutuFut1"
CANARY = "canary-canary-canary"


def write(folder: Path, run_dir: str = "run") -> tuple[Layout, Prepared]:
    path = folder / "brokerbus.toml"
    path.write_text(
        f"[bus]\nrun_dir = '{run_dir}'\n[instances.{PAPER}]\nbroker = 'paper'\ntokens = ['{CANARY}']\n"
        f"[instances.{FUTU}]\nbroker = 'futu'\nsettings = {{host = 'simulator', acc_id = '{CANARY}'}}\n"
    )
    config = load(path)
    layout = Layout(config.bus.run_dir, config.bus.state_dir)
    environments = {name: Environment(folder / "envs" / name, "x") for name in (PAPER, FUTU)}
    return layout, write_files(config, layout, environments)


def parsed(layout: Layout) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read(layout.supervisor_config)
    return parser


def test_static_rules(tmp_path: Path) -> None:
    """No TCP server, a private socket, isolated Pythons, whole groups stopped, retries, bounded logs (S11)."""
    conf = parsed(write(tmp_path)[0])
    assert "inet_http_server" not in conf.sections()
    assert conf["unix_http_server"]["chmod"] == "0700"
    assert conf["supervisord"]["umask"] == "077"
    programs = [conf[name] for name in conf.sections() if name.startswith("program:")]
    assert len(programs) >= 4
    for program in programs:
        assert " -I -m " in program["command"]
        assert (program["stopasgroup"], program["killasgroup"], program["autorestart"]) == ("true", "true", "true")
        assert (program["startsecs"], program["stopsignal"], program["umask"]) == ("0", "TERM", "077")
        assert int(program["startretries"]) >= 1000
        assert int(program["stopwaitsecs"]) <= 5
        assert program["stdout_logfile_maxbytes"] == "10MB"
        assert int(program["stdout_logfile_backups"]) <= 10


def test_no_secret_outside_private_files(tmp_path: Path) -> None:
    """Secrets are in the instance's own file alone; the front gets digests; directories are 0700 and files 0600."""
    layout, _ = write(tmp_path)
    holders = [path for path in layout.run_dir.rglob("*") if path.is_file() and CANARY in path.read_text()]
    assert holders == [layout.instance_file(FUTU)]
    tokens = {row["id"]: row["tokens"] for row in json.loads(layout.front_file.read_text())["instances"]}
    assert tokens[PAPER] == [hashlib.sha256(CANARY.encode()).hexdigest()]
    for path in [layout.run_dir, layout.state_dir, *layout.run_dir.rglob("*"), *layout.state_dir.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_simulator_runs_beside_its_worker(tmp_path: Path) -> None:
    """host = "simulator" runs the bundled one on a port of its own, which stays the same the next time."""
    layout, _ = write(tmp_path)
    settings = json.loads(layout.instance_file(FUTU).read_text())["settings"]
    assert settings["host"] == "127.0.0.1"
    assert f"--port {settings['port']} " in parsed(layout)[f"program:sim-{FUTU}"]["command"]
    _, again = write(tmp_path)
    assert again.renewed == set()


@pytest.mark.parametrize("run_dir", ["run", "a b"])
def test_supervisord_reads_what_was_written(tmp_path: Path, run_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """supervisord's own parser gives back the very commands, also with a blank in the path."""
    layout, _ = write(tmp_path, run_dir)
    monkeypatch.chdir(tmp_path)
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_config)])
    configs = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert options.configroot.supervisord.server_configs[0]["file"] == str(layout.supervisor_socket)
    assert configs[PAPER].command.endswith(("'", ".json"))
    assert configs[PAPER].stdout_logfile == str(layout.log(PAPER))
    assert configs[PAPER].environment["HOME"] == str(layout.home(PAPER))


def test_instances_that_are_gone_leave_no_file(tmp_path: Path) -> None:
    """An instance taken out of the configuration has no private file any more."""
    layout, _ = write(tmp_path)
    stale = layout.instances / "GoneGoneGoneGone.json"
    stale.write_text("{}")
    write(tmp_path)
    assert not stale.exists()
