"""A notice when a human is needed and nobody may be looking: a bell and a desktop notice, one digest in half a minute.

What needs nobody is never told: a round that had nothing to do, a run that ended, a request that was decided meanwhile.
What waits when the console attaches is not told either, since whoever attached is looking at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from ..domain.safetext import clip

Mode = Literal["off", "bell", "osc9"]
MODES: tuple[Mode, ...] = ("off", "bell", "osc9")
INTERVAL = 30.0
"""Seconds between two notices at least."""
NAMED = 3
"""Things a digest names."""
NAME = 60
TEXT = 200


class Notices:
    """What was told, and when it may be told of the rest.

    Attributes:
        mode: what the operator chose, or None for what the terminal takes.
    """

    def __init__(self) -> None:
        self.mode: Mode | None = None
        self._known: set[str] | None = None
        self._last = float("-inf")

    def attached(self, waiting: Iterable[str]) -> None:
        """The first snapshot is on the screen; after that only what is new counts."""
        if self._known is None:
            self._known = set(waiting)

    def tick(self, waiting: Mapping[str, str], at: float) -> str:
        """A digest to send now, or "".

        Args:
            waiting: what waits for a human, oldest first: id to what it is of.
            at: monotonic seconds.
        """
        if self._known is None:
            return ""
        self._known &= waiting.keys()
        fresh = [ident for ident in waiting if ident not in self._known]
        if not fresh or at < self._last + INTERVAL:
            return ""
        self._last = at
        self._known.update(fresh)
        return digest(fresh, waiting)


def digest(fresh: list[str], waiting: Mapping[str, str]) -> str:
    """`A-28 changelog-drafter waits`; `3 wait: A-28 changelog-drafter, A-29 r17, A-30 r18`: the new ones first."""
    named = [*fresh, *(ident for ident in waiting if ident not in set(fresh))]
    words = [clip(f"{ident} {waiting[ident]}".rstrip(), NAME) for ident in named[:NAMED]]
    if len(named) == 1:
        return f"{words[0]} waits"
    return f"{len(named)} wait: {', '.join(words)}" + (", ..." if len(named) > NAMED else "")


def mode_for(environ: Mapping[str, str]) -> Mode:
    """What this terminal takes: inside tmux and screen only the bell is sure to arrive."""
    return "bell" if environ.get("TMUX") or environ.get("STY") else "osc9"


def sequence(text: str, mode: Mode | None, environ: Mapping[str, str]) -> str:
    """What is written to the terminal for a notice of any origin; "" when notices are off."""
    mode = mode or mode_for(environ)
    if mode == "off":
        return ""
    if mode == "bell":
        return "\a"
    # The name first: a text that begins with a number could be taken for one of the other commands under 9.
    said = f"\x1b]9;harness-tui: {clip(text, TEXT)}\a"
    if environ.get("TMUX"):  # asked for by hand: tmux hands it on where `allow-passthrough` is on
        said = f"\x1bPtmux;{said.replace(chr(27), chr(27) * 2)}\x1b\\"
    return f"\a{said}"
