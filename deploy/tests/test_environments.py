"""Virtualenvs: what changes their key, how they are built and checked, and that a broken one is never used."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from brokerbus_deploy import installers, lock
from brokerbus_deploy.environments import ImportCheckFailed, Recipe, build, built, environment
from brokerbus_deploy.interpreters import find
from brokerbus_deploy.projects import bus_project, checkout, hash_sources

TINY = Path(__file__).parent / "tiny"


def tiny(folder: Path) -> Path:
    return Path(shutil.copytree(TINY, folder / "tiny", ignore=shutil.ignore_patterns("__pycache__")))


def recipe(project: Path, module: str = "tiny_broker") -> Recipe:
    return Recipe(find(""), None, (str(project),), (bus_project(), project), module)


def test_key_is_stable_and_follows_every_ingredient(tmp_path: Path) -> None:
    """The key stays the same until Python, lock, requirements, module or a source file change."""
    project = tiny(tmp_path)
    first = recipe(project)
    lock_file = tmp_path / "requirements.lock"
    lock_file.write_text("a==1")
    others = [
        dataclasses.replace(first, interpreter=dataclasses.replace(first.interpreter, version="3.99.0")),
        dataclasses.replace(first, lock=lock_file),
        dataclasses.replace(first, install=("other",)),
        recipe(project, "other"),
    ]
    key = first.key
    assert key == recipe(project).key
    (project / "__pycache__").mkdir()
    (project / "__pycache__" / "x.pyc").write_text("x")
    assert key == first.key
    (project / "tiny_broker.py").write_text("changed = True\n")
    assert len({key, first.key, *(other.key for other in others)}) == 6


def test_sources_are_hashed_by_name_and_content(tmp_path: Path) -> None:
    """A renamed file is another source; tests and caches are none."""
    (tmp_path / "a.py").write_text("x")
    first = hash_sources(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "t.py").write_text("x")
    assert hash_sources(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert hash_sources(tmp_path) != first


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_build_of_a_local_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installer: str) -> None:
    """uv, and venv with pip alike, build a virtualenv whose worker describes itself; then it is there."""
    monkeypatch.setenv("BROKERBUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BROKERBUS_INSTALLER", installer)
    said: list[str] = []
    made_of = recipe(tiny(tmp_path))
    env = build(made_of, said.append)
    assert env.complete
    assert (env.description["broker"], env.description["python"]) == ("tiny", made_of.interpreter.version)
    assert said == [f"building {made_of.key} with {installer}"]
    assert build(made_of, said.append) == env
    assert len(said) == 1
    assert [one.folder for one in built()] == [env.folder]
    assert env.folder.parent.stat().st_mode & 0o777 == 0o700


def test_failed_import_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot be imported fails the build, with the reason, and leaves no virtualenv."""
    monkeypatch.setenv("BROKERBUS_CACHE", str(tmp_path / "cache"))
    project = tiny(tmp_path)
    (project / "tiny_broker.py").write_text("import no_such_sdk\n")
    made_of = recipe(project)
    with pytest.raises(ImportCheckFailed, match="no_such_sdk"):
        build(made_of, lambda _: None)
    assert not environment(made_of).folder.exists()


def test_sdk_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that describes itself is not enough: its SDK has to import as well."""
    monkeypatch.setenv("BROKERBUS_CACHE", str(tmp_path / "cache"))
    made_of = dataclasses.replace(recipe(tiny(tmp_path)), imports="no_such_sdk")
    with pytest.raises(ImportCheckFailed, match="no_such_sdk"):
        build(made_of, lambda _: None)


def test_a_half_built_one_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtualenv without the mark of completion, as a killed build leaves it, is not used."""
    monkeypatch.setenv("BROKERBUS_CACHE", str(tmp_path / "cache"))
    made_of = recipe(tiny(tmp_path))
    folder = environment(made_of).folder
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("half")
    assert not environment(made_of).complete
    assert build(made_of, lambda _: None).description["broker"] == "tiny"


def test_installer_that_fails_tells_why_and_the_next_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When uv cannot, pip is tried; when neither can, the first reason is told."""
    monkeypatch.setenv("BROKERBUS_CACHE", str(tmp_path / "cache"))
    project = tiny(tmp_path)
    (project / "pyproject.toml").write_text("not toml\n")
    said: list[str] = []
    with pytest.raises(installers.BuildFailed, match="ended with"):
        build(recipe(project), said.append)
    assert [line.rpartition(" ")[2] for line in said] == ["uv", "pip"]


@pytest.mark.parametrize(
    "path", sorted((checkout() / "workers").glob("*/requirements*.in")), ids=lambda path: path.stem
)
def test_locks_are_hashed_and_name_no_index(path: Path) -> None:
    """Every locked requirement has hashes, covers what the worker asks for, and names no address."""
    text = path.with_suffix(".lock").read_text("utf-8")
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all(line.endswith("\\") and "==" in line for line in pins)
    assert "://" not in text
    assert "--index" not in text
    locked = {line.partition("==")[0] for line in pins}
    wanted = {lock.distribution(line) for line in path.read_text("utf-8").splitlines() if lock.distribution(line)}
    assert wanted <= locked


def test_sdk_override_is_locked_once(tmp_path: Path) -> None:
    """Another pin gives a hashed lock of that pin in the state directory, and the same one ever after."""
    source = tmp_path / "requirements.in"
    source.write_text("# comment\nmsgpack==1.1.1\n")
    first = lock.replace_sdk(source, ("msgpack",), "msgpack==1.0.5", find(""), tmp_path / "state")
    text = first.read_text("utf-8")
    assert "msgpack==1.0.5" in text
    assert "--hash=sha256:" in text
    assert first.parent == tmp_path / "state" / "locks"
    assert lock.replace_sdk(source, ("msgpack",), "msgpack==1.0.5", find(""), tmp_path / "state") == first
