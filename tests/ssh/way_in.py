"""How an operator comes in: a real sshd on loopback with keys of its own, and a real tmux with a shell in it."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PATIENCE = 60.0
"""Seconds anything may take on a loaded machine; a bound, never a measure."""


def wait(what: Callable[[], object], told: Callable[[], str]) -> None:
    """Until `what()` holds; fails with `told()` when it never does."""
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, told()
        time.sleep(0.05)


class Sshd:
    """A server for this user, who comes in by key only.

    Args:
        folder: gets keys, config and log; must not be there before.
        program: finds a program or fails with its remedy.
    """

    def __init__(self, folder: Path, program: Callable[[str], str]) -> None:
        folder.mkdir(mode=0o700)
        for key in ("host", "user"):
            subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where the unprivileged half of a root's sshd lives
        config = folder / "config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
            "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\nPrintMotd no\nLogLevel ERROR\n"
        )
        self._folder, self._ssh, self._log = folder, program("ssh"), folder / "log"
        self._server = subprocess.Popen([program("sshd"), "-D", "-f", config, "-E", self._log])
        wait(self._answers, self._log.read_text)

    def _answers(self) -> bool:
        assert self._server.poll() is None, self._log.read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
                return link.recv(4) == b"SSH-"
        except OSError:
            return False

    def argv(self, *options: str) -> list[str]:
        known = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
        way = ("-F", "none", "-i", str(self._folder / "user"), "-o", "IdentitiesOnly=yes", "-p", str(self.port))
        return [self._ssh, *way, *known, *options, f"{getpass.getuser()}@127.0.0.1"]

    def cut(self) -> None:
        """Kill what serves each connection; the listener stays. A broken network looks like this to the shell."""
        for child in psutil.Process(self._server.pid).children():
            child.kill()

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(PATIENCE)


class Window:
    """One tmux server with one window, of 80x24 at first, in which a shell runs.

    Args:
        home: gets the socket; a short path.
        shell: the command of the window.
    """

    def __init__(self, home: Path, program: Callable[[str], str], shell: list[str]) -> None:
        self._tmux, self._socket = program("tmux"), str(home / "tmux")
        config = home / "tmux.conf"
        config.write_text("set -g status off\nset -g escape-time 0\nset -g default-terminal tmux-256color\n")
        self._do("-f", str(config), "new-session", "-d", "-s", "w", "-x", "80", "-y", "24", shlex.join(shell))

    def _do(self, *words: str) -> str:
        kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        argv = [self._tmux, "-u", "-S", self._socket, *words]
        return subprocess.run(
            argv, env={**kept, "LC_ALL": "C.UTF-8"}, check=True, capture_output=True, text=True, timeout=PATIENCE
        ).stdout

    @property
    def text(self) -> str:
        return self._do("capture-pane", "-p", "-t", "w")

    @property
    def drawn_over(self) -> tuple[bool, bool, bool]:
        """(on the alternate screen, cursor hidden, asks for the mouse): all False at a shell."""
        said = self._do("display-message", "-p", "-t", "w", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").split()
        return said[0] == "1", said[1] == "0", said[2] == "1"

    def resize(self, columns: int, rows: int) -> None:
        self._do("resize-window", "-t", "w", "-x", str(columns), "-y", str(rows))

    def press(self, *keys: str) -> None:
        """Keys by their tmux names, one after another."""
        for key in keys:
            self._do("send-keys", "-t", "w", key)

    def enter(self, line: str) -> None:
        self._do("send-keys", "-t", "w", "-l", "--", line)
        self.press("Enter")

    def sees(self, pattern: str) -> str:
        """The screen, once the regular expression is on it."""
        seen = ""

        def there() -> bool:
            nonlocal seen
            seen = self.text
            return re.search(pattern, seen) is not None

        wait(there, lambda: f"{pattern!r} never came; the screen:\n{seen}")
        return seen

    def close(self) -> None:
        self._do("kill-server")
