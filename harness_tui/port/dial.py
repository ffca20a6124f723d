"""Reaching an engine's socket without an event loop: who is at the other end, and one blocking question at a time."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Any

from ..domain.errors import LinkLost, SetupError
from . import wire

START = "Start it: harness-tui engine start"


def peer(sock: socket.socket) -> tuple[int, int]:
    """(pid, uid) of the process at the other end, as the kernel knows it."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return pid, uid


def check_owner(sock: socket.socket, path: Path) -> None:
    """Refuse a socket that somebody else listens on. Raises SetupError."""
    _, uid = peer(sock)
    if uid != os.getuid():
        raise SetupError(f"The engine's socket {path} belongs to uid {uid}, not to you.", "Set HARNESS_TUI_HOME.")


ANSWER_SECONDS = 30.0
"""How long a greeted engine may take to answer: a command is durable before it is answered."""


class NoEngine(LinkLost):
    """Nobody listens on the socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"No engine answers at {path}.", START)


class Dial:
    """A blocking connection to an engine.

    Opening may raise NoEngine; every call LinkLost (no greeting in `timeout`
    seconds, no answer in ANSWER_SECONDS) or the error the engine gave.
    """

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self._path = path
        self._next = 0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(timeout)
        try:
            self._sock.connect(os.fspath(path))
        except TimeoutError:
            self._sock.close()
            raise self._silent() from None
        except OSError:
            self._sock.close()
            raise NoEngine(path) from None
        self._lines = self._sock.makefile("rb")
        try:
            check_owner(self._sock, path)
            self._write(wire.hello())
            wire.check_hello(self._read(), "engine")
            self._sock.settimeout(max(timeout, ANSWER_SECONDS))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Dial:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def ask(self, kind: type[wire.Request], **fields: Any) -> Any:
        """Send one request and return its answer, typed as `wire.ANSWERS` says."""
        self._next += 1
        item = kind(id=self._next, **fields)
        self._write(wire.request(item))
        line = wire.read_line(self._read())
        while line.id not in (0, item.id):
            line = wire.read_line(self._read())
        return wire.answer(item, line)

    def close(self) -> None:
        self._lines.close()
        self._sock.close()

    def _write(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except TimeoutError:
            raise self._silent() from None
        except OSError:
            pass  # it hung up; what it said last is still to be read

    def _read(self) -> bytes:
        try:
            line = self._lines.readline(wire.MAX_REPLY + 1)
        except TimeoutError:
            raise self._silent() from None
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise LinkLost("The engine closed the connection before it answered.", "See: harness-tui engine status")
        return line

    def _silent(self) -> LinkLost:
        return LinkLost(f"The engine at {self._path} does not answer.", "See: harness-tui engine logs")
