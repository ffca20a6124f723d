"""What every test stands on: a home of its own with a short path, and one remedy for a missing part."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tui.config.paths import Paths

REMEDY = "harness-tui doctor --fix --for tests"

# A test never meets the operator's own keys, home, colours or terminal.
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY")
_PLACES = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_HOST", "OLLAMA_URL", "OLLAMA_API_KEY")
for _name in (*_KEYS, *_PLACES, "HARNESS_TUI_KEY_COMMAND", "NO_COLOR", "HARNESS_TUI_DEBUG"):
    os.environ.pop(_name, None)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """A home of one test; under the temporary directory itself, since a socket path has 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="htui-"))
    monkeypatch.setenv("HARNESS_TUI_HOME", str(folder))
    yield Paths(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def light_browser() -> Iterator[None]:
    """Chromium without its windows where it is installed: the same engine at half the cost of a start.

    For tests of pages and verdicts; what a user types (tests/cli, tests/ssh) runs the browser a user has.
    """
    shell = shutil.which("chromium-headless-shell")
    with pytest.MonkeyPatch.context() as patch:
        if shell and "HARNESS_TUI_BROWSER" not in os.environ:
            patch.setenv("HARNESS_TUI_BROWSER", shell)
        yield


@pytest.fixture(scope="session")
def program() -> object:
    """`program("tmux")`: where a program is; the test fails with the one remedy when it is missing."""

    def find(name: str) -> str:
        where = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
        if where is None:
            pytest.fail(f"{name} is not installed. Run: {REMEDY}", pytrace=False)
        return where

    return find
