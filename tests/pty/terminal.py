"""A terminal for tests: forks a program on a pty, answers what a terminal answers, interprets the screen with pyte."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pyte

REPO = Path(__file__).resolve().parents[2]
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l", b"\x1b[?1004l")


class Terminal:
    """A program on a pty of its own.

    Args:
        answers: reply to `CSI 6n`, as every terminal does.
    """

    def __init__(
        self, *command: str, cols: int = 80, rows: int = 24, env: dict[str, str] | None = None, answers: bool = True
    ) -> None:
        self.output = b""
        self._screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._answers = answers
        self.status: int | None = None
        self.began = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "SSH_CONNECTION", "TMUX")}
            given = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(REPO)}
            os.chdir(REPO)
            os.execvpe(command[0], list(command), {**kept, **given, **(env or {})})

    @classmethod
    def console(cls, scenario: str, **options: object) -> Terminal:
        return cls(sys.executable, "-m", "tests.pty.host", scenario, **options)  # type: ignore[arg-type]

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.hang_up()

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def resize(self, cols: int, rows: int) -> None:
        self._screen.resize(rows, cols)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, data: bytes | str) -> None:
        os.write(self.fd, data.encode() if isinstance(data, str) else data)

    def pump(self, seconds: float = 0.05) -> bytes:
        """Read what comes within `seconds`; returns it as well."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return b""
        self.output += data
        # pyte draws the title stack's CSI t as text; no terminal does
        self._stream.feed(re.sub(rb"\x1b\[2[23];0t|\x1b\[\?\d+\$p", b"", data))
        if self._answers:
            for _ in range(data.count(b"\x1b[6n")):
                self.send(b"\x1b[1;1R")
        return data

    def wait_for(self, found: str | bytes, bound: float = 60.0) -> None:
        """Until the screen shows the text (str) or the bytes came; fails with the screen when they do not."""
        until = time.monotonic() + bound
        while time.monotonic() < until:
            if (found in self.text) if isinstance(found, str) else (found in self.output):
                return
            self.pump()
            self._reap()
        raise AssertionError(f"{found!r} never came; status {self.status}; the screen:\n{self.text}")

    def wait_gone(self, text: str, bound: float = 60.0) -> None:
        """Until the screen no longer shows the text."""
        until = time.monotonic() + bound
        while text in self.text:
            assert time.monotonic() < until, self.text
            self.pump()

    def clear(self) -> None:
        """Read what is under way, then forget the picture, as a terminal whose screen was garbled."""
        while self.pump(0.3):
            pass
        self._screen.reset()

    def wait_end(self, bound: float = 60.0, *, read: bool = True) -> int:
        """Until the program ends; its exit code (128 + n for a signal that killed it). Fails when it lives on."""
        until = time.monotonic() + bound
        while time.monotonic() < until:
            self._reap()
            if self.status is not None:
                while read and self.pump(0.02):
                    pass
                return self.status
            if read:
                self.pump(0.02)
            else:
                time.sleep(0.02)
        raise AssertionError(f"the program did not end; the screen:\n{self.text}")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal, as a cut connection does."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def lflags(self) -> int:
        return int(termios.tcgetattr(self.fd)[3])

    def _reap(self) -> None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
