"""The terminal around the console: may we start, what was it like before, and how it is given back whatever happens."""

from __future__ import annotations

import base64
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from ..domain.errors import UsageError
from ..domain.safetext import safe

RESTORE = "\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[?7h\x1b[0m\x1b[23;0t\x1b[?1049l\x1b[?25h"
"""Mouse, paste and focus reports off, wrap on, the title of before, the main screen, a visible cursor."""

TITLE_PUSH, TITLE_POP = "\x1b[22;0t", "\x1b[23;0t"
ASK_CURSOR = "\x1b[6n"
MODES = "\x1b[?1049h\x1b[?25l\x1b[?1004h\x1b[?2004h\x1b[?7l"
"""What the driver asserted at the start; sent again by a repaint."""

MAX_COPY = 8 * 1024
PATIENCE = 1.5
"""Seconds the orderly way out may take before the last rites."""

FLUSHES = 30
"""Tries to get a word in before a stuck write, 10 ms apart."""


def require_terminal(environ: Mapping[str, str]) -> None:
    """Raise UsageError unless keys can be read from and pictures drawn on a terminal."""
    if not (sys.stdin and sys.stderr and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "The console needs a terminal on stdin and stderr.",
            "Without one: harness-tui runs list, harness-tui approvals list.",
        )
    if environ.get("TERM", "") in ("", "dumb"):
        raise UsageError(
            "The console cannot draw on a terminal that says TERM=dumb.", "Set TERM, for example TERM=xterm-256color."
        )


def true_colour(environ: Mapping[str, str]) -> bool:
    return environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or environ.get("TERM", "").endswith("-direct")


def choose_theme(environ: Mapping[str, str], wanted: str = "") -> str:
    """The theme to start with: what was asked for, mono under NO_COLOR, dark with 24-bit colour, else ansi."""
    if wanted:
        return wanted
    if environ.get("NO_COLOR"):
        return "mono"
    return "dark" if true_colour(environ) else "ansi"


def speaks_unicode(environ: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal draws UTF-8."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf8" in locale.lower().replace("-", "")


def set_title(text: str) -> str:
    """OSC 2 for a title of any origin."""
    return f"\x1b]2;{safe(text)[:200]}\x07"


def set_clipboard(text: str) -> tuple[str, int]:
    """(OSC 52 sequence, characters in it) for text of any origin: made safe, at most 8 KB."""
    body = safe(text, newlines=True).encode()[:MAX_COPY].decode(errors="ignore")
    return f"\x1b]52;c;{base64.b64encode(body.encode()).decode()}\x07", len(body)


class LastRites:
    """Gives the terminal back by hand and ends the process when the orderly way out hangs on a stalled terminal."""

    def __init__(self, exit: Callable[[int], object] = os._exit, patience: float = PATIENCE) -> None:
        self._exit = exit
        self._patience = patience
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._attributes = _attributes()

    def arm(self, code: int) -> None:
        """From now on the console has `patience` seconds to end. Only the first call counts."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._wait, args=(code,), name="last-rites", daemon=True)
            self._thread.start()

    def stand_down(self) -> None:
        """The terminal was restored in order."""
        self._over.set()

    def _wait(self, code: int) -> None:
        if not self._over.wait(self._patience):
            self.perform()
            self._exit(code)

    def perform(self) -> None:
        """Throw away what the terminal did not take, restore it, never block."""
        try:
            tty = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            null = os.open(os.devnull, os.O_WRONLY)
        except OSError:
            return
        os.dup2(null, 2)  # what the drawing thread still holds goes nowhere; only the write it is stuck in remains
        for _ in range(FLUSHES):
            if _given_back(tty, self._attributes):
                break
            time.sleep(0.01)
        os.close(tty)


def _given_back(tty: int, attributes: list[Any] | None) -> bool:
    """Flush and restore without blocking; False while another write holds the terminal (it gets room by the flush)."""
    try:
        termios.tcflush(tty, termios.TCOFLUSH)
        if attributes is not None:
            termios.tcsetattr(tty, termios.TCSANOW, attributes)
        os.write(tty, RESTORE.encode())
    except BlockingIOError:
        return False
    except (OSError, termios.error):
        pass  # the terminal is gone: nothing is left to restore
    return True


def _attributes() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


class Signals:
    """SIGHUP, SIGTERM and SIGINT end the console with 128 + n.

    Set with `signal.signal`, because a handler of the event loop never runs while the loop is blocked.
    """

    CAUGHT = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

    def __init__(self, leave: Callable[[int], None]) -> None:
        self._leave = leave
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._caught) for number in self.CAUGHT}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self._leave(128 + number)
