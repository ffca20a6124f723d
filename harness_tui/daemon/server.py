"""The engine's unix socket: only its owner gets in, and every doubt about that closes the door."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from ..domain.errors import ApprovalError, HarnessError, SetupError
from ..port import wire
from ..port.dial import peer
from ..port.port import EnginePort
from . import descent
from .session import Session

log = logging.getLogger(__name__)

MAX_SESSIONS = 64
MAX_BACKLOG = 64


def make_private(folder: Path) -> None:
    """Make sure that `folder` is ours, real and 0700. Raises SetupError.

    Reading by others is taken away; a folder that is shared on purpose (sticky), a link or somebody else's is refused.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise SetupError(f"{folder} is not a real directory, so the socket is not safe there.", "Set HARNESS_TUI_HOME.")
    if found.st_uid != os.getuid():
        raise SetupError(f"{folder} belongs to uid {found.st_uid}, not to you.", "Set HARNESS_TUI_HOME to your own.")
    if found.st_mode & stat.S_ISVTX:
        raise SetupError(f"{folder} is shared with other users.", "Set HARNESS_TUI_HOME to a directory of its own.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def bind(path: Path) -> socket.socket:
    """Listen on `path`, mode 0600, in a private folder. The caller holds the home's lock, so an old socket is stale.

    Raises SetupError when something other than a socket is in the way, or the path cannot be bound.
    """
    make_private(path.parent)
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SetupError(f"{path} is in the way and is no socket.", f"Look at it, then remove it: {path}")
        path.unlink()
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(MAX_BACKLOG)
    except OSError as error:
        listener.close()
        raise SetupError(f"Cannot listen on {path}: {error.strerror or error}.", "Set HARNESS_TUI_HOME.") from None
    listener.setblocking(False)
    return listener


def _inode(path: Path) -> int:
    return path.lstat().st_ino


class Server:
    """Serves one engine to any number (MAX_SESSIONS) of front ends of the same user."""

    def __init__(self, engine: EnginePort, path: Path, uid: int) -> None:
        self._engine = engine
        self._path = path
        self._uid = uid
        self._sessions: dict[Session, asyncio.Task[None] | None] = {}
        self._server: asyncio.Server | None = None
        self._inode = -1

    @classmethod
    async def start(cls, engine: EnginePort, path: Path, *, uid: int | None = None) -> Server:
        """Listen on `path` and admit processes of `uid` (ours). Raises SetupError."""
        server = cls(engine, path, os.getuid() if uid is None else uid)
        listener = bind(path)
        server._inode = _inode(path)
        server._server = await asyncio.start_unix_server(server._accept, sock=listener, limit=wire.MAX_REQUEST)
        return server

    def hide(self) -> None:
        """Admit nobody any more; who is in stays."""
        if self._server:
            self._server.close()
        with suppress(OSError):
            if _inode(self._path) == self._inode:
                self._path.unlink()

    async def end(self) -> None:
        """Deliver what the stopped engine left to say, then hang up on everybody."""
        self.hide()
        await asyncio.gather(*(session.end() for session in self._sessions))
        if tasks := [task for task in self._sessions.values() if task]:
            await asyncio.wait(tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self._engine, reader, writer)
        try:
            refusal = self._refusal(writer)
            if refusal:
                log.warning("refused a connection: %s", refusal.what)
                writer.write(wire.failed(0, refusal))
                return
            self._sessions[session] = asyncio.current_task()
            await session.run()
        finally:
            self._sessions.pop(session, None)
            writer.close()

    def _refusal(self, writer: asyncio.StreamWriter) -> HarnessError | None:
        try:
            pid, uid = peer(writer.get_extra_info("socket"))
        except OSError:
            return SetupError("The engine cannot tell who connects, so nobody may.")
        if uid != self._uid:
            return SetupError(f"This engine belongs to uid {self._uid}; uid {uid} may not use it.")
        if why := descent.refusal(pid):
            return ApprovalError(
                f"This engine does not answer pid {pid}: {why}.", "Decide from a terminal of your own."
            )
        if len(self._sessions) >= MAX_SESSIONS:
            return SetupError(f"This engine already has {MAX_SESSIONS} connections.", "Close a console and try again.")
        return None
