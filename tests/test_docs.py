"""docs/ says what the code does: names are compared both ways, tests named exist, examples run as printed."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from brokerbus_deploy.brokers import BUILT_IN
from brokerbus_deploy.cli import app as command_line
from brokerbus_deploy.config import ConfigError, load
from brokerbus_front.access import Access
from brokerbus_front.app import documented
from brokerbus_front.metrics import Metrics
from brokerbus_front.readiness import Readiness
from processes import BROKERBUS, ROOT, deployment, until

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def section(page: str, title: str) -> str:
    """The part of a page below a heading that begins with ``title``."""
    text = (DOCS / page).read_text("utf-8")
    found = re.search(rf"^## {re.escape(title)}.*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading {title}"
    return found[1]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the tables in a text, heads left out."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        ruled = number + 1 < len(lines) and lines[number + 1].startswith("|---")
        if line.startswith("| ") and not ruled:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# -- configuration ---------------------------------------------------------------------------------
FOR_TESTS = {"pace", "test_controls", "faults"}
"""Settings by which tests drive a worker; named below the table, and not for operation."""


def refused(path: Path, text: str) -> list[str]:
    """What `up` says of a configuration."""
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load(path)
    return raised.value.lines


def accepted(tmp_path: Path, table: str, broker: str = "paper") -> set[str]:
    """The keys of one table, as its refusal of an unknown one lists them."""
    unknown = "zzzzzzzzzzzz = 1\n"
    head = f'[instances.AnInstance123456]\nbroker = "{broker}"\n'
    text = head + unknown if table == "instances.AnInstance123456" else f"{head}[{table}]\n{unknown}"
    for line in refused(tmp_path / "brokerbus.toml", text):
        key, _, known = line.partition("known here: ")
        if key.startswith(f"{table}.zzzzzzzzzzzz: "):
            return set(known.split(", "))
    raise AssertionError(f"{table}: an unknown key is not refused")


def test_every_key_of_the_configuration_is_in_the_table(tmp_path: Path):
    """The keys that `up` takes and those of docs/operating.md are the same."""
    first, _second = re.split(r"\n\n`ID` is", section("operating.md", "Configuration"))
    told = {name for row in rows(first) for name in quoted(row[0])}
    taken = {f"{table}.{key}" for table in ("front", "bus") for key in accepted(tmp_path, table)}
    taken |= {f"instances.ID.{key}" for key in accepted(tmp_path, "instances.AnInstance123456")}
    assert told == taken


def test_every_setting_of_a_broker_is_in_the_table(tmp_path: Path):
    """The settings that `up` takes for each broker of this version and those of docs/operating.md are the same."""
    told: dict[str, set[str]] = {}
    brokers: list[str] = []
    second = section("operating.md", "Configuration").split("`ID` is")[1]
    for cells in rows(second):
        brokers = [name.strip() for name in cells[0].split(",")] if cells[0] else brokers
        for broker in brokers:
            told.setdefault(broker, set()).update(quoted(cells[1]))
    there = [name for name, broker in BUILT_IN.items() if broker.project]
    taken = {name: accepted(tmp_path, "instances.AnInstance123456.settings", name) for name in there}
    assert told == {name: settings - FOR_TESTS for name, settings in taken.items()}
    assert set(quoted(second)) >= FOR_TESTS


@pytest.mark.parametrize("page", [page for page in PAGES if "```toml\n[front]" in page.read_text("utf-8")], ids=str)
def test_every_example_of_a_configuration_is_one(page: Path, tmp_path: Path):
    """Each TOML block that is a whole configuration is accepted."""
    (tmp_path / "my-broker").mkdir()
    for text in re.findall(r"```toml\n(\[front\].*?)```", page.read_text("utf-8"), re.DOTALL):
        (tmp_path / "brokerbus.toml").write_text(text, "utf-8")
        load(tmp_path / "brokerbus.toml")


# -- command line ----------------------------------------------------------------------------------
def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command under its full name, as typer built it."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
    for child, found in (children or {}).items():
        yield from commands(found, f"{name} {child}".strip())


def options(command: Any) -> set[str]:
    """Every spelling of every option."""
    given = [one for one in command.params if one.param_type_name == "option"]
    return {text for one in given for text in (*one.opts, *one.secondary_opts)} - {"--help"}


def test_every_command_and_option_is_in_the_table():
    """The commands, their options and the options of the whole: as the command line has them."""
    root = typer.main.get_command(command_line)
    text = section("operating.md", "Commands")
    told = {}
    for first, given, _ in rows(text):
        (usage,) = quoted(first)
        name = " ".join(word for word in usage.split() if word.islower() and word.isalpha())
        told[name] = {word for one in quoted(f"{first} {given}") for word in one.split() if word.startswith("-")}
    assert told == {name: options(command) for name, command in commands(root)}
    assert options(root) <= {word for one in quoted(text.lstrip().split("\n\n")[0]) for word in one.split()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists(page: Path):
    """Console lines of the pages call commands that there are."""
    known = {name for name, _ in commands(typer.main.get_command(command_line))}
    for line in re.findall(r"^\$ (?:\.venv/bin/)?brokerbus (.*)$", page.read_text("utf-8"), re.MULTILINE):
        words = shlex.split(line.split("#")[0])
        words = words[2:] if words[0] == "-c" else words
        assert words[0] in known or " ".join(words[:2]) in known, line


# -- HTTP, metrics, limits -------------------------------------------------------------------------
def test_every_route_is_in_the_table():
    """The routes of /openapi.json, that document and /docs: the same in the table."""
    document = documented(Access([]), Readiness([]), Metrics([])).openapi()
    served = {f"{verb.upper()} {path}" for path, verbs in document["paths"].items() for verb in verbs}
    told = [name for row in rows(section("operating.md", "HTTP routes")) for name in quoted(row[0])]
    assert sorted(told) == sorted(served | {"GET /openapi.json", "GET /docs"})


def test_every_metric_is_in_the_table():
    """The metrics that the front makes itself, a counter's with its suffix."""
    source = (ROOT / "front" / "brokerbus_front" / "metrics.py").read_text("utf-8")
    made = re.findall(r'(Counter|Gauge|Histogram)MetricFamily\(\s*"(\w+)"', source)
    told = [name for row in rows(section("operating.md", "Metrics")) for name in quoted(row[0])]
    assert sorted(told) == sorted(name + ("_total" if kind == "Counter" else "") for kind, name in made)


UNITS = {"KiB": 1024, "MiB": 1024 * 1024, "s": 1, "": 1}


LIMITS = {"brokerbus.limits": "bus/brokerbus/limits.py", "brokerbus_front.limits": "front/brokerbus_front/limits.py"}


@pytest.mark.parametrize("module", LIMITS)
def test_the_limits_are_those_of_the_code(module: str):
    """Each limit that the page names has the value that the code has."""
    after = section("operating.md", "Limits").split(f"`{LIMITS[module]}`:")[1]
    told = list(rows(re.split(r"^`", after, maxsplit=1, flags=re.MULTILINE)[0]))
    assert len(told) > 5
    for name, value, _ in told:
        number, _, unit = value.partition(" ")
        assert getattr(importlib.import_module(module), name.strip("`")) == float(number.replace(",", "")) * UNITS[unit]


# -- other pages -----------------------------------------------------------------------------------
def test_every_defect_of_httptrading_is_told():
    """docs/migrating-from-httptrading.md has a row for each difference that the comparison with 1.0.8 excepts."""
    table = json.loads((ROOT / "tests" / "compatibility" / "defects.json").read_text("utf-8"))["excepted"]
    told = [(first, second) for first, second, *_ in rows(section("migrating-from-httptrading.md", "Where 1.0.8"))]
    assert told == [(f"{one['case']}: `{one['path']}`", f"{one['defect']}: {one['sentence']}") for one in table]


def test_every_test_that_is_named_exists():
    """Each promise names tests of the tree."""
    named = re.findall(r"`([\w/.]+\.py)::(\w+)`", (DOCS / "guarantees.md").read_text("utf-8"))
    assert len(named) > 30
    for path, name in named:
        source = (ROOT / path).read_text("utf-8")
        assert re.search(rf"^(?:(?:async )?def {name}\(|{name} = )", source, re.MULTILINE), f"{path}::{name}"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    """Links within the repository name a file that is there, and a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other), target


def test_every_page_is_linked():
    """From README or from another page one comes to each page."""
    linked = {Path(target).name for page in PAGES for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))}
    assert {page.name for page in DOCS.glob("*.md")} <= linked


# -- a broker of your own --------------------------------------------------------------------------
@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_a_broker_of_your_own_works_as_printed():
    """docs/adding-a-broker.md: its files are written, its commands run, and the one stock has its one price."""
    page = (DOCS / "adding-a-broker.md").read_text("utf-8")
    files = re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["my-broker/pyproject.toml", "my-broker/my_broker.py", "brokerbus.toml"]
    (console,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    with deployment("") as made:
        for name, text in files:
            (made.folder / name).parent.mkdir(exist_ok=True)
            (made.folder / name).write_text(_on(made.port, text), "utf-8")
        up, call, curl = (shlex.split(_on(made.port, line[2:])) for line in console.splitlines())
        _run(up, made.folder)
        assert json.loads(until(lambda: _run(call, made.folder), 20, "a quote"))["latest"] == 12.5
        answer = json.loads(_run([*curl, "-s", "--max-time", "10"], made.folder))
        assert (answer["ex"], answer["broker"], answer["quote"]["latest"]) == (None, "mine", 12.5)


def _on(port: int, text: str) -> str:
    """The same text with a port that is free."""
    return text.replace("8080", str(port))


def _run(words: list[str], folder: Path) -> str:
    """What a printed command says; `brokerbus` is the one of this checkout."""
    command = [*BROKERBUS, *words[1:]] if words[0] == "brokerbus" else words
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
