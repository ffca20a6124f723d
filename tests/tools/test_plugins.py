"""Plug-ins: found, named, refused where they clash or break; a workspace's own only as the bytes that were trusted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tui.tools.plugins import Found, installed, is_plugin, of_project, together

NOTES = b"""
from __future__ import annotations
from dataclasses import dataclass
from harness_tui.tools.tool import tool

@dataclass
class Note:
    text: str

@tool(risk="idempotent")
def save_note(note: Note) -> str:
    "Save a note."
    return note.text

@tool(risk="read_only")
def read_note(name: str) -> str:
    return name
"""


def folder(**files: bytes) -> dict[str, bytes]:
    return {f".harness-tui/tools/{name}.py": source for name, source in files.items()}


def names(found: Found) -> list[str]:
    return [each.tool.spec.name for each in found.tools]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of installed packages: `write` one with its entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def install(packages: Path, name: str, source: bytes, *entries: str) -> None:
    (packages / f"{name}.py").write_bytes(source)
    about = packages / f"{name}-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[harness_tui.tools]\n" + "\n".join(entries))


def test_an_entry_point_is_a_tool_several_or_a_module(packages: Path) -> None:
    source = NOTES.replace(b"_note", b"_memo")
    install(packages, "memos", source + b"\nsome = [read_memo, save_memo]", "one = memos:read_memo", "two = memos")
    found = installed()
    assert sorted(names(found)) == ["read_memo", "save_memo"]
    assert {each.origin for each in found.tools} == {"entry point one (memos 1.2)", "entry point two (memos 1.2)"}
    assert [problem.text for problem in found.problems] == [
        '"read_memo" is there already, from entry point one (memos 1.2)'
    ]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"1/0", "ZeroDivisionError: division by zero"),
        (b"raise SystemExit(3)", "SystemExit: 3"),
        (b"import nowhere_at_all", "No module named 'nowhere_at_all'"),
        (b"x = 1", "it holds no tool"),
        (b"def (", "SyntaxError"),
        (b"x = '\xff'", "SyntaxError"),
        (NOTES.replace(b"str) -> str", b"bytes) -> str"), "read_note cannot be a tool: JSON has no bytes"),
        (NOTES.replace(b"read_note", b"read_file"), '"read_file" is the name of a built-in tool'),
    ],
)
def test_a_broken_plugin_is_a_problem_and_nothing_else(packages: Path, source: bytes, said: str) -> None:
    for found in (of_project(folder(broken=source, notes=NOTES.replace(b"save_note", b"keep"))),):
        assert "keep" in names(found)
        (problem,) = [each for each in found.problems if each.origin == ".harness-tui/tools/broken.py"][:1]
        assert said in problem.text
    install(packages, "broken", source, "broken = broken", "bad = broken:missing")
    assert {each.origin for each in installed().problems} >= {"entry point bad (broken 1.2)"}


def test_what_an_entry_point_loads_to_must_be_tools(packages: Path) -> None:
    install(packages, "odd", b"some = [1]\nnothing = 5", "a = odd:some", "b = odd:nothing")
    assert [problem.text for problem in installed().problems] == [
        "It must load to tools, not to int.",
        "TypeError: 'int' object is not iterable",
    ]


def test_a_workspace_has_tools_with_types_of_their_own() -> None:
    found = of_project(folder(notes=NOTES))
    assert names(found) == ["save_note", "read_note"]
    assert found.problems == ()
    assert found.tools[0].origin == ".harness-tui/tools/notes.py"
    assert found.tools[0].tool.call({"note": {"text": "x"}}) == "x"
    assert of_project(folder(notes=NOTES)).tools[0].tool is found.tools[0].tool, "run once"
    other = of_project(folder(notes=NOTES.replace(b"return name", b"return name * 2")))
    assert other.tools[1].tool.call({"name": "a"}) == "aa"


def test_only_the_given_bytes_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".harness-tui" / "tools" / "notes.py"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"raise RuntimeError('read again')")
    (path.parent / "sibling.py").write_bytes(b"x = 1")
    assert names(of_project(folder(notes=NOTES))) == ["save_note", "read_note"]
    assert of_project(folder(more=b"import sibling")).problems[0].text.endswith("No module named 'sibling'")


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        (".harness-tui/tools/a.py", True),
        (".harness-tui/tools/_a.py", False),
        (".harness-tui/tools/deep/a.py", False),
        (".harness-tui/tools/a.pyc", False),
        (".harness-tui/hooks/a.py", False),
        ("tools/a.py", False),
    ],
)
def test_which_files_are_plugins(path: str, is_one: bool) -> None:
    assert is_plugin(path) is is_one
    assert bool(of_project({path: NOTES}).tools) is is_one


def test_of_two_tools_with_one_name_the_first_stays() -> None:
    both = of_project(folder(a=NOTES, b=NOTES))
    assert [each.origin for each in both.tools] == [".harness-tui/tools/a.py"] * 2
    assert len(both.problems) == 2
    assert together(both, both).tools == both.tools
