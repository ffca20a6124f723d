"""The whole state of one console, without a terminal: events and keys go in, lines and intents come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..port.snapshot import Batch, Snapshot
from .intents import FetchFrame, Intent
from .lines import Line, blank
from .place import Rect, place

LinkState = Literal["starting", "live", "lost", "stalled"]


class Model:
    """One console.

    Args:
        now: wall clock, us since the epoch (ages, expiry).
        ssh: shown data is paced and described for a slow link.
        title: what the terminal title says after the program's name, for example `~/site`.
        by: who decides, as the journal keeps it: `uid@tty`.

    Moments called `at` are monotonic seconds; `due` answers on the same clock.
    """

    def __init__(
        self, *, ascii: bool, now: Callable[[], int], ssh: bool = False, title: str = "", by: str = "operator"
    ) -> None:
        self.width, self.height = 80, 24

    # -- facts in ------------------------------------------------------------------------------------------------

    def attach(self, snapshot: Snapshot) -> None:
        """Start from a snapshot, or after `gap`/a lost link once more: cursor and scope stay, keys disarm."""

    def fold(self, batch: Batch) -> None:
        """Take one batch. Call for every batch; draw afterwards, once per frame."""

    def set_link(
        self, state: LinkState, *, since: int = 0, tries: int = 0, retry_at: int = 0, late: float = 0.0, text: str = ""
    ) -> None:
        """The shell's word on the link. since, retry_at: us wall; late: seconds drawing lags (stalled); text: why."""

    def notice(self, text: str, *, bad: bool = False) -> None:
        """One sentence for the operator in the hint line (made safe here), until the next key."""

    def set_frame(self, sha: str, width: int, height: int, picture: list[Line]) -> None:
        """Cells of a picture asked for by `wants_frame`; tokens are `#rrggbb/#rrggbb` (or theme tokens without colour)."""

    # -- keys in -------------------------------------------------------------------------------------------------

    @property
    def typing(self) -> bool:
        """A prompt is open: printable characters go to `text`, everything else to `key`."""
        return False

    def key(self, key: str, at: float) -> list[Intent]:
        """A key by its Textual name."""
        return []

    def text(self, s: str, at: float) -> list[Intent]:
        """Printable characters while `typing`."""
        return []

    def paste(self, s: str, at: float) -> None:
        """A bracketed paste: goes into an open prompt, else nowhere; it never decides."""

    def focus_in(self, at: float) -> None: ...

    def focus_out(self, at: float) -> None: ...

    def resized(self, width: int, height: int, at: float) -> None: ...

    def tick(self, at: float) -> list[Intent]:
        """Call when `due` has passed."""
        return []

    def due(self) -> float | None:
        """Next moment something changes by time alone (arming, `a a`, an isolated key confirmed), or None."""
        return None

    @property
    def wants_ack(self) -> int | None:
        """Stamp to be acknowledged, or None.

        Read it before `lines`; after that frame is written ask the terminal (`CSI 6n`), and when it answers call
        `acknowledged(at, stamp)`. A stale stamp is ignored.
        """
        return None

    def acknowledged(self, at: float, stamp: int) -> None:
        """The terminal has shown the frame of `stamp`."""

    # -- lines out -----------------------------------------------------------------------------------------------

    def places(self, width: int, height: int) -> dict[str, Rect]:
        """tabs, pane1..pane7, vrule, status, hint; then what lies over them: overlay, prompt. Draw in this order."""
        return place(width, height, 2)

    def lines(self, pane: str, width: int, height: int) -> list[Line]:
        """Exactly `height` lines, each exactly `width` cells."""
        return [blank(width)] * height

    def wants_frame(self) -> FetchFrame | None:
        """The picture the screen shows room for and does not have; asked once per (sha, size)."""
        return None

    @property
    def title_text(self) -> str:
        """For OSC 2: `(4) harness-tui ~/site`, safe."""
        return "harness-tui"

    @property
    def theme_name(self) -> str:
        """What `:theme` chose, or "" for the shell's own choice."""
        return ""
