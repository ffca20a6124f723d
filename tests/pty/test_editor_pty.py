"""The operator's editor on a real pty: it has the terminal as it was, the console takes it back whole, signals too."""

from __future__ import annotations

import os
import sys
import termios
from pathlib import Path

import pytest

from .terminal import Terminal
from .test_console_pty import assert_restored

READY = "EDITOR IS HERE"


def editor(tmp_path: Path, body: str) -> dict[str, str]:
    path = tmp_path / "editor.py"
    head = f"import os, pathlib, sys, time\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
    path.write_text(f"{head}print({READY!r}, flush=True)\n{body}\n")
    return {"VISUAL": f"{sys.executable} {path}"}


def opened(terminal: Terminal) -> None:
    """Bring the item under the cursor (high risk, unread) into the editor."""
    terminal.wait_for("deps-bump")
    terminal.send("4")
    terminal.wait_for("IN DOUBT")
    terminal.send("j")
    terminal.wait_for("── A-29")
    terminal.wait_gone("not armed")
    terminal.wait_for(" armed ")
    while terminal.pump(0.5):
        pass
    terminal.send("e")
    terminal.wait_for(READY)


def test_an_editor_has_the_terminal_and_gives_it_back(tmp_path: Path) -> None:
    body = "line = sys.stdin.readline()\npathlib.Path(sys.argv[1]).write_text('')"
    with Terminal.console("busy", env=editor(tmp_path, body)) as terminal:
        before = terminal.lflags()
        opened(terminal)
        assert terminal.lflags() == before
        assert terminal.lflags() & termios.ECHO
        drawn = terminal.output.rindex(READY.encode())
        terminal.resize(100, 30)
        while terminal.pump(1.5):
            pass
        assert terminal.output[drawn + len(READY) :].strip() == b"", "nothing is drawn over the editor"
        terminal.send("\x03")  # ctrl+c is the editor's: it ends, the console does not
        terminal.wait_for("nothing was sent")
        assert terminal.lflags() & termios.ECHO == 0
        assert "A-29" in terminal.text
        terminal.wait_gone("not armed")
        terminal.send("q")
        assert terminal.wait_end() == 0
        assert_restored(terminal)
        assert terminal.lflags() == before


@pytest.mark.parametrize("deaf", [False, True])
def test_a_signal_while_it_is_open_ends_both_and_restores_once(tmp_path: Path, deaf: bool) -> None:
    body = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else ""
    body += "print('NOW', flush=True)\ntime.sleep(600)"
    with Terminal.console("busy", env=editor(tmp_path, body)) as terminal:
        opened(terminal)
        terminal.wait_for("NOW")
        assert terminal.output.count(b"\x1b[?1049l") == 1
        os.kill(terminal.pid, 15)
        assert terminal.wait_end() == 143
        assert terminal.output.count(b"\x1b[?1049l") == 1, "it was given back when the editor began"
        assert terminal.output.count(b"\x1b[23;0t") == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
