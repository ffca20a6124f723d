"""`tools list` from a shell: every tool with its levels and its origin; a plug-in that is missing says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.domain.task import BUILT_IN_TOOLS

from .program import PATIENCE, run

pytestmark = pytest.mark.timeout(3 * PATIENCE)
JSON = ("--output-format", "json")
NOTES = """
from harness_tui.tools.tool import tool

@tool(risk="idempotent", deadline=5)
def save_note(text: str) -> str:
    "Save a note."
    open("ran", "w").close()
    return text
"""


def rows(home: Paths, workspace: Path) -> dict[str, Any]:
    done = run(home, "tools", "list", "--workspace", str(workspace), *JSON)
    assert done.code == 0, done.err
    return {row["name"] or row["from"]: row for row in done.json}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    tools = tmp_path / "w" / ".harness-tui" / "tools"
    tools.mkdir(parents=True)
    (tools / "notes.py").write_text(NOTES)
    (tools / "broken.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n1/0")
    return tmp_path / "w"


def test_built_in_tools_say_what_they_may_at_each_level(home: Paths, tmp_path: Path) -> None:
    nowhere = Paths(home.home / "none")
    found = rows(nowhere, tmp_path)
    assert list(found)[: len(BUILT_IN_TOOLS)] == list(BUILT_IN_TOOLS)
    assert all(found[name]["from"] == "built-in" and found[name]["available"] for name in BUILT_IN_TOOLS)
    assert found["read_file"]["levels"] == {"L1": "acts", "L2": "acts", "L3": "acts"}
    assert found["write_file"]["levels"] == {"L1": "cannot", "L2": "asks", "L3": "by rule"}
    assert found["browser_click"]["risk"] == "destructive"
    assert found["shell_exec"]["deadline"] > 0
    assert not nowhere.home.exists()
    text = run(nowhere, "tools", "list", "--workspace", str(tmp_path)).out.splitlines()
    assert text[0].split() == ["NAME", "RISK", "L1", "L2", "L3", "DEADLINE", "FROM"]
    assert len(text) == len(BUILT_IN_TOOLS) + 1


def test_plugins_of_a_workspace_are_there_once_it_is_trusted_as_it_is(
    home: Paths, workspace: Path, tmp_path: Path
) -> None:
    notes, broken = ".harness-tui/tools/notes.py", ".harness-tui/tools/broken.py"
    before = rows(home, workspace)
    assert "save_note" not in before
    assert f"harness-tui policy trust {workspace}" in before[notes]["why_not"]
    assert not (tmp_path / "executed").exists(), "nothing of it is run before it is trusted"
    asked = run(home, "policy", "check", "--tool", "save_note", "--workspace", str(workspace), *JSON)
    assert asked.code == 2
    assert run(home, "engine", "start").code == 0
    try:
        assert run(home, "policy", "trust", str(workspace)).code == 0
    finally:
        run(home, "engine", "stop", "--now")
    after = rows(home, workspace)
    assert (after["save_note"]["from"], after["save_note"]["deadline"]) == (notes, 5)
    assert after["save_note"]["levels"]["L1"] == "cannot"
    assert after[broken]["why_not"] == "ZeroDivisionError: division by zero"
    words = ("--tool", "save_note", "--args", '{"text": "x"}', "--workspace", str(workspace))
    assert run(home, "policy", "check", *words, *JSON).json["decision"] == "allow"
    assert not (workspace / "ran").exists()
    (workspace / notes).write_text(NOTES + "\n# changed")
    assert "save_note" not in rows(home, workspace)
