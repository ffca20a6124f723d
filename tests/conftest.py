"""What every test stands on: a home of its own with a short path, and one remedy for a missing part."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness_tui.config.paths import Paths

REMEDY = "harness-tui doctor --fix --for tests"

# A test never meets the operator's own keys, home, colours or terminal.
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY")
_PLACES = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_HOST", "OLLAMA_URL", "OLLAMA_API_KEY")
# What runs tests in several processes sets these, and programs believe them before their terminal.
_SIZE = ("COLUMNS", "LINES")
for _name in (*_KEYS, *_PLACES, "HARNESS_TUI_KEY_COMMAND", "NO_COLOR", "HARNESS_TUI_DEBUG", *_SIZE):
    os.environ.pop(_name, None)

# Hundreds of programs are started: none is to compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A slow machine is no failure: how long an example takes says nothing. (The rest stays, as does what CI=true sets.)
settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Rooms whose tests take longest, the longest first.
_LONG = ("e2e", "cli", "browser", "ssh", "pty", "vault", "demo", "crash", "sandbox", "shell", "daemon", "journal")


def pytest_configure(config: pytest.Config) -> None:
    """Files are handed to the processes of `-n` in our order, not those with the most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes long files go first, so that none of them is alone at the end."""
    if hasattr(config, "workerinput"):
        rank = {room: number for number, room in enumerate(_LONG)}
        items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


# Seconds the product gives what is local and prompt; here a loaded machine may need more. A test that is about one of
# these bounds sets its own.
_BOUNDS = (
    "harness_tui.engine.services.READY_TIMEOUT",
    "harness_tui.models.choice.PROBE",
    "harness_tui.models.failures.CONNECT_TIMEOUT",
    "harness_tui.models.openai.ollama.ASK_TIMEOUT",
    "harness_tui.tools.files.searching.PATIENCE",
)


@pytest.fixture(autouse=True, scope="session")
def _unhurried() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for bound in _BOUNDS:
            patch.setattr(bound, 60.0)
        yield


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """A home of one test; under the temporary directory itself, since a socket path has 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="htui-"))
    monkeypatch.setenv("HARNESS_TUI_HOME", str(folder))
    yield Paths(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def light_browser() -> Iterator[None]:
    """Chromium without its windows where it is installed: the same engine at half the cost of a start.

    For tests of pages, verdicts and verbs; the browser a user has is run by tests/ssh, by one demo of tests/cli and by
    what is killed and hung in tests/browser.
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
