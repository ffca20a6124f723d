"""The console on a real pty: what is drawn, how it ends, and that the terminal is given back whatever happens."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import termios
import time

import pytest

from .host import HOSTILE, SECRET
from .terminal import REPO, RESTORED, Terminal


def assert_restored(terminal: Terminal) -> None:
    tail = terminal.output[terminal.output.rindex(b"\x1b[?1049h") :]
    missing = [sequence for sequence in RESTORED if sequence not in tail]
    assert not missing, missing


def test_detach_restores_the_terminal_and_says_what_goes_on():
    with Terminal.console("busy") as terminal:
        before = terminal.lflags()
        terminal.wait_for("deps-bump")
        assert terminal.lflags() != before
        assert b"\x1b[?1000h" not in terminal.output, "the mouse is off by default"
        terminal.wait_for(b"\x1b]2;(2) harness-tui ~/site\x07")
        terminal.send("q")
        assert terminal.wait_end() == 0
        assert_restored(terminal)
        assert terminal.lflags() == before
        assert b"engine keeps running (4 runs, 2 approvals waiting)" in terminal.output


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)], ids=["TERM", "HUP", "INT"]
)
def test_a_signal_ends_it_and_restores_the_terminal(number, code):
    with Terminal.console("busy") as terminal:
        terminal.wait_for("deps-bump")
        terminal.signal(number)
        assert terminal.wait_end() == code
        assert_restored(terminal)


def test_a_terminal_that_goes_away_ends_it():
    with Terminal.console("busy") as terminal:
        terminal.wait_for("deps-bump")
        terminal.hang_up()
        assert terminal.wait_end(read=False) == 129


def test_end_of_input_ends_it_without_burning_a_core():
    """stdin is a second terminal that hangs up; the first, on stderr, is alive and gets its screen back."""
    import os
    import pty

    master, slave = pty.openpty()
    with Terminal("sh", "-c", f"exec {sys.executable} -m tests.pty.host busy < {os.ttyname(slave)}") as terminal:
        terminal.wait_for("deps-bump")
        os.close(slave)
        os.close(master)
        assert terminal.wait_end() == 129
        assert_restored(terminal)


def stall(terminal: Terminal) -> None:
    """Make it draw far more than a terminal buffers, and read none of it."""
    for number in range(30):
        terminal.resize(200 - number % 2, 60)
        time.sleep(0.03)


def test_a_stalled_terminal_does_not_hold_back_the_end():
    with Terminal.console("load", cols=200, rows=60) as terminal:
        terminal.wait_for("deps-bump")
        stall(terminal)
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_end(read=False) == 143
        while terminal.pump(0.1):
            pass
        assert_restored(terminal)


def test_a_stalled_terminal_is_told_so_when_it_reads_again_and_loses_nothing():
    with Terminal.console("load", cols=200, rows=60) as terminal:
        terminal.wait_for("deps-bump")
        stall(terminal)
        terminal.wait_for("LOAD DONE")
        terminal.send("q")
        assert terminal.wait_end() == 0


def test_a_crash_restores_the_terminal_and_prints_no_values(tmp_path):
    log = tmp_path / "console.log"
    with Terminal.console("crash", env={"CONSOLE_LOG": str(log)}) as terminal:
        terminal.wait_for("deps-bump")
        terminal.send("j")
        assert terminal.wait_end() == 70
        assert_restored(terminal)
        after = terminal.output[terminal.output.rindex(b"\x1b[?1004l") :].decode()
        assert "internal error (ValueError)" in after and str(log) in after
        assert "Traceback" not in after and "locals" not in after
        assert SECRET.encode() not in terminal.output
    logged = log.read_text()
    assert "host.py" in logged and SECRET not in logged


def test_an_engine_that_cannot_run_ends_it_with_its_own_sentence_and_code():
    with Terminal.console("refused") as terminal:
        assert terminal.wait_end() == 78
        assert b"The database is newer than this program. Install the newer version." in terminal.output


def test_an_engine_that_does_not_answer_is_retried_and_q_still_leaves():
    with Terminal.console("down") as terminal:
        terminal.wait_for(" lost ")
        terminal.send("q")
        assert terminal.wait_end() == 0


CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\x80-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|[\U000e0000-\U000e007f]"
)
OURS = re.compile(
    r"\x1b\[[0-9;]*[mH]|\x1b\[\?[0-9]+(?:[hl]|\$p)|\x1b\[<u|\x1b\[6n|\x1b\[2[23];0t|\x1b\]22;default\x07|\r\n|\x1b\]2;[^\x00-\x1f\x7f-\x9f]*\x07"
)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_no_untrusted_control_byte_reaches_the_terminal(size):
    with Terminal.console("hostile", cols=size[0], rows=size[1]) as terminal:
        terminal.wait_for("ask 1")
        for key in "1234567iw\x1b":
            terminal.send(key)
            for _ in range(4):
                terminal.pump()
        terminal.send("q")
        assert terminal.wait_end() == 0
        written = terminal.output.decode()  # strict: C1 bytes would not even decode
    left = OURS.sub("", written)
    assert CONTROL.findall(left) == []
    assert "\x1b" not in left, left[max(0, left.find("\x1b") - 40) :][:80]
    assert "\\x1b" in written and "\\u202e" in written, "what was hidden is shown"
    assert not any(hostile in written for hostile in HOSTILE[:6])


def test_a_storm_of_resizes_leaves_a_whole_screen():
    with Terminal.console("busy") as terminal:
        terminal.wait_for("deps-bump")
        for cols, rows in [(20, 6), (200, 60), (1, 1), (80, 24), (60, 16), (33, 9), (120, 40), (20, 6), (80, 24)] * 4:
            terminal.resize(cols, rows)
            terminal.pump(0.01)
        terminal.clear()
        terminal.send("\x0c")
        terminal.wait_for("q detach")
        assert "deps-bump" in terminal.text and "ask 2" in terminal.text
        terminal.send("q")
        assert terminal.wait_end() == 0


def test_load_loses_no_state_event():
    """20,000 events offered in two seconds, one in fifty of them state: every state event is counted."""
    with Terminal.console("load", cols=160, rows=50) as terminal:
        terminal.wait_for("LOAD DONE 400 state")
        terminal.send("q")
        assert terminal.wait_end() == 0


def test_a_lone_escape_is_a_key():
    with Terminal.console("busy") as terminal:
        terminal.wait_for("deps-bump")
        terminal.send("?")
        terminal.wait_gone("deps-bump")
        terminal.send("\x1b")
        terminal.wait_for("deps-bump")


@pytest.mark.parametrize("hidden", ["stdin", "stderr"])
def test_without_a_terminal_it_refuses_with_one_sentence(hidden):
    plain = {"stdin": subprocess.DEVNULL} if hidden == "stdin" else {"stdin": None}
    done = subprocess.run([sys.executable, "-m", "tests.pty.host"], cwd=REPO, capture_output=True, **plain)
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1 and "needs a terminal" in done.stderr.decode()


def test_a_dumb_terminal_is_refused():
    with Terminal.console("busy", env={"TERM": "dumb"}) as terminal:
        assert terminal.wait_end() == 2
        assert b"TERM=dumb" in terminal.output and b"\x1b" not in terminal.output


def test_no_color_draws_without_colour():
    with Terminal.console("busy", env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("deps-bump")
        terminal.send("6")
        for _ in range(20):
            terminal.pump()
        terminal.send("q")
        assert terminal.wait_end() == 0
        codes = {int(n) for group in re.findall(rb"\x1b\[([0-9;]+)m", terminal.output) for n in group.split(b";")}
        assert codes <= {0, 1, 2, 4, 7}, codes


def test_suspend_gives_the_terminal_back_and_takes_it_again():
    with Terminal("sh", "-c", f"set -m; {sys.executable} -m tests.pty.host busy; fg") as terminal:
        terminal.wait_for("deps-bump")
        before = terminal.output.count(b"\x1b[?1049h")
        terminal.send("\x1a")
        terminal.wait_for(b"\x1b[?1049l")
        until = time.monotonic() + 60
        while terminal.output.count(b"\x1b[?1049h") == before and time.monotonic() < until:
            terminal.pump()
        assert terminal.lflags() & termios.ECHO == 0
        terminal.wait_for("deps-bump")
        terminal.send("q")
        assert terminal.wait_end() == 0
        assert_restored(terminal)
