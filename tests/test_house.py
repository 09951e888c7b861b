"""The rules of the house, read from the sources: who imports whom, and what nobody may use."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from processes import ROOT

SDKS = {"futu", "moomoo", "ib_insync", "ib_async", "longport", "longbridge", "tigeropen"}
OURS = {"brokerbus", "brokerbus_front", "brokerbus_deploy", "brokerbus_paper", "brokerbus_futu"}
LEAVES = {"errors", "redact", "limits", "contract", "model", "__init__"}
"""Modules of the bus that import nothing of it but each other."""


def modules() -> list[Path]:
    """Every Python file of the product, tests apart."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, text=True)
    paths = [ROOT / line for line in listed.splitlines()]
    return [path for path in paths if "tests" not in path.relative_to(ROOT).parts and path.exists()]


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def test_no_folder_shadows_an_sdk():
    """No __init__.py in workers/ or in a folder of an SDK's name: `import futu` must find the SDK."""
    assert not [*ROOT.glob("workers/__init__.py"), *ROOT.glob("workers/*/__init__.py")]


def test_the_bus_imports_pyzmq_and_msgpack_alone():
    """The bus runs in every worker's virtualenv, so it depends on nothing else."""
    import sys

    allowed = sys.stdlib_module_names | {"zmq", "msgpack", "brokerbus", "pytest"}
    for path in modules():
        if path.is_relative_to(ROOT / "bus"):
            assert packages(path) <= allowed, path


def test_data_knows_no_sockets():
    """errors, redact, limits, contract and model import only each other; wire adds msgpack and knows no socket."""
    for path in (ROOT / "bus" / "brokerbus").glob("*.py"):
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("brokerbus.")}
        modules_of_bus = {item.stem for item in path.parent.glob("*.py")}
        if path.stem in LEAVES:
            assert ours & modules_of_bus <= LEAVES, path
        if path.stem in (*LEAVES, "wire", "broker", "methods", "engine"):
            assert "zmq" not in packages(path), path


def test_front_and_deploy_import_the_bus_and_no_worker():
    """The front and the deployment know workers by their sockets and files alone."""
    workers = {name for name in OURS if name not in ("brokerbus", "brokerbus_front", "brokerbus_deploy")}
    for path in modules():
        part = path.relative_to(ROOT).parts[0]
        if part in ("front", "deploy", "bus"):
            assert not packages(path) & (workers | SDKS), path
        if part == "front":
            assert "brokerbus_deploy" not in packages(path), path
        if part == "deploy":
            assert "brokerbus_front" not in packages(path), path


def test_an_sdk_is_imported_in_its_broker_module_alone():
    """One place per worker touches the SDK, so that everything else is tested without it."""
    for path in modules():
        if packages(path) & SDKS:
            assert path.name == "broker.py", path


@pytest.mark.parametrize("banned", ["pickle", "marshal", "shelve", "yaml"])
def test_banned_modules(banned):
    """Nothing that executes what it reads (S11)."""
    assert not [path for path in modules() if banned in packages(path)]


def test_banned_calls():
    """No eval, exec, os.system or shell=True anywhere (S11)."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                assert name not in ("eval", "exec"), f"{path}:{node.lineno}"
                shell = [word for word in node.keywords if word.arg == "shell"]
                assert not shell, f"{path}:{node.lineno}"


def test_every_module_opens_with_its_responsibility():
    """Each module's docstring begins with one sentence."""
    for path in modules():
        text = path.read_text("utf-8")
        if text.strip():
            docstring = ast.get_docstring(ast.parse(text))
            assert docstring, path
            assert docstring.split("\n\n")[0].rstrip().endswith((".", ":")), path
