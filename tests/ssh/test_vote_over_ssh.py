"""The main job as its user does it: into a server by ssh, from a tmux of 80x24, and every way to leave again.

One demo serves all tests of this file: the first one votes, the others come back to the engine it left running.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from .way_in import PATIENCE, Sshd, Window, wait

PROMPT = "remote>"
NOWHERE = (False, False, False)


class Operator:
    """A person at a tmux, logged in to the server where the engine is."""

    def __init__(self, folder: Path, sshd: Sshd, window: Window) -> None:
        self.folder, self.sshd, self.window = folder, sshd, window
        self._environment = {
            "HARNESS_TUI_HOME": str(folder / "home"),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LC_ALL": "C.UTF-8",
            "COLORTERM": "truecolor",
            "PS1": PROMPT,
        }

    def log_in(self) -> None:
        self.window.enter("clear; " + " ".join((*self.sshd.argv("-t"), self._remote("exec sh -i"))))
        self.window.sees(f"(?m)^{PROMPT}$")
        self.window.enter("clear; cd /; stty -a > ~before; tty".replace("~before", str(self.folder / "before")))
        self.window.sees("(?m)^/dev/pts/")

    def _remote(self, command: str) -> str:
        return "'" + " ".join(f'{name}="{value}"' for name, value in self._environment.items()) + f" {command}'"

    def attach(self, verb: str = "") -> psutil.Process:
        """Type it at the shell; the console's process, once it has drawn something."""
        note = self.folder / "pid"
        note.unlink(missing_ok=True)
        self.window.enter(f"clear; sh -c 'echo $$ > {note}; exec harness-tui {verb}'; echo code=$?")
        self.window.sees("2 Runs")
        return psutil.Process(int(note.read_text()))

    def shell(self, *words: str) -> Any:
        """One JSON verb from a second connection, without a terminal."""
        verb = self._remote(f"harness-tui {' '.join(words)} --output-format json")[1:-1]
        argv = [*self.sshd.argv("-T"), verb]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        return json.loads(done.stdout)

    def assert_back_at_the_shell(self) -> None:
        """Main screen, visible cursor, no mouse, and the line discipline as it was before."""
        assert self.window.drawn_over == NOWHERE
        after = self.folder / "after"
        after.unlink(missing_ok=True)
        self.window.enter(f"stty -a > {after} && echo written")
        self.window.sees("(?m)^written")
        assert after.read_text() == (self.folder / "before").read_text()


@pytest.fixture(scope="module")
def operator(program: Callable[[str], str]) -> Iterator[Operator]:
    folder = Path(tempfile.mkdtemp(prefix="htui-"))
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        sshd = Sshd(folder / "sshd", program)
        undo.callback(sshd.close)
        window = Window(folder, program, ["sh"])
        undo.callback(window.close)
        operator = Operator(folder, sshd, window)
        undo.callback(operator.shell, "engine", "stop", "--now")
        operator.log_in()
        yield operator


def test_the_vote_is_decided_by_key_verified_and_left_behind(operator: Operator) -> None:
    window = operator.window
    operator.attach("demo")
    home = window.sees(r" ask 1 ")
    assert window.drawn_over == (True, True, False)
    assert "Upvote the first s" in home
    assert "waits for A-1" in home
    window.press("4")
    card = window.sees(r"(?m)^ armed .*a a .*approve")
    assert 'a "upvote", story' in card, "what is clicked, in words"
    assert "GET http://127.0.0.1:" in card, "what is sent"
    assert "cannot be undone" in card
    window.press("a")
    window.sees("press a again within 3 s")
    time.sleep(0.3)  # a person's pause; two presses in one breath do not count
    window.press("a")
    window.sees(r"A-1 approved|decided by \d+@pts/\d+")
    window.press("2")
    end = window.sees(r"r1 .* done ")
    assert "ask 0" in end
    window.sees("verified: ")
    window.press("q")
    left = window.sees(r"code=0")
    assert "engine keeps running (0 runs, 0 approvals waiting); harness-tui attaches again" in left
    operator.assert_back_at_the_shell()
    run = operator.shell("runs", "show", "r1")
    assert (run["verified"], run["exit"], run["claim"]) == (True, 0, "I upvoted the first story.")


def test_a_larger_window_shows_four_panes_of_the_same_run(operator: Operator) -> None:
    window = operator.window
    window.resize(120, 40)
    operator.attach()
    seen = window.sees("verified: ")
    for title in ("─ 2 Runs ─", "─ 1 Trace ─", "─ 4 Approvals ─", "─ 5 Budgets ─", "─ 7 Loops ─"):
        assert title in seen
    window.resize(80, 24)
    window.press("q")
    window.sees("code=0")
    operator.assert_back_at_the_shell()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)], ids=["HUP", "TERM"])
def test_a_signal_ends_the_console_alone(operator: Operator, number: signal.Signals, code: int) -> None:
    before = operator.shell("engine", "status")
    console = operator.attach()
    operator.window.sees("r1 .* done ")
    console.send_signal(number)
    operator.window.sees(f"code={code}")
    operator.assert_back_at_the_shell()
    assert operator.shell("engine", "status")["pid"] == before["pid"]


def test_a_cut_connection_ends_the_console_and_not_the_engine(operator: Operator) -> None:
    before = operator.shell("engine", "status")
    console = operator.attach()
    operator.window.sees("r1 .* done ")
    operator.sshd.cut()
    wait(lambda: not console.is_running(), lambda: "the console outlived its terminal")
    after = operator.shell("engine", "status")
    assert (after["running"], after["pid"]) == (True, before["pid"])
    operator.window.enter("stty sane; reset")  # what a person does to the near terminal, which nobody could restore
    operator.log_in()


def test_stopping_the_engine_is_seen_by_the_console_and_leaving_it_is_still_orderly(operator: Operator) -> None:
    operator.attach()
    operator.window.sees("r1 .* done ")
    engine = psutil.Process(operator.shell("engine", "status")["pid"])
    assert operator.shell("engine", "stop")
    wait(lambda: not engine.is_running(), lambda: "the engine did not stop")
    operator.window.sees("(?m)^ lost ")
    operator.window.press("q")
    left = operator.window.sees("code=0")
    assert "no link to the engine" in left
    operator.assert_back_at_the_shell()
