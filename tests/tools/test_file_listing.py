"""Directories and globs: sorted, capped with a count of the rest, bounded, links not followed, hidden things absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness_tui.domain.messages import ToolCall
from harness_tui.tools.files import listing
from harness_tui.tools.files.box import FileBox

from .plain_sandbox import Plain


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("src/app.py", "src/deep/er/x.py", "src/deep/y.txt", "README.md", ".env", "node_modules/m/i.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("12345")
    for path in (".git/config", "target/t.py", ".venv/v.py", "src/__pycache__/c.py", ".state/journal.db"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / "link").symlink_to("src")
    (tmp_path / "loop").symlink_to(".")
    return tmp_path


async def ask(root: Path, tool: str, **arguments: object) -> list[str]:
    box = FileBox(Plain(root, root / ".state"))
    outcome = await box.perform(ToolCall("c", tool, arguments))
    assert outcome.ok, outcome.text
    return outcome.text.split("\n")


async def test_a_directory_shows_kind_size_and_name(root: Path) -> None:
    os.mkfifo(root / "pipe")
    lines = await ask(root, "list_dir")
    assert lines[0] == ".: 10 entries"
    assert [line.split() for line in lines[1:]] == [
        ["file", "5", ".env"],
        ["dir", ".git/"],
        ["dir", ".venv/"],
        ["file", "5", "README.md"],
        ["link", "link"],
        ["link", "loop"],
        ["dir", "node_modules/"],
        ["other", "pipe"],
        ["dir", "src/"],
        ["dir", "target/"],
    ]
    assert (await ask(root, "list_dir", path="src/deep/er"))[1].split() == ["file", "5", "x.py"]


async def test_a_large_directory_is_capped_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(505):
        (tmp_path / f"f{number:04}").touch()
    listed = await ask(tmp_path, "list_dir")
    assert (len(listed), listed[-1]) == (502, "[5 more entries; use glob for a part of them]")
    found = await ask(tmp_path, "glob", pattern="f*")
    assert (found[0], found[-2], found[-1]) == ("f0000", "f0499", "[5 more matches; narrow the pattern]")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.py", ["src/app.py", "src/deep/er/x.py"]),
        ("src/*", ["src/__pycache__/", "src/app.py", "src/deep/"]),
        ("src/*.py", ["src/app.py"]),
        ("src/d**/**", ["src/deep/", "src/deep/er/", "src/deep/er/x.py", "src/deep/y.txt"]),
        ("*/*/y.tx?", ["src/deep/y.txt"]),
        ("[!s]*.md", ["README.md"]),
        ("./README.md", ["README.md"]),
        ("node_modules/**/*.py", ["node_modules/m/i.py"]),
        ("*.nothing", ["No path matches *.nothing."]),
        ("*.{py,md}", ["No path matches *.{py,md}; braces are not understood."]),
        ("l*/app.py", ["No path matches l*/app.py."]),
        ("**/*.db", ["No path matches **/*.db."]),
    ],
)
async def test_a_glob_finds_what_it_says(root: Path, pattern: str, found: list[str]) -> None:
    assert await ask(root, "glob", pattern=pattern) == found


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "~/*", "src/../../*", ".state/*", "file://*"])
async def test_a_glob_stays_inside(root: Path, pattern: str) -> None:
    box = FileBox(Plain(root, root / ".state"))
    weighed = await box.weigh(ToolCall("c", "glob", {"pattern": pattern}), "L1")
    assert weighed.refusal
    assert weighed.why == "jail"
    assert not (await box.perform(ToolCall("c", "glob", {"pattern": pattern}))).ok


async def test_a_walk_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 12)
    assert (await ask(root, "glob", pattern="**/*.py"))[-1] == "[stopped after 12 entries; begin further down]"


async def test_a_name_cannot_pass_for_more_lines(tmp_path: Path) -> None:
    (tmp_path / "a\nfile 9 b").touch()
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff\x1b[2J", os.O_CREAT | os.O_WRONLY))
    assert (await ask(tmp_path, "list_dir"))[1].endswith('"a\\nfile 9 b"')
    assert await ask(tmp_path, "glob", pattern="*") == ['"a\\nfile 9 b"', '"\\udcff\\u001b[2J"']


async def test_a_folder_that_cannot_be_read_is_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "src" / "deep" / "er" / "x.py").unlink()
    sandbox = Plain(root)
    scan = sandbox.files.scan

    def refused(path: str = "") -> object:
        if path == "./src/deep":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(sandbox.files, "scan", refused)
    outcome = await FileBox(sandbox).perform(ToolCall("c", "glob", {"pattern": "**/*.py"}))
    assert outcome.text == "src/app.py\n[1 folders could not be read]"
