"""grep: matches with place and preview, within its limits; no pattern of a model can hang the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.domain.messages import ToolCall
from harness_tui.domain.seams import ToolOutcome
from harness_tui.tools.files import searching
from harness_tui.tools.files.box import FileBox

from .plain_sandbox import Plain


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in {
        "src/app.py": "import os\r\nprint('Grüße')\r\n",
        "src/b.txt": "import nothing\n",
        "node_modules/m.py": "import hidden\n",
        ".git/config": "import hidden\n",
        "top.py": "# import\nnone\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    (tmp_path / "data.bin").write_bytes(b"\0import\n")
    (tmp_path / "link.py").symlink_to("top.py")
    return tmp_path


async def grep(root: Path, pattern: str, **more: object) -> ToolOutcome:
    return await FileBox(Plain(root)).perform(ToolCall("c", "grep", {"pattern": pattern, **more}))


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({"pattern": "import"}, ["top.py:1:# import", "src/app.py:1:import os", "src/b.txt:1:import nothing"]),
        ({"pattern": "import", "include": "*.py"}, ["top.py:1:# import", "src/app.py:1:import os"]),
        ({"pattern": "import", "include": "src/**/*.py"}, ["src/app.py:1:import os"]),
        ({"pattern": "^import", "path": "src"}, ["src/app.py:1:import os", "src/b.txt:1:import nothing"]),
        ({"pattern": "os$", "path": "./src/app.py"}, ["src/app.py:1:import os"]),
        ({"pattern": "GRÜSSE|grüße", "ignore_case": True}, ["src/app.py:2:print('Grüße')"]),
        ({"pattern": "hidden", "path": "node_modules"}, ["node_modules/m.py:1:import hidden"]),
        ({"pattern": "hidden"}, ["No line matches in 3 text files."]),
        ({"pattern": "x", "path": "link.py"}, ["No line matches in 1 text file."]),
    ],
)
async def test_lines_that_match_are_found_where_they_are(
    root: Path, arguments: dict[str, object], lines: list[str]
) -> None:
    outcome = await FileBox(Plain(root)).perform(ToolCall("c", "grep", arguments))
    assert outcome == ToolOutcome(True, "\n".join(lines))


async def test_a_pattern_that_never_ends_is_stopped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PATIENCE", 1.0)
    (root / "evil").write_text("a" * 60 + "!")
    outcome = await grep(root, "(a+)+$", path="evil")
    assert not outcome.ok
    assert "more than 1 s" in outcome.text


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<x", "a{99999999999}", "\\"])
async def test_what_is_no_pattern_is_said(root: Path, pattern: str) -> None:
    outcome = await grep(root, pattern)
    assert not outcome.ok
    assert outcome.text.startswith("The pattern is no regular expression: ")


async def test_many_matches_stop_at_the_limit(root: Path) -> None:
    (root / "many").write_text("x\n" * 1000)
    lines = (await grep(root, "x", path="many")).text.split("\n")
    assert (len(lines), lines[199], lines[200]) == (
        201,
        "many:200:x",
        "[more matches follow; narrow the pattern or the path]",
    )
    (root / "wide").write_text(("x" + "é" * 400 + "\n") * 100)
    text = (await grep(root, "x", path="wide")).text
    assert len(text.encode()) < 17 * 1024
    assert text.endswith("narrow the pattern or the path]")


async def test_exactly_as_many_as_fit_are_all_there_are(root: Path) -> None:
    (root / "many").write_text("x\n" * searching.MATCHES)
    assert (await grep(root, "x", path="many")).text.endswith("many:200:x")


async def test_a_long_line_is_shown_around_its_match_and_between_characters(root: Path) -> None:
    (root / "long").write_text("é" * 5000 + "needle" + "\U0001f600" * 5000)
    line = (await grep(root, "needle", path="long")).text
    assert "needle" in line
    assert line.startswith("long:1:...é")
    assert line.endswith("\U0001f600...")
    assert len(line) < 320


def test_the_child_has_neither_our_variables_nor_our_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of the child itself, while it waits for a text."""
    monkeypatch.setenv("HARNESS_TUI_HOME", "/secret/place")
    with searching.Matcher("x", False) as matcher:
        process = Path(f"/proc/{matcher._child.pid}")
        assert b"HARNESS" not in (process / "environ").read_bytes()
        assert (process / "cwd").readlink() == Path("/")
        assert matcher.lines(b"a\nx\n") == [(2, "x")]
    assert not process.exists()


async def test_a_path_outside_is_refused_before_anything_is_searched(root: Path) -> None:
    box = FileBox(Plain(root))
    for path in ("..", "/etc", "~"):
        call = ToolCall("c", "grep", {"pattern": "x", "path": path})
        assert (await box.weigh(call, "L1")).why == "jail"
        assert not (await box.perform(call)).ok
