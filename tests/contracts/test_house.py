"""The house is kept: sizes, docstrings, and nothing of any machine or registry in it."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from .readme import ROOT

TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
TEXTS = [path for path in TRACKED if path.suffix in (".py", ".md", ".toml", ".svg", ".yml", "") and path.is_file()]
TOP = {"pyproject.toml", "harness_tui", "themes", "tests", "README.md", "CHANGELOG.md", "LICENSE"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_top_level_is_what_the_plan_says() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in TRACKED}
    assert {part for part in found if not part.startswith(".")} <= TOP


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_file_fits_the_mind_and_says_what_it_is_for(path: Path) -> None:
    source = path.read_text("utf-8")
    assert source.count("\n") <= 400
    assert not source or ast.get_docstring(ast.parse(source)), "a module says in its docstring what it is for"


def test_no_path_of_a_machine_and_no_registry_is_written_down() -> None:
    machine = re.compile(r"/work/|/root/|/Users/")
    registry = re.compile(r"pypi\.org|files\.pythonhosted|registry\.npmjs|index-url|pypi-mirror|artifactory")
    for path in TEXTS:
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8")
        assert not (found := machine.search(text)), f"{name(path)}: {found[0]}"
        assert not (found := registry.search(text)), f"{name(path)}: {found[0]}"


def test_nobody_is_told_to_install_the_other_project() -> None:
    wrong = re.compile(r"pip\s+install\s+(-\S+\s+)*['\"]?harness[-_]tui")
    for path in TEXTS:
        if path != Path(__file__):
            assert not wrong.search(path.read_text("utf-8")), name(path)


def test_no_room_is_called_after_nothing() -> None:
    vague = {"utils", "helpers", "manager", "misc", "common", "util"}
    assert not [name(path) for path in PYTHON if vague & {part.removesuffix(".py") for part in path.parts}]


def test_no_two_tests_share_a_file_name() -> None:
    names = [path.name for path in PYTHON if path.name.startswith("test_")]
    assert len(names) == len(set(names))
