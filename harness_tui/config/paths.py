"""Where state lives: XDG directories, or all of it under HARNESS_TUI_HOME. Directories 0700, files 0600."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

MAX_SOCKET_PATH = 100
"""Bytes: the kernel takes 107; past 100 the socket moves to the runtime directory."""


@dataclass(frozen=True)
class Paths:
    """The places of one home. Nothing is created until `ensure`."""

    home: Path

    @classmethod
    def default(cls) -> Paths:
        """HARNESS_TUI_HOME, else the user's XDG state directory."""
        given = os.environ.get("HARNESS_TUI_HOME")
        return cls(Path(given).expanduser().absolute() if given else _xdg("XDG_STATE_HOME", "~/.local/state"))

    @property
    def config(self) -> Path:
        """The one configuration: in the home, or in the user's XDG directory when the home is XDG's own."""
        if os.environ.get("HARNESS_TUI_HOME") or self.home != _xdg("XDG_STATE_HOME", "~/.local/state"):
            return self.home / "config.toml"
        return _xdg("XDG_CONFIG_HOME", "~/.config") / "config.toml"

    @property
    def journal(self) -> Path:
        return self.home / "journal.db"

    @property
    def blobs(self) -> Path:
        return self.home / "blobs"

    @property
    def lock(self) -> Path:
        return self.home / "engine.lock"

    @property
    def log(self) -> Path:
        return self.home / "engine.log"

    @property
    def demo(self) -> Path:
        return self.home / "demo"

    @property
    def socket(self) -> Path:
        """The engine's socket: in the home, or under the runtime directory when that path is too long."""
        near = self.home / "engine.sock"
        if len(os.fsencode(near)) <= MAX_SOCKET_PATH:
            return near
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        base = Path(runtime) / "harness-tui" if runtime else Path(tempfile.gettempdir()) / f"harness-tui-{os.getuid()}"
        return base / f"{name}.sock"

    def ensure(self) -> Paths:
        """Create the directories, 0700. Raises SetupError when that is impossible."""
        from ..domain.errors import SetupError

        for folder in (self.home, self.blobs, self.socket.parent):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise SetupError(
                    f"Cannot create {folder}: {error.strerror}.", "Set HARNESS_TUI_HOME to a writable place."
                ) from None
        return self


def _xdg(variable: str, default: str) -> Path:
    """Our folder in that XDG directory; a relative one is ignored, as the specification has it."""
    given = os.environ.get(variable, "")
    return Path(given if given.startswith("/") else default).expanduser() / "harness-tui"
