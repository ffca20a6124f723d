"""How a console is started, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .feed import Connect
from .frames import Ink
from .perform import Launch


@dataclass(frozen=True)
class Options:
    """How a console is started.

    Attributes:
        connect: returns a connected port; LinkLost is tried again, any other HarnessError ends the console.
        theme: name of a theme; ascii: no character beyond ASCII.
        launch: turns `:demo` and `:run` into a command (see `perform.Launch`).
        log: file that gets the trace of a crash, without values.
        exports: folder for exported text.
        fps: the operator's own pace, or None.
        pane: which has the focus at first; 0 = the usual one.
        title: what the terminal's title says after the name; by: who decides, for the journal.
    """

    connect: Connect
    theme: str
    ascii: bool = False
    mouse: bool = False
    ssh: bool = False
    ink: Ink = "true"
    fps: float | None = None
    pane: int = 0
    title: str = ""
    by: str = "operator"
    launch: Launch | None = None
    log: Path | None = None
    exports: Path = field(default_factory=Path.cwd)
