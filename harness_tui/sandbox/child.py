"""One child, from its start to the death of everything it started."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..domain.errors import SetupError
from . import limits, nanny
from .base import FLOOD, HEAD, TAIL, Finished
from .tree import Escape

log = logging.getLogger(__name__)

PATH = "/usr/local/bin:/usr/bin:/bin"
GRACE = 10.0
"""Seconds a nanny has to end its child before we do it for her."""

_NEVER = re.compile(r"LD_|HARNESS_TUI|DBUS_|SSH_|GPG_AGENT|PYTHON(HOME|PATH|STARTUP|INSPECT)|(BASH_)?ENV$|[^A-Za-z_]|$")
"""Names a child is never given: they load code into it, or lead to the operator's own services."""


def clean(home: Path, tmp: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """All variables of a child. Nothing of ours is among them.

    Raises SetupError for an extra one that no child gets.
    """
    for name in extra or {}:
        if _NEVER.match(name):
            raise SetupError(f"No child of a tool is given the variable {name!r}.")
    return {
        "PATH": PATH,
        "HOME": str(home),
        "TMPDIR": str(tmp),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        **(extra or {}),
    }


def directory(root: Path, cwd: str, hidden: Sequence[Path] = ()) -> Path:
    """The real directory `cwd` below `root`. Raises Escape when it is none, leaves the root or is hidden."""
    real = Path(os.path.realpath(root / cwd))
    if Path(cwd).is_absolute() or not real.is_relative_to(root) or _below(real, root, hidden):
        raise Escape(f"{cwd} is no directory of the workspace.", f"Give one below {root}, relative to it.")
    if not real.is_dir():
        raise Escape(f"{cwd} is not a directory.")
    return real


def _below(real: Path, root: Path, hidden: Sequence[Path]) -> bool:
    """Whether one of `hidden` in the root holds it; what holds the root itself hides nothing of it."""
    return any(real.is_relative_to(path) and path != root and path.is_relative_to(root) for path in hidden)


class Output:
    """What came out: the beginning and the end, and how many bytes between them were left out."""

    def __init__(self) -> None:
        self.total = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._kept = 0

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = HEAD - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail.append(rest)
            self._kept += len(rest)
        while self._tail and self._kept - len(self._tail[0]) >= TAIL:
            self._kept -= len(self._tail.popleft())

    def text(self) -> tuple[str, int]:
        """(text, bytes left out). A line of its own says where."""
        tail = b"".join(self._tail)[-TAIL:]
        dropped = self.total - len(self._head) - len(tail)
        gap = f"\n... {dropped} bytes left out ...\n".encode() if dropped else b""
        return (bytes(self._head) + gap + tail).decode(errors="replace"), dropped


async def run(
    argv: Sequence[str],
    *,
    executable: str,
    cwd: Path,
    env: Mapping[str, str],
    deadline: float,
    flood: int = FLOOD,
    gain: bool = False,
) -> Finished:
    """Run one child, limited, in a session of its own, reading nothing; when this returns or raises, all of it is dead.

    Args:
        env: all its variables.
        deadline: seconds.
        flood: bytes of output after which it is stopped.
        gain: whether set-uid programs work for it.

    Raises SetupError when it cannot be started.
    """
    try:
        child = _Child([str(cwd), executable, *argv], env, flood, gain=gain)
    except (OSError, ValueError) as error:
        raise SetupError(f"Cannot start {executable}: {error}.") from None
    timer = asyncio.get_running_loop().call_later(deadline, child.stop, "deadline")
    try:
        await child.over()
    finally:
        timer.cancel()
    return child.finished()


class _Child:
    """A running nanny and her two pipes: what comes out, and how it ended."""

    def __init__(self, start: list[str], env: Mapping[str, str], flood: int, *, gain: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._executable = start[1]
        self._output = Output()
        self._flood = flood
        self._said = b""
        self._why: Literal["deadline", "flood", "killed"] | None = None
        self._ended = self._loop.create_future()
        self._force: asyncio.TimerHandle | None = None
        self._out, out = os.pipe()
        self._status, status = os.pipe()
        words = [str(os.getpid()), str(status), *limits.current().words(), "gain" if gain else "", *start]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", nanny.__file__, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                env=dict(env),
                pass_fds=(status,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._out)
            os.close(self._status)
            raise
        finally:
            os.close(out)
            os.close(status)
        os.set_blocking(self._out, False)
        self._loop.add_reader(self._out, self._read)
        self._loop.add_reader(self._status, self._listen)

    def stop(self, why: Literal["deadline", "flood", "killed"]) -> None:
        """Have everything ended; the first reason counts."""
        if self._why or self._ended.done():
            return
        self._why = why
        self._process.send_signal(signal.SIGTERM)
        self._force = self._loop.call_later(GRACE, self._end_it)

    async def over(self) -> None:
        """Wait until nothing of it is left, also when this task is cancelled meanwhile."""
        cancelled: asyncio.CancelledError | None = None
        waiting = asyncio.ensure_future(self._collected())
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError as error:
                cancelled = error
                self.stop("killed")
        if cancelled:
            raise cancelled
        waiting.result()

    def finished(self) -> Finished:
        """How it ended. Raises SetupError when it had not even started."""
        word, _, number = self._said.decode(errors="replace").partition(" ")
        if word == "errno":
            reason = os.strerror(int(number))
            raise SetupError(f"Cannot start {self._executable}: {reason}.")
        text, dropped = self._output.text()
        if word == "exit":
            return Finished(int(number), text, "exit", dropped)
        return Finished(None, text, self._why or "killed", dropped)

    async def _collected(self) -> None:
        try:
            await self._ended
            await asyncio.to_thread(self._process.wait)
            self._drain()
        finally:
            if self._force:
                self._force.cancel()
            for pipe in (self._out, self._status):
                self._loop.remove_reader(pipe)
                os.close(pipe)

    def _read(self) -> None:
        try:
            data = os.read(self._out, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._out)
        self._output.feed(data)
        if self._output.total > self._flood:
            self.stop("flood")

    def _drain(self) -> None:
        """What was still in the pipe. Nobody writes any more, so this ends; somebody who got away does not hold us."""
        with suppress(BlockingIOError):
            for _ in range(64):
                data = os.read(self._out, 1 << 16)
                if not data:
                    return
                self._output.feed(data)

    def _listen(self) -> None:
        data = os.read(self._status, 64)
        self._said += data
        if not data:
            self._loop.remove_reader(self._status)
            if not self._ended.done():
                self._ended.set_result(None)

    def _end_it(self) -> None:
        log.warning("pid %d does not end its child, so it is ended from here", self._process.pid)
        nanny.end(self._process.pid)
        self._process.kill()
        if not self._ended.done():
            self._ended.set_result(None)
