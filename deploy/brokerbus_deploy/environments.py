"""One virtualenv per worker, cached under a key of everything that goes into it, self-tested before it is used."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brokerbus_deploy import installers
from brokerbus_deploy.config import Config, InstanceConfig, built_in, module_of
from brokerbus_deploy.files import private_directory, read_json, write_json
from brokerbus_deploy.installers import BuildFailed, Say
from brokerbus_deploy.interpreters import Interpreter, find
from brokerbus_deploy.lock import replace_sdk
from brokerbus_deploy.projects import bus_project, hash_sources, worker_project

DESCRIBE_SECONDS = 60.0
"""An import check that takes longer has failed."""

_DESCRIPTION = "description.json"
"""Written last into a virtualenv: what its worker said of itself; without it the virtualenv is not complete."""


@dataclass(frozen=True)
class Recipe:
    """What goes into one virtualenv, and the SDK to import from it.

    ``lock`` is a hashed requirements file, absent for a broker of the user's own.
    """

    interpreter: Interpreter
    lock: Path | None
    install: tuple[str, ...]
    sources: tuple[Path, ...]
    module: str
    broker: str = ""
    imports: str = ""

    @property
    def key(self) -> str:
        """Changes with the Python, the locked requirements, the sources and the module."""
        digest = hashlib.sha256()
        parts = [
            self.interpreter.version,
            self.interpreter.implementation,
            str(self.interpreter.executable),
            self.module,
        ]
        for part in (*parts, self.lock.read_text("utf-8") if self.lock else "", *self.install):
            digest.update(part.encode() + b"\0")
        for source in self.sources:
            digest.update(hash_sources(source))
        return f"{self.module.split('.')[0]}-{self.interpreter.version}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True)
class Environment:
    """A virtualenv that is there, or will be under this path."""

    folder: Path
    module: str

    @property
    def python(self) -> Path:
        """The interpreter that runs the worker."""
        return self.folder / "bin" / "python"

    @property
    def complete(self) -> bool:
        """Whether it was built to the end, and its interpreter still exists."""
        return (self.folder / _DESCRIPTION).is_file() and self.python.exists()

    @property
    def description(self) -> dict[str, Any]:
        """What the worker said of itself in the import check: sdk, python, methods, settings..."""
        return read_json(self.folder / _DESCRIPTION)


def cache_root() -> Path:
    """Where virtualenvs live, for all configurations of this user."""
    chosen = os.environ.get("BROKERBUS_CACHE")
    if chosen:
        return Path(chosen).absolute() / "envs"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "brokerbus" / "envs"


def recipe(config: Config, instance: InstanceConfig) -> Recipe:
    """What the virtualenv of an instance is made of; raises InterpreterMissing or BuildFailed."""
    interpreter = find(instance.python)
    broker = built_in(instance)
    if broker is None:
        local = tuple(Path(text) for text in instance.install if Path(text).is_absolute())
        return Recipe(interpreter, None, instance.install, (bus_project(), *local), instance.module, instance.broker)
    project = worker_project(broker.project)
    lock = project / f"{broker.requirements}.lock"
    if instance.sdk:
        lock = replace_sdk(
            project / f"{broker.requirements}.in", broker.sdks, instance.sdk, interpreter, config.bus.state_dir
        )
    if not lock.is_file():
        raise BuildFailed(f"expected the locked requirements {lock}, found none: run python -m brokerbus_deploy.lock")
    return Recipe(interpreter, lock, (), (bus_project(), project), module_of(instance), instance.broker, broker.imports)


def environment(made_of: Recipe) -> Environment:
    """Where the virtualenv of a recipe is, built or not."""
    return Environment(cache_root() / made_of.key, made_of.module)


def build(made_of: Recipe, say: Say) -> Environment:
    """The virtualenv of a recipe, built if it is not there; raises BuildFailed. Safe to run at once from two places."""
    env = environment(made_of)
    private_directory(env.folder.parent)
    with _locked(env.folder.with_name(f"{env.folder.name}.lock")):
        if not env.complete:
            _build_with_any(made_of, env, say)
    return env


def _build_with_any(made_of: Recipe, env: Environment, say: Say) -> None:
    """Tries one installer after the other; the first failure is the one that is told."""
    failures: list[BuildFailed] = []
    for installer in installers.available():
        say(f"building {env.folder.name} with {installer.name}")
        try:
            _build(made_of, env, installer)
            return
        except BuildFailed as error:
            failures.append(error)
            shutil.rmtree(env.folder, ignore_errors=True)
        if isinstance(failures[-1], ImportCheckFailed):
            break
    raise failures[0]


class ImportCheckFailed(BuildFailed):
    """Everything was installed, but the worker does not start; another installer would not change that."""


def _build(made_of: Recipe, env: Environment, installer: installers.Uv | installers.Pip) -> None:
    # Built in place under a lock and marked complete at the end: a virtualenv does not survive a rename.
    shutil.rmtree(env.folder, ignore_errors=True)
    installers.run(installer.create(made_of.interpreter, env.folder))
    if made_of.lock:
        installers.run(installer.install(env.python, ["--require-hashes", "-r", str(made_of.lock)]))
        installers.run(installer.install(env.python, ["--no-deps", *map(str, made_of.sources)]))
    else:
        installers.run(installer.install(env.python, [str(bus_project()), *made_of.install]))
    write_json(env.folder / _DESCRIPTION, _import_check(env, made_of.broker, made_of.imports))


def _import_check(env: Environment, broker: str, sdk: str) -> dict[str, Any]:
    """What the worker says of itself; the SDK is imported too, in a home of its own, for some write there."""
    try:
        if sdk:
            with tempfile.TemporaryDirectory() as home:
                installers.run([str(env.python), "-I", "-c", f"import {sdk}"], DESCRIBE_SECONDS, home)
        named = ["--broker", broker] if broker else []
        answer = installers.run([str(env.python), "-I", "-m", env.module, "--describe", *named], DESCRIBE_SECONDS)
        description = json.loads(answer.strip().splitlines()[-1])
    except BuildFailed as error:
        raise ImportCheckFailed(f"the import check of {env.module} failed: {error}") from None
    except (ValueError, IndexError):
        raise ImportCheckFailed(
            f"{env.module} --describe: expected one line of JSON; host the broker with brokerbus.worker.main"
        ) from None
    if not isinstance(description, dict):
        raise ImportCheckFailed(f"{env.module} --describe: expected a JSON map, found {type(description).__name__}")
    return description


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "a", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def built(root: Path | None = None) -> Sequence[Environment]:
    """Every complete virtualenv in the cache."""
    folders = sorted((root or cache_root()).glob("*/" + _DESCRIPTION))
    return [Environment(path.parent, path.parent.name.rsplit("-", 2)[0]) for path in folders]
