"""The agent cannot approve itself: what a tool starts does not get in at the socket, and whoever is outside does."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import rmtree

import msgspec
import pytest

import harness_tui
from harness_tui.config.paths import Paths
from harness_tui.daemon import descent, spawn
from harness_tui.daemon.host import hosting
from harness_tui.sandbox import child, hidden, limits
from harness_tui.sandbox.base import Command
from harness_tui.sandbox.bubblewrap import Bubblewrap
from harness_tui.sandbox.none import NoSandbox
from tests.daemon.double import Double

PACKAGES = ":".join([str(Path(harness_tui.__file__).parents[1]), str(Path(msgspec.__file__).parents[1])])

# Tries to decide a request, plainly or from a daemon that its starter knows nothing about any more.
INTRUDER = """
import os, sys
sys.path += sys.argv[1].split(":")
from pathlib import Path
from harness_tui.domain.errors import HarnessError
from harness_tui.port import wire
from harness_tui.port.commands import Decide
from harness_tui.port.dial import Dial

def try_it():
    try:
        with Dial(Path(sys.argv[2]), timeout=60) as dial:
            print("in:", dial.ask(wire.Send, command=Decide("A-1", "0" * 12, "approved", "me")), flush=True)
    except HarnessError as error:
        print("out:", error, flush=True)

if sys.argv[3] == "plain":
    try_it()
    sys.exit()
orphaned, parent_lives = os.pipe()
tried, trying = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(parent_lives)
        os.read(orphaned, 1)
        try_it()
    os._exit(0)
os.close(parent_lives)
os.close(trying)
os.read(tried, 1)
"""


@pytest.fixture
def home() -> Iterator[Paths]:
    folder = Path(tempfile.mkdtemp(prefix="htui-"))
    yield Paths(folder)
    rmtree(folder, ignore_errors=True)


@pytest.fixture
async def engine(home: Paths) -> AsyncIterator[Double]:
    async with hosting(home, lambda: Double.open(home)) as hosted:
        yield hosted


def intruder(home: Paths, way: str) -> Command:
    words = (sys.executable, "-I", "-c", INTRUDER, PACKAGES, str(home.socket), way)
    return Command(words, sys.executable, deadline=60)


@pytest.mark.parametrize("way", ["plain", "daemon"])
async def test_a_child_of_a_tool_decides_nothing(home: Paths, engine: Double, tmp_path: Path, way: str) -> None:
    sandbox = NoSandbox(tmp_path, scratch=tmp_path / "scratch")
    done = await sandbox.run(intruder(home, way))
    assert done.output.startswith("out: This engine does not answer pid ")
    assert "started by a tool of this engine" in done.output
    assert engine.commands == []


async def test_a_sandboxed_child_does_not_even_find_the_socket(home: Paths, engine: Double, tmp_path: Path) -> None:
    for workspace in (tmp_path, home.home.parent):
        sandbox = Bubblewrap(workspace.resolve(), hidden=hidden.paths([home.home]))
        done = await sandbox.run(Command(("sh", "-c", f"ls -A {home.home}; stat {home.socket}"), "/bin/sh"))
        assert "engine.sock" not in done.output.replace(f"'{home.socket}'", "")
        assert "No such file" in done.output
        assert done.code == 1


@pytest.fixture
def outside(home: Paths) -> Iterator[Paths]:
    """An engine that is none of our parents."""
    double = Path(__file__).parents[1] / "daemon" / "double.py"
    spawn.start_detached(home, argv=(sys.executable, str(double), str(home.home)), timeout=60)
    yield home
    spawn.stop_running(home)


def dialled(home: Paths, **options: object) -> str:
    words = intruder(home, "daemon").argv[1:]
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60, **options).stdout  # type: ignore[call-overload, no-any-return]


def test_a_process_from_outside_gets_in(outside: Paths) -> None:
    assert spawn.alive(outside)
    assert dialled(outside).startswith("in: Reply(")


def test_who_bears_the_mark_of_a_tool_does_not_get_in_from_anywhere(outside: Paths) -> None:
    """As one whose nanny was killed: nothing leads from it to the engine any more."""

    def mark() -> None:
        resource.setrlimit(limits.MARK, (limits.MARK_MICROSECONDS, limits.MARK_MICROSECONDS))

    assert "started by a tool" in dialled(outside, preexec_fn=mark)


async def test_children_bear_the_mark(tmp_path: Path) -> None:
    env = child.clean(tmp_path, tmp_path)
    done = await child.run(
        ["sh", "-c", "grep 'Max realtime timeout' /proc/self/limits"],
        executable="/bin/sh",
        cwd=tmp_path,
        env=env,
        deadline=60,
    )
    assert done.output.split()[3:5] == [str(limits.MARK_MICROSECONDS)] * 2


def test_what_cannot_be_seen_for_sure_does_not_get_in() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert descent.refusal(gone.pid)
    assert descent.refusal(0)
    assert descent.refusal(os.getpid()) == ""
